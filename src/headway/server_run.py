"""A run on a PostgreSQL server: steps that waited in vain are tried again, a lost COMMIT is resolved."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from headway.attempt import Attempt
from headway.batch import Batch, Following, can_batch
from headway.blockers import cancelling
from headway.commit import is_connection_lost, transaction_id
from headway.diagnosis import Left
from headway.errors import (
    ConfigurationError,
    DatabaseError,
    HeadwayError,
    LedgerError,
    LockLostError,
)
from headway.events import StepRetrying
from headway.forecast import Forecast, may_be_recorded
from headway.ledger import Outcome
from headway.lost_commit import may_be_committed, step_on_record, took_effect
from headway.prepared import Prepared
from headway.retry import RetryPolicy
from headway.runner import Run
from headway.shield import shielded
from headway.timeouts import REVISION_ATTRIBUTES, Timeouts
from headway.watch import Watcher, interval_within, watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from headway.alembic_bridge import Recorded, RevisionCode, Scope
    from headway.door import Door
    from headway.journal import Line
    from headway.results import JournalledStatement, Peer, RunReport
    from headway.statements import StatementRun
    from headway.work import Fetched, Work


_ABANDON_WITHIN_S = 5.0
_NOT_BEGUN = "the run ended before this step began"


class _Failure(NamedTuple):
    """What the server had against a try, and who kept it waiting."""

    error: DatabaseError
    blockers: tuple[Peer, ...]


def _is_lost(error: DatabaseError) -> bool:
    return is_connection_lost(error.__cause__ or error)


class _Next(NamedTuple):
    """The next step, as far as the message of the one before has begun it.

    ``entry`` and ``batch`` are ``None`` where that message was sent, and what became of it is not known.
    """

    work: Work
    entry: int | None = None
    batch: Batch | None = None


class ServerRun(Run):
    """One execution of a plan, behind an open door to a server."""

    def __init__(self, operation: str, door: Door, scope: Scope) -> None:
        super().__init__(operation, door, scope)
        self._door: Door = door
        self._transaction: str | None = None
        self._lock_lost_by: str | None = None
        self._batch: Batch | None = None
        self._begun: BaseException | None = None
        self._forecast = Forecast(scope, self._foresight)
        self._foreseen: tuple[Recorded, tuple[Work, Following] | None] | None = None
        self._next: _Next | None = None
        # Named after the run: the connection may be the caller's, and may have seen other runs.
        self._prepared = Prepared(f"headway_{door.run_id[:12]}")

    async def execute(
        self, works: Sequence[Work], *, before: tuple[str, ...], after: tuple[str, ...]
    ) -> RunReport:
        """As any run; a step that was begun ahead of its turn is let go of when that does not come."""
        try:
            return await super().execute(works, before=before, after=after)
        except BaseException:
            await self._let_go()
            raise

    async def _open_entry(
        self, work: Work, code: RevisionCode, journal: tuple[JournalledStatement, ...]
    ) -> int:
        """Open it; meanwhile the step is recorded and its transaction begins, where all is known already."""
        self._batch = self._begun = None
        begun, self._next = self._next, None
        if begun is not None:
            self._forecast.turn(code)
            return await self._take_up(begun)
        try:
            entry, self._begun = await asyncio.gather(
                super()._open_entry(work, code, journal), self._begin(work, code), return_exceptions=True
            )
        except BaseException:
            await self._abandon(self._batch)
            raise
        if isinstance(entry, BaseException):
            await self._abandon(self._batch)
            raise entry
        return entry

    async def _take_up(self, begun: _Next) -> int:
        """Go on with what the message of the step before has begun; its entry."""
        self._batch = begun.batch
        entry = begun.entry or await self._door.control.run(partial(self._opened, begun.work))
        if entry is None:  # never: it was committed with the step before
            raise LedgerError(f"the ledger entry of {begun.work.revision} is gone")
        return entry

    def _opened(self, work: Work, connection: Connection) -> int | None:
        door = self._door
        found = door.ledger.entries(
            connection, run_id=door.run_id, revision=work.revision, outcome=Outcome.RUNNING, limit=1
        )
        return found[0].id if found else None

    async def _let_go(self) -> None:
        """Nobody takes up what the message of the step before has begun: roll back, and close the entry."""
        begun, self._next = self._next, None
        if begun is None:
            return
        await self._abandon(begun.batch)

        def close(connection: Connection) -> None:
            entry = begun.entry or self._opened(begun.work, connection)
            if entry is not None:
                self._door.ledger.close(
                    connection, entry, Outcome.INTERRUPTED, duration_ms=None, error=_NOT_BEGUN
                )

        with suppress(HeadwayError):
            await shielded(self._door.control.run(close), grace_s=_ABANDON_WITHIN_S)

    async def _begin(self, work: Work, code: RevisionCode) -> None:
        def begin(connection: Connection) -> None:
            if can_batch(connection) and may_be_recorded(work, code):
                self._batch = self._batch_of(work, code, self._forecast.turn(code))
                if self._batch is not None:
                    self._batch.begin(connection)

        await self._door.session.run(begin)

    async def _abandon(self, batch: Batch | None) -> None:
        """Leave no transaction open behind a batch that is not sent."""
        if batch is None:
            return
        # An error from here would hide the one that matters.
        with suppress(HeadwayError):
            await shielded(self._door.session.run(batch.abandon), grace_s=_ABANDON_WITHIN_S)

    def _batch_of(self, work: Work, code: RevisionCode, recorded: Recorded | None) -> Batch | None:
        """The step in one message; ``None`` where it must be run statement by statement."""
        door, moves = self._door, work.moves
        if recorded is None or moves is None:
            return None
        try:
            timeouts, policy = self._patience(work, code)
        except ConfigurationError:
            return None  # it will be told of where it can be put on record
        lock_timeout_ms = next(policy.lock_timeouts())
        return Batch(door, self._prepared, recorded.statements, moves(), timeouts, lock_timeout_ms)

    def _patience(self, work: Work, code: RevisionCode) -> tuple[Timeouts, RetryPolicy]:
        """How long a step may wait for what, and how often it is tried.

        Raises:
            ConfigurationError: what the revision says of it is not a duration.
        """
        if any(getattr(code, name) is not None for name in REVISION_ATTRIBUTES):
            timeouts = Timeouts().merged(self._door.options, code, origin=work.revision)
            return timeouts, RetryPolicy.of(timeouts)
        return self._usual

    @cached_property
    def _usual(self) -> tuple[Timeouts, RetryPolicy]:
        timeouts = Timeouts().merged(self._door.options)
        return timeouts, RetryPolicy.of(timeouts)

    def _look_ahead(self, attempt: Attempt | StatementRun | Batch) -> None:
        """While the server is busy with this step, fetch what the next ones need."""
        if isinstance(attempt, Batch):
            # The message of the next step begins the one behind it.
            known = self._forecast.next(2)
            self._foreseen = None if known is None else (known[2], self._begun_behind(*known))
        else:
            self._foresight.look(1)

    def _following(self) -> tuple[Work, Following] | None:
        """The next step, where it can be begun in the message of this one; ``None`` where it cannot."""
        known = self._forecast.next()
        if known is None:
            return None
        foreseen, self._foreseen = self._foreseen, None
        if foreseen is not None and foreseen[0] is known[2]:
            return foreseen[1]
        return self._begun_behind(*known)

    def _begun_behind(
        self, fetched: Fetched, code: RevisionCode, recorded: Recorded
    ) -> tuple[Work, Following] | None:
        batch = self._batch_of(fetched.work, code, recorded)
        if batch is None or fetched.checksum is None:
            return None
        return fetched.work, Following(batch, self._entry(fetched.work, code, fetched.checksum))

    async def _attempts(self, work: Work, code: RevisionCode, entry: int, journal: list[Line]) -> None:
        """Try until it succeeds, or fails for a reason that trying again does not change."""
        door = self._door
        timeouts, policy = self._patience(work, code)
        started = time.monotonic()
        turns: Iterator[tuple[int, int]] = enumerate(policy.lock_timeouts(), start=1)
        batch = self._batch_begun()
        if batch is not None:
            turn = next(turns)
            failed = await self._finished_batch(batch, work, entry, turn[1])
            if failed is None:
                self._forecast.keep()
                return
            self._forecast.forget()
            if not await self._paused(work, policy, turn[0], started, failed):
                turns = chain([turn], turns)  # statement by statement, to find out which it was
        for number, lock_timeout_ms in turns:
            attempt: Attempt | StatementRun
            if code.transactional:
                attempt = Attempt(door, work.revision, entry, timeouts, lock_timeout_ms)
            else:
                from headway.statements import StatementRun  # few runs need it

                attempt = StatementRun(door, work.revision, entry, timeouts, lock_timeout_ms, journal)
            failed = await self._once(
                work, attempt, lock_timeout_ms, partial(self._apply, attempt, code, work.write)
            )
            if failed is None:
                return
            repeatable = attempt.left not in {Left.PART, Left.REMAINS}
            if not repeatable or not await self._paused(work, policy, number, started, failed):
                raise failed.error

    def _batch_begun(self) -> Batch | None:
        """The batch, if its transaction has begun.

        Raises:
            DatabaseError: the connection broke as it began.
        """
        batch, begun = self._batch, self._begun
        self._batch = self._begun = None
        if isinstance(begun, DatabaseError) and not _is_lost(begun):
            return None
        if begun is not None:
            raise begun
        return batch if batch is not None and batch.transaction is not None else None

    async def _finished_batch(
        self, batch: Batch, work: Work, entry: int, lock_timeout_ms: int
    ) -> _Failure | None:
        """Send the rest of the step; what failed otherwise than with the connection has left nothing behind.

        Raises:
            DatabaseError: the connection broke, and the step did not take effect.
        """
        self._transaction = batch.transaction
        found = self._following()
        coming, following = found or (None, None)
        self._next = None if coming is None else _Next(coming)

        def finish(connection: Connection) -> None:
            opened = batch.finish(connection, entry, following)
            if coming is not None and following is not None and opened is not None:
                self._next = _Next(coming, opened, following.batch)

        try:
            failed = await self._once(work, batch, lock_timeout_ms, finish)
        except BaseException:
            if not batch.committing:
                await self._abandon(batch)
            raise
        if failed is None or (following is not None and await self._is_done(work, failed)):
            return None
        self._next = None
        if _is_lost(failed.error):
            raise failed.error
        return failed

    async def _is_done(self, work: Work, failed: _Failure) -> bool:
        """Whether what failed in a step's message came behind its COMMIT, and so was of the next step."""
        door = self._door
        if _is_lost(failed.error):
            return False  # it was found out already
        self._committed = await door.control.run(step_on_record(door, work.revision))
        return self._committed

    async def _once(
        self,
        work: Work,
        attempt: Attempt | StatementRun | Batch,
        lock_timeout_ms: int,
        apply: Callable[[Connection], None],
    ) -> _Failure | None:
        """Try once, under the eyes of a watcher; returns what the server had against it."""
        door = self._door
        watcher = Watcher(door.run_id, work.revision, door.emit, interval_s=interval_within(lock_timeout_ms))
        try:
            async with (
                watching(watcher, door.control, door.pid),
                cancelling(door, work.revision, lock_timeout_ms),
            ):
                # It comes round when the statements are on their way, and there is an answer to wait for.
                asyncio.get_running_loop().call_soon(self._look_ahead, attempt)
                await door.session.run(apply)
                self._committed = True
        except Exception as error:
            self._left = attempt.left
            if not isinstance(error, DatabaseError):
                raise
            if await self._committed_after_all(attempt, error, work):
                return None
            return _Failure(error, watcher.blockers)
        return None

    async def _paused(
        self, work: Work, policy: RetryPolicy, number: int, started: float, failed: _Failure
    ) -> bool:
        """Whether a failure may pass by itself; if so, the pause before the next try is over."""
        door, sqlstate = self._door, failed.error.sqlstate
        delay = policy.decide(number, sqlstate, time.monotonic() - started)
        if delay is None:
            return False
        door.emit(StepRetrying(door.run_id, work.revision, number, str(sqlstate), delay, failed.blockers))
        await asyncio.sleep(delay)
        return True

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
        self, attempt: Attempt | StatementRun | Batch, error: DatabaseError, work: Work
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
