"""Run steps through the open door, one transaction each, and tell listeners.

Where the steps come from (a plan, or one of Alembic's own commands) is the caller's matter; how they run
is decided here, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
import uuid
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from headway.diagnosis import Left, read_error, step_failed
from headway.errors import DatabaseError, HeadwayError, RefusedError
from headway.events import (
    RunFailed,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepStarted,
)
from headway.journal import journal_to_resume, lines_of
from headway.ledger import NewEntry, Operation, Outcome
from headway.planning import unfinished
from headway.results import Direction, RunReport, StepResult
from headway.shield import shielded
from headway.sqltext import is_confidential
from headway.work import Foresight

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

    from headway.alembic_bridge import RevisionCode, Scope
    from headway.doorway import Doorway
    from headway.events import Event
    from headway.journal import Line
    from headway.results import JournalledStatement
    from headway.work import Work

# How long the ledger and the server are waited for when a step has failed; they may be what failed.
_LAST_WORDS_S = 5.0


class Run(ABC):
    """One execution of a plan, behind an open door; how a step is tried depends on what is behind it."""

    def __init__(self, operation: str, door: Doorway, scope: Scope) -> None:
        self.operation = operation
        self._door = door
        self._scope = scope
        self._started = time.perf_counter()
        self._left = Left.NOTHING
        self._committed = False
        self._done: list[StepResult] = []
        self._foresight = Foresight()

    async def execute(
        self, works: Sequence[Work], *, before: tuple[str, ...], after: tuple[str, ...]
    ) -> RunReport:
        """Run all works in order.

        Args:
            works: the steps; none is fine.
            before: the version rows now.
            after: the version rows once every step is done.

        Returns:
            The report; its ``steps`` are empty when there was nothing to do.

        Raises:
            StepFailedError: a revision failed; it is rolled back and those before it stay.
            VersionConflictError: somebody else moved the version meanwhile.
            LockLostError: the migrator lock was gone; the step is rolled back.
            OutcomeUnknownError: the connection broke during COMMIT, and nobody knows what became of it.
            DirtyError: a revision was interrupted, and the first of these is not what goes on with it.
        """
        door = self._door
        database = door.session.database
        door.emit(RunStarted(door.run_id, self.operation, database, len(works)))
        done = self._done
        try:
            if not works:
                await self._require_settled()
            self._foresight.expect(works)
            for number, work in enumerate(works, start=1):
                await self._step(work, number, len(works))
        except BaseException as error:
            elapsed = elapsed_ms(self._started)
            fault = (type(error).__name__, told(error))
            door.emit(RunFailed(door.run_id, self.operation, len(done), elapsed, *fault))
            raise
        elapsed = elapsed_ms(self._started)
        door.emit(RunFinished(door.run_id, self.operation, len(done), elapsed))
        return RunReport(door.run_id, self.operation, database, before, after, tuple(done), elapsed)

    async def _step(self, work: Work, number: int, total: int) -> None:
        await self._require_lock()
        door = self._door
        about = (door.run_id, work.revision, work.direction, work.description, number, total)
        door.emit(StepStarted(*about))
        started = time.perf_counter()
        entry: int | None = None
        code: RevisionCode | None = None
        self._left, self._committed = Left.NOTHING, False
        try:
            code = self._foresight.turn()
            journal = await self._journal_of(work, code)
            entry = await self._open_entry(work, code, journal)
            await self._attempts(work, code, entry, lines_of(journal))
        except (Exception, asyncio.CancelledError) as error:
            if self._committed:  # cancelled when the step was over: the run ends after it, not with it
                self._finished(about, started)
                raise
            failure = self._explained(error, work, code)
            await self._put_on_record(work, entry, failure, started)
            if failure is error:
                raise
            raise failure from self._chained(error)
        self._finished(about, started)

    def _finished(self, about: tuple[str, str, Direction, str, int, int], started: float) -> None:
        elapsed = elapsed_ms(started)
        self._door.emit(StepFinished(*about, duration_ms=elapsed))
        _, revision, direction, description, _, _ = about
        self._done.append(StepResult(revision, direction, description, elapsed))

    async def _put_on_record(
        self, work: Work, entry: int | None, failure: BaseException, started: float
    ) -> None:
        """Close the ledger entry of a step that failed, and only then tell of it."""
        door = self._door
        try:
            if entry is not None:
                await self._close_failed(entry, failure, started)
        finally:
            sqlstate = getattr(failure, "sqlstate", None)
            fault = (type(failure).__name__, told(failure))
            door.emit(StepFailed(door.run_id, work.revision, work.direction, *fault, sqlstate))

    async def _require_lock(self) -> None:  # noqa: B027  # nothing to do is the usual case
        """See that the migrator lock is still ours before a step begins; as a rule it cannot have gone.

        Raises:
            LockLostError: another migrator has it now, or was at work meanwhile.
        """

    @abstractmethod
    async def _attempts(self, work: Work, code: RevisionCode, entry: int, journal: list[Line]) -> None:
        """Try until it succeeds, or fails for a reason that trying again does not change.

        Sets ``_committed`` as soon as the step is, and ``_left`` when it is not.
        """

    async def _require_settled(self) -> None:
        """There is nothing to run; say so only when nothing is left half-way, in whichever direction.

        Raises:
            DirtyError: a revision was interrupted that is not among those to run.
        """
        dirty = await self._door.control.run(self._door.ledger.dirty)
        if dirty is not None:
            raise unfinished(dirty)

    async def _journal_of(self, work: Work, code: RevisionCode) -> tuple[JournalledStatement, ...]:
        """What an interrupted attempt at this very step has done; empty as a rule.

        Raises:
            DirtyError: another step was interrupted, and must be brought to its end first; or this one was
                when it had left its transaction, and what it committed is for a person to settle.
        """
        if work.path is None:
            return ()  # a stamp runs nothing, and is the way out
        door = self._door
        # Since a step of this run was done and the lock is ours, nothing else can have been interrupted.
        dirty = None if self._done else await door.control.run(door.ledger.dirty)
        if dirty is None:
            return ()
        if (dirty.revision, dirty.operation.value) != (work.revision, work.operation):
            raise unfinished(dirty)
        return journal_to_resume(dirty, transactional=code.transactional)

    async def _open_entry(
        self, work: Work, code: RevisionCode, journal: tuple[JournalledStatement, ...]
    ) -> int:
        door = self._door
        entry = self._entry(work, code, await self._foresight.checksum(), journal)
        return await door.control.run(lambda connection: door.ledger.open(connection, entry))

    def _entry(
        self,
        work: Work,
        code: RevisionCode,
        checksum: str | None,
        journal: tuple[JournalledStatement, ...] = (),
    ) -> NewEntry:
        door = self._door
        return NewEntry(
            run_id=door.run_id,
            revision=work.revision,
            operation=Operation(work.operation),
            description=door.session.redact(work.description),
            checksum=checksum,
            transactional=code.transactional,
            journal=journal,
            remarks=door.remarks,
            # A stamp says of itself neither whether revisions come nor whether they go.
            applied=work.direction is Direction.UPGRADE if work.operation == Operation.STAMP else None,
        )

    async def _close_failed(self, entry: int, failure: BaseException, started: float) -> None:
        """Put the failure on record; where that fails too, the next run closes the entry."""
        door = self._door
        interrupted = isinstance(failure, asyncio.CancelledError)
        outcome = Outcome.INTERRUPTED if interrupted else Outcome.FAILED
        sqlstate = getattr(failure, "sqlstate", None)

        def close(connection: Connection) -> None:
            door.ledger.close(
                connection,
                entry,
                outcome,
                duration_ms=elapsed_ms(started),
                sqlstate=sqlstate,
                error=door.session.redact(told(failure)),
            )

        async def last_words() -> None:
            # A server that has not noticed that the step's connection is gone keeps the entry locked.
            async with asyncio.timeout(_LAST_WORDS_S):
                await door.control.run(close)

        with contextlib.suppress(HeadwayError, OSError, TimeoutError):
            await shielded(last_words(), grace_s=2 * _LAST_WORDS_S)

    def _chained(self, error: BaseException) -> BaseException | None:
        """The error as the cause of ours, unless its own words hold a secret that ours do not."""
        if is_confidential(read_error(error.__cause__ or error).statement or ""):
            return None
        words = "".join(traceback.format_exception(error))
        return error if self._door.session.redact(words) == words else None

    def _explained(self, error: BaseException, work: Work, code: RevisionCode | None) -> BaseException:
        """The error to raise: headway's own as they are, everything else with file, line and statement."""
        own = isinstance(error, HeadwayError) and not isinstance(error, DatabaseError | RefusedError)
        if own or not isinstance(error, Exception):
            return error
        return step_failed(
            error.__cause__ if isinstance(error, DatabaseError) and error.__cause__ else error,
            revision=work.revision,
            description=work.description,
            operation=work.operation,
            path=work.path,
            place=code.place if code else lambda _: None,
            succeeded=[result.revision for result in self._done],
            redact=self._door.session.redact,
            left=self._left,
        )


def nothing_to_do(
    operation: str, database: str, rows: tuple[str, ...], emit: Callable[[Event], None]
) -> RunReport:
    """A run that had nothing to run: no door was opened, and nothing was written."""
    run_id = uuid.uuid4().hex
    emit(RunStarted(run_id, operation, database, 0))
    emit(RunFinished(run_id, operation, 0, 0.0))
    return RunReport(run_id, operation, database, rows, rows)


def told(failure: BaseException) -> str:
    """A failure in words; what is not headway's own is a cancellation, for all else was explained."""
    return failure.message if isinstance(failure, HeadwayError) else "cancelled"


def elapsed_ms(since: float) -> float:
    """Milliseconds since a moment of ``time.perf_counter()``."""
    return round((time.perf_counter() - since) * 1000, 3)
