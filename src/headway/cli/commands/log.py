"""log: what was done to the database, by whom, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway.cli import documents, tables
from headway.cli.options import Example, Verb
from headway.cli.sitting import sitting
from headway.cli.tables import Cell
from headway.errors import ExitCode
from headway.narration.figures import readable_duration
from headway.results import Operation, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.cli.invocation import Invocation
    from headway.cli.sitting import Sitting
    from headway.cli.terminal import Terminal
    from headway.results import LedgerEntry

_COLOURS = {Outcome.FAILED: "red", Outcome.INTERRUPTED: "red", Outcome.RUNNING: "yellow"}
_RUN_ID_SHOWN = 8
_UNRECORDED = ": the newest entries were taken away, or the version was written without headway"
_NO_RUN = ": the ledger begins with the first run of headway on this database"


@click.command(
    cls=Verb,
    examples=[
        Example("headway log --revision 3f2a", "everything that was tried with one revision"),
        Example("headway log --outcome failed --json", "failures, for a ticket"),
        Example("headway log --verify", "exit 7 when the ledger was tampered with"),
    ],
)
@click.option("--revision", metavar="ID", help="Only this revision's; its beginning will do.")
@click.option("--run", "run_id", metavar="ID", help="Only this run's; its beginning will do.")
@click.option("--outcome", type=click.Choice([item.value for item in Outcome]), help="Only these.")
@click.option("--operation", type=click.Choice([item.value for item in Operation]), help="Only these.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@click.option("--verify", is_flag=True, help="Check the hash chain instead; exit 7 when it is broken.")
@click.pass_obj
def log(  # one for each option
    invocation: Invocation,
    *,
    revision: str | None,
    run_id: str | None,
    outcome: str | None,
    operation: str | None,
    limit: int,
    verify: bool,
) -> ExitCode:
    """Show the ledger: every step that was tried, newest run first, in both directions, failures too.

    --verify also warns where the version table and the ledger disagree, which is how it can be told that the
    newest entries were taken away; entries of steps that changed nothing can be taken away unseen.

    A baseline is a revision that came or went without headway, as all did before the ledger was there.
    """
    if verify and any((revision, run_id, outcome, operation)):
        raise click.UsageError("--verify checks the whole ledger: leave the filters out.")
    with sitting(invocation) as desk:
        if verify:
            return _verify(desk)
        entries = desk.run(
            desk.migrator.log(
                revision=revision,
                run_id=run_id,
                outcome=Outcome(outcome) if outcome else None,
                operation=Operation(operation) if operation else None,
                limit=limit,
            )
        )
        if desk.terminal.json:
            desk.terminal.answer(
                documents.render({"entries": [documents.describe(item) for item in entries]})
            )
        elif entries:
            desk.terminal.answer(picture(desk.terminal, entries))
        else:
            filtered = any((revision, run_id, outcome, operation))
            desk.terminal.say("nothing on record" + (" matches" if filtered else _NO_RUN))
        return ExitCode.DONE


def picture(terminal: Terminal, entries: Sequence[LedgerEntry]) -> str:
    """The entries as text, grouped by run; a failed step's error stands behind its description."""
    runs = [entry.run_id for entry in entries]
    begins = [number == 0 or runs[number - 1] != run_id for number, run_id in enumerate(runs)]
    rows = [_row(entry, begins_run=begins_run) for entry, begins_run in zip(entries, begins, strict=True)]
    header = ("run", "began", "operation", "revision", "outcome", "took", "by", "description")
    return tables.render(terminal, rows, header=header)


def _row(entry: LedgerEntry, *, begins_run: bool) -> list[Cell]:
    """One step; what is the same for the whole run stands in its first line."""
    told = entry.description if entry.error is None else f"{entry.description}: {entry.error}".lstrip(": ")
    return [
        Cell(entry.run_id[:_RUN_ID_SHOWN] if begins_run else "", "dim"),
        Cell(f"{entry.started_at:%Y-%m-%d %H:%M:%S}"),
        Cell(entry.operation.value),
        Cell(entry.revision),
        Cell(_outcome(entry), _COLOURS.get(entry.outcome, "green")),
        Cell(readable_duration(entry.duration_ms) if entry.duration_ms is not None else ""),
        Cell(f"{entry.database_user} ({entry.os_user}@{entry.host})" if begins_run else ""),
        Cell(" ".join(told.split())),
    ]


def _outcome(entry: LedgerEntry) -> str:
    if entry.operation is not Operation.BASELINE:
        return entry.outcome.value
    return "before the ledger" if entry.applied else "found undone"


def _verify(desk: Sitting) -> ExitCode:
    broken = desk.run(desk.migrator.verify_log())
    unrecorded = desk.run(desk.migrator.unrecorded())
    if desk.terminal.json:
        content = {"whole": not broken, "broken": broken, "unrecorded": unrecorded}
        desk.terminal.answer(documents.render(content))
    else:
        for line in unrecorded:
            desk.terminal.say(f"{click.style('warning:', fg='yellow')} {line}{_UNRECORDED}")
        desk.terminal.answer("\n".join(broken))
        desk.terminal.say("the ledger was changed after it was written" if broken else "the ledger is whole")
    return ExitCode.INTEGRITY if broken else ExitCode.DONE
