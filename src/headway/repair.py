"""Put right what the ledger says of applied revisions that were changed or are gone; why goes on record."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from headway.errors import ConfigurationError, RefusedError
from headway.events import RunFailed, RunFinished, RunStarted
from headway.ledger import NewEntry, Operation
from headway.planning import changes, forgotten, resolve, unfinished
from headway.results import Alteration, RepairAction, RepairReport
from headway.runner import elapsed_ms, told
from headway.stamping import put_on_record
from headway.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headway.alembic_bridge import Scope
    from headway.doorway import Doorway
    from headway.results import Application
    from headway.revisions import Graph

_SAID = {RepairAction.ACCEPT: "accepted as it is now", RepairAction.FORGET: "forgotten"}


def wished(action: RepairAction | str, reason: str) -> RepairAction:
    """The action that is meant.

    Raises:
        ConfigurationError: there is none of this name, or the reason says nothing.
    """
    if not reason.strip():
        raise ConfigurationError("reason", "says nothing", example='--reason "index renamed by hand, INC-12"')
    try:
        return RepairAction(action)
    except ValueError:
        names = ", ".join(RepairAction)
        raise ConfigurationError("action", f"{action!r} is none of {names}", example="accept") from None


class Repair:
    """One repair, behind an open door."""

    def __init__(self, door: Doorway, scope: Scope, graph: Graph) -> None:
        self._door = door
        self._scope = scope
        self._graph = graph

    async def execute(self, action: RepairAction, revisions: Sequence[str], reason: str) -> RepairReport:
        """Do it.

        Args:
            action: what.
            revisions: of which; all that need it when empty.
            reason: goes on record.

        Returns:
            The report; nothing is written when no revision needs it.

        Raises:
            DirtyError: a revision is half-way; that comes first.
            RefusedError: the action is none for one of the revisions.
            VersionConflictError: the version table changed meanwhile.
        """
        door, started = self._door, time.perf_counter()
        door.emit(RunStarted(door.run_id, Operation.REPAIR.value, door.session.database, 0))
        try:
            report = await self._repaired(action, revisions, reason)
        except BaseException as error:
            fault = (type(error).__name__, told(error))
            door.emit(RunFailed(door.run_id, Operation.REPAIR.value, 0, elapsed_ms(started), *fault))
            raise
        door.emit(RunFinished(door.run_id, Operation.REPAIR.value, 0, elapsed_ms(started)))
        return report

    async def _repaired(self, action: RepairAction, revisions: Sequence[str], reason: str) -> RepairReport:
        door = self._door
        dirty = await door.control.run(door.ledger.dirty)
        if dirty is not None:
            raise unfinished(dirty)
        before = await door.session.run(lambda _: self._scope.versions())
        record = await door.control.run(door.ledger.record_of)
        if action is RepairAction.ACCEPT:
            meant, after = await self._to_accept(revisions, before, record), before
        else:
            meant, after = forgotten(self._graph, before, record, revisions)
        if meant:
            entries = await in_thread(lambda: self._entries(action, meant, reason))
            what = f"the repair of {', '.join(meant)}"
            await put_on_record(door, self._scope, what, entries, before=before, after=after)
        return RepairReport(door.run_id, action, door.session.database, before, after, meant)

    async def _to_accept(
        self, revisions: Sequence[str], before: tuple[str, ...], record: Mapping[str, Application]
    ) -> tuple[str, ...]:
        applied = self._graph.applied(before)
        if not revisions:
            found = await in_thread(lambda: changes(self._graph.revisions, applied, record))
            return tuple(change.revision for change in found if Alteration.DELETED not in change.changes)
        meant = dict.fromkeys(id_ for name in revisions for id_ in resolve(self._graph, name))
        for id_ in meant:
            if id_ not in applied or id_ not in record:
                source = "the ledger" if id_ in applied else "the version table"
                raise RefusedError(
                    f"revision {id_!r} is not applied, by the word of {source}: there is nothing to accept",
                    hint="`headway status` shows what is applied. What plain Alembic applied, the next run "
                    "puts on record as it then is.",
                )
        return tuple(meant)

    def _entries(self, action: RepairAction, meant: Sequence[str], reason: str) -> list[NewEntry]:
        accepting = action is RepairAction.ACCEPT
        checksums = self._graph.fingerprints(meant) if accepting else {}
        return [
            NewEntry(
                self._door.run_id,
                id_,
                Operation.REPAIR,
                self._door.session.redact(f"{_SAID[action]}: {reason}"),
                checksums.get(id_),
                # Of what is accepted it stays on record when it was applied, and by whom.
                applied=None if accepting else False,
            )
            for id_ in meant
        ]
