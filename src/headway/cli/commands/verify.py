"""The verb that proves what was applied by hand: verify."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.cli import documents
from headway.cli.options import Example, Verb
from headway.cli.sitting import sitting
from headway.errors import ExitCode

if TYPE_CHECKING:
    from headway.cli.invocation import Invocation


@click.command(
    cls=Verb,
    examples=[
        Example("headway verify --bundle release", "after psql has applied that bundle"),
        Example("headway verify", "whatever is applied"),
    ],
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="The bundle that was applied: its files are checked, and where it leads to is expected.",
)
@click.option(
    "--scratch-url",
    metavar="URL",
    help="Replay in a database of our own on this server, dropped afterwards. Default: an embedded server.",
)
@click.pass_obj
def verify(invocation: Invocation, bundle: Path | None, scratch_url: str | None) -> ExitCode:
    """Prove that the database is what a run of headway would have left, or print the differences.

    The revisions are replayed in an empty database, and both are compared: schema, version rows, ledger.
    Nothing is changed. Exit code 5 when there are differences. A server of the same major version, by
    --scratch-url, prints expressions in the same words.
    """
    with sitting(invocation) as desk:
        report = desk.run(desk.migrator.verify(bundle, scratch=scratch_url or "embedded"))
        desk.name_database(report.database)
        if desk.terminal.json:
            desk.terminal.answer(documents.render(documents.describe(report, "clean")))
        elif report.clean:
            desk.terminal.say("the database is what a run of headway would have left")
        else:
            desk.terminal.answer("\n".join(report.differences))
            sys.stdout.flush()
            desk.terminal.say(f"compared: {' with '.join(report.compared)}")
        return ExitCode.DONE if report.clean else ExitCode.DRIFT
