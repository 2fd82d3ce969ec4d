"""Write versions without running anything, with the ledger's word for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from headway.events import RunFailed, RunFinished, RunStarted
from headway.ledger import NewEntry, Operation
from headway.results import RunReport
from headway.runner import elapsed_ms, told

if TYPE_CHECKING:
    from headway.alembic_bridge import Scope
    from headway.door import Door
    from headway.revisions import Graph


class Stamp:
    """One stamp, behind an open door."""

    def __init__(self, door: Door, scope: Scope, graph: Graph) -> None:
        self._door = door
        self._scope = scope
        self._graph = graph

    async def execute(self, before: tuple[str, ...], after: tuple[str, ...], *, purge: bool) -> RunReport:
        """Put the version rows from ``before`` to ``after``; every revision that comes or goes is recorded.

        Returns:
            The report; nothing is written when the rows are what they should be.

        Raises:
            VersionConflictError: the table did not hold ``before``.
        """
        door, started = self._door, time.perf_counter()
        door.emit(RunStarted(door.run_id, "stamp", door.session.database, 0))
        try:
            if purge or set(before) != set(after):
                await self._write(before, after, purge=purge)
        except BaseException as error:
            fault = (type(error).__name__, told(error))
            door.emit(RunFailed(door.run_id, "stamp", 0, elapsed_ms(started), *fault))
            raise
        elapsed = elapsed_ms(started)
        door.emit(RunFinished(door.run_id, "stamp", 0, elapsed))
        return RunReport(door.run_id, "stamp", door.session.database, before, after, (), elapsed)

    async def _write(self, before: tuple[str, ...], after: tuple[str, ...], *, purge: bool) -> None:
        door, scope = self._door, self._scope
        await door.session.run(lambda _: scope.create_version_table())
        await door.adopt(self._graph.applied(before))
        entries = self._entries(before, after)
        await door.session.run(
            lambda _: scope.stamp(before, after, purge=purge, record=lambda c: door.ledger.record(c, entries))
        )

    def _entries(self, before: tuple[str, ...], after: tuple[str, ...]) -> list[NewEntry]:
        was, will = self._graph.applied(before), self._graph.applied(after)
        # Rows that this checkout does not know go or come by themselves: their ancestors cannot be told.
        was = was | {row: "" for row in before if row not in was}
        gone = [(revision, False) for revision in reversed(was) if revision not in will]
        come = [(revision, True) for revision in will if revision not in was]
        return [
            NewEntry(
                self._door.run_id,
                revision,
                Operation.STAMP,
                self._door.session.redact((was | will)[revision]),
                applied=applied,
            )
            for revision, applied in [*gone, *come]
        ]
