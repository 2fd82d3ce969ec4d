"""The verb that puts the ledger right: repair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway.cli import documents
from headway.cli.consent import announce, confirm_option, require_consent, warn
from headway.cli.options import Example, Verb, run_options
from headway.cli.sitting import sitting
from headway.narration.changes import in_words, origin
from headway.results import Alteration, RepairAction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway import PendingReport, RunOptions
    from headway.cli.invocation import Invocation
    from headway.cli.sitting import Sitting


@click.command(
    cls=Verb,
    examples=[
        Example('headway repair --action accept --reason "comment in SQL"', "all that changed"),
        Example('headway repair --action forget 3f2a --reason "never merged"', "this one"),
    ],
)
@click.argument("revisions", nargs=-1, metavar="[REVISION...]")
@click.option(
    "--action",
    required=True,
    type=click.Choice([action.value for action in RepairAction]),
    help="accept: edited and re-parented revisions are right as they are now. forget: revisions that no file "
    "holds are applied no more; a version row among them gives way to what is applied of those here.",
)
@click.option("--reason", required=True, metavar="TEXT", help="Why; goes on record.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask; not enough to forget in production.")
@confirm_option
@run_options
@click.pass_obj
def repair(  # each is a word of the command line
    invocation: Invocation,
    revisions: tuple[str, ...],
    action: str,
    reason: str,
    *,
    yes: bool,
    confirm: str | None,
    options: RunOptions,
) -> None:
    """Put right what the ledger says of applied revisions that were changed, or are gone.

    No schema is touched; each revision gets an entry in the ledger, with the reason. Of all that need it, or
    of those named. It asks first, except in development; without a terminal, --yes must answer. In
    production, and where HEADWAY_PROTECTED is set, to forget takes the database's name: typed, or as
    --confirm. A revision that is half-way is settled by upgrade, downgrade or stamp, and not by this.
    """
    with sitting(invocation) as desk:
        announce(desk, confirm=confirm)
        chosen = revisions or _affected(desk, RepairAction(action))
        if chosen:
            _agree(desk, f"{action.capitalize()} {', '.join(chosen)}?", action, yes=yes, confirm=confirm)
        report = desk.run(desk.migrator.repair(action, *chosen, reason=reason, options=options))
        desk.name_database(report.database)
        if desk.terminal.json:
            desk.terminal.answer(documents.render(documents.describe(report)))
        elif report.revisions:
            done = "accepted" if report.action is RepairAction.ACCEPT else "forgotten"
            desk.terminal.say(f"{done}: {', '.join(report.revisions)}")
        else:
            desk.terminal.say("nothing to repair")


def _agree(desk: Sitting, question: str, action: str, *, yes: bool, confirm: str | None) -> None:
    warn(desk)
    if desk.protected and action == RepairAction.FORGET.value:
        require_consent(desk, question, confirm=confirm)
    elif not desk.in_development:
        desk.terminal.confirm(question, yes=yes or confirm is not None)


def _affected(desk: Sitting, action: RepairAction) -> tuple[str, ...]:
    """The revisions that need it, once it was said what is the matter with each."""
    report = desk.run(desk.migrator.pending())
    found = dict(_matters(report, action))
    for line in found.values():
        desk.terminal.complain(line)
    return tuple(found)


def _matters(report: PendingReport, action: RepairAction) -> Iterator[tuple[str, str]]:
    forgetting = action is RepairAction.FORGET
    for change in report.changed:
        if (Alteration.DELETED in change.changes) is forgetting:
            yield change.revision, in_words(change)
    if forgetting:
        known = {item.revision: origin(item) for item in report.foreign}
        for id_ in report.unknown:
            yield id_, f"{id_} is unknown here; {known.get(id_, 'the ledger does not know it')}"
