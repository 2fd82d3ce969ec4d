"""Verbs that write revision files: revision and merge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway.cli import documents
from headway.cli.failure import shorten
from headway.cli.options import Example, Verb
from headway.cli.sitting import sitting
from headway.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from headway import Rename, RevisionReport
    from headway.cli.invocation import Invocation
    from headway.cli.sitting import Sitting


def _spoken(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter("it says nothing; tell in a few words what the revision does", ctx, param)
    return value


def _renames(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[Rename, ...]:
    from headway import Rename

    found = []
    for value in values:
        try:
            found.append(Rename.parse(value))
        except ValueError:
            raise click.BadParameter(
                f"{value!r} is not of the form users.mail=users.email", ctx, param
            ) from None
    return tuple(found)


_branch_label = click.option("--branch-label", metavar="LABEL", help="Name the branch that begins here.")
_rev_id = click.option("--rev-id", metavar="ID", help="The identifier, instead of a random one.")


@click.command(
    cls=Verb,
    examples=[
        Example('headway revision --autogenerate -m "add users"', "from the models"),
        Example('headway revision -m "fill users"', "an empty file to write in"),
        Example('headway revision --sql -m "fill users"', "two SQL files, up and down"),
    ],
)
@click.option(
    "-m",
    "--message",
    required=True,
    callback=_spoken,
    metavar="TEXT",
    help="What it does, in a few words.",
)
@click.option(
    "--autogenerate/--empty",
    default=False,
    help="Write what the models hold and the database lacks, or an empty file. Default: empty, as Alembic.",
)
@click.option(
    "--sql",
    is_flag=True,
    help="Write .up.sql and .down.sql in place of Python; the default in a folder of SQL revisions.",
)
@click.option("--allow-empty", is_flag=True, help="Write the file even when models and database agree.")
@click.option(
    "--rename",
    "renames",
    multiple=True,
    callback=_renames,
    metavar="OLD=NEW",
    help="A column renamed, as users.mail=users.email: its data stays. Repeatable.",
)
@click.option("--no-renames", is_flag=True, help="No column was renamed: ask nothing, flag nothing.")
@click.option("--head", default="head", show_default=True, metavar="REVISION", help="What it follows.")
@click.option("--splice", is_flag=True, help="Allow --head to name a revision that is not a head.")
@_branch_label
@click.option("--depends-on", multiple=True, metavar="REVISION", help="What must be applied too. Repeatable.")
@_rev_id
@click.option("--version-path", metavar="DIR", help="Where to write, among several version locations.")
@click.pass_obj
def revision(  # noqa: PLR0913  # one parameter for each of Alembic's options
    invocation: Invocation,
    message: str,
    head: str,
    branch_label: str | None,
    depends_on: tuple[str, ...],
    rev_id: str | None,
    version_path: str | None,
    renames: tuple[Rename, ...],
    *,
    autogenerate: bool,
    sql: bool,
    allow_empty: bool,
    splice: bool,
    no_renames: bool,
) -> None:
    """Write a new revision and print its path, or its paths.

    With --autogenerate, nothing is written when models and database agree. Indexes of tables in use, and what
    else need not keep others out, go into revisions of their own, which are not transactional. Where a column
    may have been renamed, a terminal is asked; elsewhere a comment in the file says so.
    """
    if renames and (no_renames or not autogenerate):
        raise click.UsageError("--rename goes with --autogenerate, and not with --no-renames.")
    with sitting(invocation) as desk:
        sql = sql or desk.migrator.project.plain_sql
        if sql and autogenerate:
            raise click.UsageError("--autogenerate writes Python; an SQL revision is written by hand")
        decided = renames if renames or no_renames else _asked(desk, autogenerate=autogenerate)
        report = desk.run(
            desk.migrator.revision(
                message,
                sql=sql,
                autogenerate=autogenerate,
                allow_empty=allow_empty,
                head=head,
                splice=splice,
                branch_label=branch_label,
                version_path=version_path,
                rev_id=rev_id,
                depends_on=depends_on or None,
                renames=decided,
            )
        )
        _show_files(desk, report, nothing="models and database agree: no file written")


@click.command(
    cls=Verb,
    examples=[
        Example("headway merge", "all heads"),
        Example('headway merge 3f2a 77c1 -m "join billing"', "these two"),
    ],
)
@click.argument("revisions", nargs=-1, metavar="[REVISION...]")
@click.option(
    "-m",
    "--message",
    callback=_spoken,
    metavar="TEXT",
    help="What it joins, in a few words. Default: merge A and B.",
)
@_branch_label
@_rev_id
@click.pass_obj
def merge(
    invocation: Invocation,
    revisions: tuple[str, ...],
    message: str | None,
    branch_label: str | None,
    rev_id: str | None,
) -> None:
    """Write a revision that joins several heads, and print its path."""
    with sitting(invocation) as desk:
        report = desk.run(
            desk.migrator.merge(
                revisions or ("heads",), message=message, branch_label=branch_label, rev_id=rev_id
            )
        )
        _show_files(desk, report, nothing="there is nothing to merge: no file written")


@click.command(
    cls=Verb,
    examples=[
        Example("headway rebase", "of two heads, the one that is not applied follows the other"),
        Example("headway rebase 77c1 --onto 3f2a", "77c1's branch follows 3f2a"),
    ],
)
@click.argument("revision", required=False, metavar="[REVISION]")
@click.option("--onto", metavar="HEAD", help="The head to follow. Default: the only other one.")
@click.option("--offline", is_flag=True, help="Ask no database whether a revision that moves is applied.")
@click.pass_obj
def rebase(invocation: Invocation, revision: str | None, onto: str | None, *, offline: bool) -> None:
    """Move your own unapplied revisions on top of another head, and print the file that was rewritten.

    Changes one down_revision, and versions.lock where there is one. What is applied on the database is not
    moved; other databases are not asked.
    """
    with sitting(invocation) as desk:
        report = desk.run(desk.migrator.rebase(revision, onto=onto, ask_database=not offline))
        _show_files(desk, report, nothing="there is one head: nothing to move")


@click.command(
    cls=Verb,
    examples=[
        Example("headway lock", "write it, or bring it up to date"),
        Example("headway lock --check", "in CI: exit 7 unless it is up to date"),
    ],
)
@click.option("--check", is_flag=True, help="Write nothing; exit 7 when it is missing or out of date.")
@click.pass_obj
def lock(invocation: Invocation, *, check: bool) -> ExitCode:
    """Write versions.lock beside env.py: every revision, what it follows and what it does. Commit it.

    Two branches that add revisions then conflict in version control, where Git alone would make two heads of
    them. Where it exists, revision, merge and rebase keep it up to date. No database is needed.
    """
    with sitting(invocation) as desk:
        question = desk.migrator.check_lock() if check else desk.migrator.lock()
        report = desk.run(question)
        if desk.terminal.json:
            desk.terminal.answer(documents.render(documents.describe(report)))
        else:
            desk.terminal.answer(shorten(report.path))
        if not check:
            return ExitCode.DONE
        problems = report.problems if report.exists else ("there is no such file",)
        for problem in problems:
            desk.terminal.complain(f"{shorten(report.path)}: {problem}")
        return ExitCode.INTEGRITY if problems else ExitCode.DONE


def _asked(desk: Sitting, *, autogenerate: bool) -> tuple[Rename, ...] | None:
    """The renames that somebody at the terminal says yes to; ``None`` when nobody can be asked."""
    if not autogenerate or not desk.terminal.asks:
        return None
    possible = desk.run(desk.migrator.probable_renames())
    return tuple(
        rename for rename in possible if desk.terminal.ask(f"Was {rename.old} renamed to {rename.new}?")
    )


def _show_files(desk: Sitting, report: RevisionReport, *, nothing: str) -> None:
    for rename in report.renames:
        desk.terminal.say(
            f"{click.style('note:', fg='yellow')} {rename.old} goes and {rename.new} comes, empty. If it was "
            f"renamed, delete the file and pass --rename {rename}."
        )
    if desk.terminal.json:
        desk.terminal.answer(documents.render(documents.describe(report)))
    elif report.paths:
        desk.terminal.answer("\n".join(_each(report.paths)))
    else:
        desk.terminal.say(nothing)


def _each(paths: tuple[Path, ...]) -> list[str]:
    return [shorten(path) for path in paths]
