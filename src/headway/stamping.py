"""Write versions without running anything, with the ledger's word for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from headway.errors import DatabaseError
from headway.events import RunFailed, RunFinished, RunStarted
from headway.ledger import NewEntry, Operation
from headway.lost_commit import may_be_committed, took_effect
from headway.results import RunReport
from headway.retry import RetryPolicy
from headway.runner import elapsed_ms, told
from headway.threads import in_thread
from headway.timeouts import Timeouts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection

    from headway.alembic_bridge import Scope
    from headway.doorway import Doorway
    from headway.ledger import LedgerEntry
    from headway.revisions import Graph


class Stamp:
    """One stamp, behind an open door."""

    def __init__(self, door: Doorway, scope: Scope, graph: Graph) -> None:
        self._door = door
        self._scope = scope
        self._graph = graph

    async def execute(self, before: tuple[str, ...], after: tuple[str, ...], *, purge: bool) -> RunReport:
        """Put the version rows from ``before`` to ``after``; every revision that comes or goes is recorded.

        It is the operator's word on where the database stands, so it also settles a revision that was
        interrupted, wherever the rows are put, or if they stay as they are.

        Returns:
            The report; nothing is written when the rows are what they should be and nothing is dirty.

        Raises:
            VersionConflictError: the table did not hold ``before``.
            OutcomeUnknownError: the connection broke during COMMIT, and nobody knows what became of it.
        """
        door, started = self._door, time.perf_counter()
        door.emit(RunStarted(door.run_id, "stamp", door.session.database, 0))
        try:
            dirty = await door.control.run(door.ledger.dirty)
            if purge or set(before) != set(after) or dirty is not None:
                await self._write(before, after, dirty, purge=purge)
        except BaseException as error:
            fault = (type(error).__name__, told(error))
            door.emit(RunFailed(door.run_id, "stamp", 0, elapsed_ms(started), *fault))
            raise
        elapsed = elapsed_ms(started)
        door.emit(RunFinished(door.run_id, "stamp", 0, elapsed))
        at_head = self._graph.at_head(after)
        return RunReport(
            door.run_id, "stamp", door.session.database, before, after, (), elapsed, at_head=at_head
        )

    async def _write(
        self, before: tuple[str, ...], after: tuple[str, ...], dirty: LedgerEntry | None, *, purge: bool
    ) -> None:
        """Versions and entries in one transaction, whose outcome is found out if COMMIT gets no answer."""
        door, scope = self._door, self._scope
        await door.session.run(lambda _: scope.create_version_table())
        await door.adopt(self._graph.applied(before), self._graph.fingerprints)
        checksums = await in_thread(lambda: self._graph.fingerprints(self._graph.applied(after)))
        entries = self._entries(before, after, dirty, checksums)
        what = f"the stamp of {', '.join(after) or 'base'}"
        await put_on_record(door, scope, what, entries, before=before, after=after, purge=purge)

    def _entries(
        self,
        before: tuple[str, ...],
        after: tuple[str, ...],
        dirty: LedgerEntry | None,
        checksums: Mapping[str, str],
    ) -> list[NewEntry]:
        was, will = self._graph.applied(before), self._graph.applied(after)
        # Rows that this checkout does not know go or come by themselves: their ancestors cannot be told.
        was = was | {row: "" for row in before if row not in was}
        gone = [(revision, False) for revision in reversed(was) if revision not in will]
        come = [(revision, True) for revision in will if revision not in was]
        changed = dict([*gone, *come])
        if dirty is not None and dirty.revision not in changed:
            changed[dirty.revision] = dirty.revision in will
        titles = {dirty.revision: dirty.description} if dirty is not None else {}
        titles |= was | will
        return [
            NewEntry(
                self._door.run_id,
                revision,
                Operation.STAMP,
                self._door.session.redact(titles[revision]),
                checksums.get(revision) if applied else None,
                applied=applied,
            )
            for revision, applied in changed.items()
        ]


async def put_on_record(
    door: Doorway,
    scope: Scope,
    what: str,
    entries: Sequence[NewEntry],
    *,
    before: tuple[str, ...],
    after: tuple[str, ...],
    purge: bool = False,
) -> None:
    """Write version rows and ledger entries in one transaction, and see to it that it took effect.

    Args:
        door: open.
        scope: on the door's session.
        what: is written, for the error.
        entries: all of one operation; none writes the rows alone.
        before: the rows that the version table must hold.
        after: those it is to hold; the same ones leave it alone.
        purge: empty it first, whatever it holds.

    Raises:
        VersionConflictError: the table did not hold ``before``.
        OutcomeUnknownError: the connection broke during COMMIT, and nobody knows what became of it.
    """
    timeouts = Timeouts().merged(door.options)
    # It is not tried again by itself, so it is given as long as a patient attempt.
    wait_ms = RetryPolicy.of(timeouts).patient_ms
    transaction: str | None = None

    def begin(connection: Connection) -> None:
        explicit = timeouts.lock_timeout_ms
        door.limit(connection, timeouts, wait_ms if explicit is None else explicit)

    def record(connection: Connection) -> None:
        nonlocal transaction
        door.ledger.record(connection, entries)
        transaction = door.transaction_of(connection)

    def on_record(connection: Connection) -> bool:
        found = door.ledger.entries(connection, run_id=door.run_id)
        return len([each for each in found if each.operation is not Operation.BASELINE]) == len(entries)

    try:
        await door.session.run(lambda _: scope.stamp(before, after, purge=purge, begin=begin, record=record))
    except DatabaseError as error:
        if not may_be_committed(error, committing=transaction is not None):
            raise
        if not await took_effect(door, what, transaction, on_record=on_record):
            raise
