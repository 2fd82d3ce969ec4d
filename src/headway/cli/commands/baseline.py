"""The verb that takes over a database that no revision made: baseline."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from headway.cli import documents, pictures
from headway.cli.failure import shorten
from headway.cli.options import Example, Verb, run_options
from headway.cli.sitting import sitting
from headway.errors import ExitCode

if TYPE_CHECKING:
    from headway import BaselineReport, RunOptions
    from headway.cli.invocation import Invocation
    from headway.cli.sitting import Sitting

_EMBEDDED = "embedded"


@click.command(
    cls=Verb,
    examples=[
        Example("headway baseline", "write the first revision, prove it, stamp the database"),
        Example("headway baseline --scratch-url URL", "prove it on a server like the database's own"),
        Example("headway baseline --verify", "stamp a database that is as the revisions make it"),
        Example("headway baseline --verify 3f2a --no-stamp", "compare it with an older revision"),
    ],
)
@click.argument("revision", required=False, metavar="[REVISION]")
@click.option(
    "--verify", is_flag=True, help="Write nothing: compare with the revisions up to REVISION or head."
)
@click.option("-m", "--message", metavar="TEXT", help="What it is, in a few words. Default: baseline.")
@click.option("--rev-id", metavar="ID", help="The identifier, instead of a random one.")
@click.option("--schema", "schemas", multiple=True, metavar="NAME", help="Only what it holds. Repeatable.")
@click.option("--no-stamp", is_flag=True, help="Leave the database as it is.")
@click.option(
    "--scratch-url",
    metavar="URL",
    help="Prove it in a database of our own on this server, dropped afterwards, in place of an embedded one.",
)
@run_options
@click.pass_obj
def baseline(  # noqa: PLR0913  # each is a word of the command line
    invocation: Invocation,
    revision: str | None,
    message: str | None,
    rev_id: str | None,
    schemas: tuple[str, ...],
    scratch_url: str | None,
    *,
    verify: bool,
    no_stamp: bool,
    options: RunOptions,
) -> ExitCode:
    """Write what an existing database holds as the first revision, and stamp the database with it.

    First the revision is run in an empty database, up and down: it must make exactly what is there. Where it
    does not, the differences are shown, exit code 5, the file stays and nothing is stamped. What no revision
    can be written for is named. --verify compares a database with the revisions that there are. Of the
    database only version table and ledger are changed; owners and privileges are not looked at.
    """
    if not verify and revision is not None:
        raise click.UsageError("REVISION goes with --verify; the new revision's id is --rev-id.")
    if verify and (message is not None or rev_id is not None):
        raise click.UsageError("--verify writes no revision: -m and --rev-id do not go with it.")
    chosen, scratch = schemas or None, scratch_url or _EMBEDDED
    with sitting(invocation) as desk:
        report = desk.run(
            desk.migrator.verify_baseline(
                revision or "heads", schemas=chosen, scratch=scratch, stamp=not no_stamp, options=options
            )
            if verify
            else desk.migrator.baseline(
                message or "baseline",
                rev_id=rev_id,
                schemas=chosen,
                scratch=scratch,
                stamp=not no_stamp,
                options=options,
            )
        )
        desk.name_database(report.database)
        _show(desk, report)
        return ExitCode.DONE if report.proven else ExitCode.DRIFT


def _show(desk: Sitting, report: BaselineReport) -> None:
    if desk.terminal.json:
        desk.terminal.answer(documents.render(documents.describe(report, "proven")))
    else:
        desk.terminal.answer("\n".join(shorten(path) for path in report.paths))
        for changes in (report.differences, report.left):
            desk.terminal.answer(pictures.differences(changes))
    sys.stdout.flush()
    for what in report.unspoken:
        desk.terminal.say(f"{click.style('note:', fg='yellow')} no revision makes this: {what}")
    for line in _verdict(report):
        desk.terminal.say(line)


def _verdict(report: BaselineReport) -> list[str]:
    if report.revision is None:
        return ["the database holds nothing to write: no file written"]
    if report.proven:
        standing = f"on record: {report.revision}" if report.stamped else "nothing is put on record"
        return [f"proven: the revisions make exactly what {report.database} holds", standing]
    lines = [f"replay failed: {report.failure}"] if report.failure else []
    if report.differences:
        lines.append("+ only the database has it, - only the revisions make it, ~ they differ")
    if report.left:
        lines.append("what the downgrade leaves behind is shown, too")
    here, there = report.servers
    if here != there:
        lines.append(
            f"the database is on {here}, the proof on {there}, which may print the same thing differently: "
            "--scratch-url URL names a server of the same version"
        )
    lines.append("not proven, and nothing is put on record")
    if report.paths:
        lines.append("mend the file, then run: headway baseline --verify")
    return lines
