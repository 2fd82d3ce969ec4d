"""Verbs that only look: status, pending, current, heads, history, check."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from headway.cli import documents, pictures
from headway.cli.options import Example, Verb
from headway.cli.sitting import sitting
from headway.errors import ExitCode
from headway.results import State

if TYPE_CHECKING:
    from headway.cli.invocation import Invocation
    from headway.cli.sitting import Sitting
    from headway.results import PendingReport, StatusReport

_BROKEN = frozenset({State.AHEAD, State.DIVERGED})


@click.command(cls=Verb, examples=[Example("headway status --json", "the same as one JSON document")])
@click.pass_obj
def status(invocation: Invocation) -> ExitCode:
    """Show every revision with its mark, and where the database stands.

    The database is only read. Exit code 0 whatever the state (use "headway pending" to test for it), except
    7 when applied revisions were edited, re-parented or deleted since.
    """
    with sitting(invocation) as desk:
        report = desk.run(desk.migrator.status())
        desk.name_database(report.database)
        if desk.terminal.json:
            desk.terminal.answer(documents.render(documents.describe(report, "pending", "unknown")))
        else:
            desk.terminal.answer(pictures.status(desk.terminal, report))
        return _integrity(desk, report) or ExitCode.DONE


def _integrity(desk: Sitting, report: StatusReport | PendingReport) -> ExitCode | None:
    """Say which applied revisions are not what was applied, and how to go on; ``None`` as a rule."""
    if not report.changed:
        return None
    from headway.cli.failure import draw
    from headway.narration.changes import changed_error

    sys.stdout.flush()
    desk.terminal.complain(draw(changed_error(report.database, report.changed), command="headway status"))
    return ExitCode.INTEGRITY


@click.command(
    cls=Verb,
    examples=[
        Example("headway pending", "the missing revisions, one on a line"),
        Example("headway pending -q || headway upgrade", "only when needed"),
    ],
)
@click.pass_obj
def pending(invocation: Invocation) -> ExitCode:
    """Print the revisions the database lacks, in the order they would run.

    Exit code 0 at head, 4 when revisions are missing, 7 when the database holds revisions that this
    checkout does not know, or applied ones were edited, re-parented or deleted since, 8 when one was
    interrupted.
    """
    with sitting(invocation) as desk:
        report = desk.run(desk.migrator.pending())
        desk.name_database(report.database)
        if desk.terminal.json:
            desk.terminal.answer(documents.render(documents.describe(report, "at_head")))
        else:
            desk.terminal.answer("\n".join(report.pending))
            desk.terminal.say(pictures.standing(report))
            for known in report.foreign:
                from headway.narration.changes import origin

                desk.terminal.say(f"{known.revision} was {origin(known)}")
        if report.at_head:
            return ExitCode.DONE
        if report.state is State.DIRTY:
            return ExitCode.DIRTY
        if _integrity(desk, report):
            return ExitCode.INTEGRITY
        return ExitCode.INTEGRITY if report.state in _BROKEN else ExitCode.PENDING


@click.command(cls=Verb, examples=[Example("headway current --check-heads", "exit 4 unless at every head")])
@click.option("--check-heads", is_flag=True, help="Exit 4 unless the database is at every head.")
@click.pass_obj
def current(invocation: Invocation, *, check_heads: bool) -> ExitCode:
    """Print the revisions the database is at; nothing when none is applied."""
    with sitting(invocation) as desk:
        revisions = desk.run(desk.migrator.current())
        heads = desk.run(desk.migrator.heads())
        at_head = {item.revision for item in revisions} == {item.revision for item in heads}
        if desk.terminal.json:
            content = {"revisions": revisions, "at_head": at_head}
            desk.terminal.answer(documents.render(content))
        else:
            desk.terminal.answer(pictures.revisions(desk.terminal, revisions, paths=invocation.verbose))
        if at_head or not check_heads:
            return ExitCode.DONE
        desk.terminal.complain(f"not at head: {pictures.names(heads)}")
        return ExitCode.PENDING


@click.command(cls=Verb)
@click.pass_obj
def heads(invocation: Invocation) -> None:
    """Print the newest revisions of this checkout. No database is needed."""
    with sitting(invocation) as desk:
        revisions = desk.run(desk.migrator.heads())
        if desk.terminal.json:
            desk.terminal.answer(documents.render({"revisions": revisions}))
        else:
            desk.terminal.answer(pictures.revisions(desk.terminal, revisions, paths=invocation.verbose))


@click.command(
    cls=Verb,
    examples=[
        Example("headway history -r base:3f2a", "a part of it"),
        Example("headway history -r -3:", "the newest three"),
        Example("headway history -i", "with the database's place in it"),
    ],
)
@click.option("-r", "--rev-range", "rev_range", metavar="[START]:[END]", help="A part; ends as in Alembic.")
@click.option("-i", "--indicate-current", is_flag=True, help="Mark where the database is (asks it).")
@click.pass_obj
def history(invocation: Invocation, rev_range: str | None, *, indicate_current: bool) -> None:
    """Print the revisions, newest first. No database is needed, unless -i or "current" asks for it."""
    with sitting(invocation) as desk:
        revisions = desk.run(desk.migrator.history(rev_range))
        if indicate_current:
            here = {item.revision for item in desk.run(desk.migrator.current())}
            revisions = tuple(replace(item, is_current=item.revision in here) for item in revisions)
        if desk.terminal.json:
            desk.terminal.answer(documents.render({"revisions": revisions}))
        else:
            desk.terminal.answer(pictures.revisions(desk.terminal, revisions, paths=invocation.verbose))


@click.command(
    cls=Verb,
    examples=[
        Example("headway check --scratch", "in CI: no database is needed"),
        Example("headway revision --autogenerate -m '...'", "write what check found"),
    ],
)
@click.option(
    "--scratch",
    is_flag=True,
    help="Replay all revisions into an empty database on an embedded server of its own, and compare there.",
)
@click.option(
    "--scratch-url",
    metavar="URL",
    help="The same in a database of our own on this server, dropped afterwards.",
)
@click.pass_obj
def check(invocation: Invocation, *, scratch: bool, scratch_url: str | None) -> ExitCode:
    """Print what the models hold and no revision creates; exit 4 when there is anything.

    The database must be at head, for it is what the models are compared with. Where it is not, the exit code
    is that of "headway pending": 4, 7 or 8. With --scratch or --scratch-url it is left alone.
    """
    with sitting(invocation) as desk:
        where = scratch_url or ("embedded" if scratch else None)
        report = desk.run(desk.migrator.check(scratch=where))
        desk.name_database(report.database)
        if desk.terminal.json:
            desk.terminal.answer(documents.render(documents.describe(report, "clean", "differences")))
        elif report.clean:
            desk.terminal.say("models and migrations agree")
        else:
            desk.terminal.answer(pictures.differences(report.changes))
            sys.stdout.flush()
            desk.terminal.say('no revision creates this; run: headway revision --autogenerate -m "..."')
        return ExitCode.DONE if report.clean else ExitCode.PENDING
