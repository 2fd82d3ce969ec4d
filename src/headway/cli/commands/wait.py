"""The verb for scripts and init containers: wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway.cli import documents, pictures
from headway.cli.options import DURATION, Example, Verb
from headway.cli.sitting import sitting

if TYPE_CHECKING:
    from headway.cli.invocation import Invocation


@click.command(
    cls=Verb,
    examples=[
        Example("headway wait && start-the-app", "once another replica has migrated"),
        Example("headway wait --server --timeout 2min", "until PostgreSQL answers"),
        Example("headway wait --revision 3f2a", "until that revision is applied"),
    ],
)
@click.option("--server", is_flag=True, help="Wait for the server only, whatever is applied.")
@click.option("--revision", "target", metavar="TARGET", help="Wait for this revision. Default: every head.")
@click.option(
    "--timeout",
    "timeout_s",
    type=DURATION,
    metavar="DURATION",
    default=60.0,
    help="How long. Default: 60s; 0 looks once.",
)
@click.pass_obj
def wait(invocation: Invocation, *, server: bool, target: str | None, timeout_s: float) -> None:
    """Return as soon as the database holds the revisions of this checkout. Nothing is changed.

    A server that does not answer yet is waited for too. A database that holds more than this checkout knows,
    and misses nothing of it, will do. A wrong password, a database that does not exist and one that holds
    unknown revisions while it misses known ones end the wait at once: that is not going to pass.

    Exit code 0 when it is so, 4 when revisions are still missing or half-way at the deadline, 7 when the
    database holds unknown revisions and misses known ones, 1 when the server was never there.
    """
    if server and target is not None:
        raise click.UsageError("--server waits for no revision: leave out one of --server and --revision.")
    with sitting(invocation) as desk:
        awaited = None if server else "heads" if target is None else target
        report = desk.run(desk.migrator.wait(awaited, timeout_s=timeout_s))
        desk.name_database(report.database)
        if desk.terminal.json:
            desk.terminal.answer(documents.render(documents.describe(report, "at_head")))
        else:
            desk.terminal.say("the server answers" if server else pictures.standing(report))
