"""A run on a PostgreSQL server: steps that waited in vain are tried again, a lost COMMIT is resolved."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import anyio

from headway.attempt import Attempt
from headway.blockers import cancelling
from headway.commit import transaction_id
from headway.diagnosis import Left
from headway.errors import DatabaseError, LockLostError
from headway.events import StepRetrying
from headway.lost_commit import may_be_committed, step_on_record, took_effect
from headway.retry import RetryPolicy
from headway.runner import Run
from headway.statements import StatementRun
from headway.timeouts import Timeouts
from headway.watch import Watcher, interval_within, watching

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from headway.alembic_bridge import RevisionCode, Scope
    from headway.door import Door
    from headway.journal import Line
    from headway.runner import Work


class ServerRun(Run):
    """One execution of a plan, behind an open door to a server."""

    def __init__(self, operation: str, door: Door, scope: Scope) -> None:
        super().__init__(operation, door, scope)
        self._door: Door = door
        self._transaction: str | None = None
        self._lock_lost_by: str | None = None

    async def _attempts(self, work: Work, code: RevisionCode, entry: int, journal: list[Line]) -> None:
        """Try until it succeeds, or fails for a reason that trying again does not change."""
        door = self._door
        timeouts = Timeouts().merged(door.options, code, origin=work.revision)
        policy = RetryPolicy.of(timeouts)
        started = time.monotonic()
        for number, lock_timeout_ms in enumerate(policy.lock_timeouts(), start=1):
            attempt: Attempt | StatementRun
            if code.transactional:
                attempt = Attempt(door, work.revision, entry, timeouts, lock_timeout_ms)
            else:
                attempt = StatementRun(door, work.revision, entry, timeouts, lock_timeout_ms, journal)
            watcher = Watcher(
                door.run_id, work.revision, door.emit, interval_s=interval_within(lock_timeout_ms)
            )
            try:
                async with (
                    watching(watcher, door.control, door.pid),
                    cancelling(door, work.revision, lock_timeout_ms),
                ):
                    await door.session.run(partial(self._apply, attempt, code, work.write))
                    self._committed = True
            except Exception as error:
                self._left = attempt.left
                if not isinstance(error, DatabaseError):
                    raise
                if await self._committed_after_all(attempt, error, work):
                    return
                elapsed = time.monotonic() - started
                repeatable = attempt.left is not Left.PART
                delay = policy.decide(number, error.sqlstate, elapsed) if repeatable else None
                if delay is None:
                    raise
                door.emit(
                    StepRetrying(
                        door.run_id, work.revision, number, str(error.sqlstate), delay, watcher.blockers
                    )
                )
                await anyio.sleep(delay)
            else:
                return

    def _apply(
        self, attempt: Attempt | StatementRun, code: RevisionCode, write: Callable[[], None], _: Connection
    ) -> None:
        def write_version() -> None:
            # Known before COMMIT, for the day it gets no answer.
            self._transaction = attempt.transaction or transaction_id(self._scope.connection)
            # The search_path and the role that the revision set were for its own statements.
            self._door.bearings.restore(self._scope.connection)
            write()

        attempt.apply(self._scope, code, write_version)

    async def _committed_after_all(
        self, attempt: Attempt | StatementRun, error: DatabaseError, work: Work
    ) -> bool:
        """Whether a step whose COMMIT got no answer took effect; ``False`` when the COMMIT was not at issue.

        Raises:
            OutcomeUnknownError: nobody can say.
        """
        if not may_be_committed(error, committing=attempt.committing):
            return False
        door = self._door
        found = step_on_record(door, work.revision)
        self._lock_lost_by = work.revision
        return await took_effect(door, work.revision, self._transaction, on_record=found)

    async def _require_lock(self) -> None:
        """Before anything else is written, take the lock again that a connection lost in COMMIT took along.

        Raises:
            LockLostError: another migrator has it now, or was at work meanwhile.
        """
        if self._lock_lost_by is None:
            return
        if not await self._door.regain():
            raise LockLostError(
                self._lock_lost_by,
                f"{self._lock_lost_by} is committed, but its connection broke in COMMIT, and another "
                "migrator has come in; the revisions after it were not run",
                hint="Run the command again: it goes on with what is then still missing.",
            )
        self._lock_lost_by = None
