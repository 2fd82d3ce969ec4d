"""Revisions that are not transactional: statement by statement, journalled, resumed where they stopped.

A statement that may run in a transaction is committed together with its line in the journal, so the two
never disagree. One that may not (``CREATE INDEX CONCURRENTLY`` and its kin) is journalled before and
after, and when it was cut short, what it left is looked at before it runs again. What only reads, or sets
something for the session, is not journalled: every attempt runs it anew.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, ResourceClosedError, SQLAlchemyError
from sqlalchemy.util import await_only

from headway.alone import autocommitted, send
from headway.clearing import Clearing
from headway.commit import is_connection_lost
from headway.diagnosis import Left, read_error
from headway.errors import DirtyError, LockLostError, RefusedError
from headway.events import StatementFinished
from headway.guc import act_as_before, kept
from headway.indexes import require_usable
from headway.journal import Journal, Line, digest
from headway.kinds import Kind, is_concurrent, kind_of, require_resumable, resets_timeouts
from headway.ledger import Outcome
from headway.lock import holds
from headway.remains import Begun
from headway.sqltext import presentable
from headway.timeouts import set_for_session, set_local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy.engine import Connection

    from headway.alembic_bridge import RevisionCode, Scope
    from headway.door import Door
    from headway.timeouts import Timeouts

# What takes the place of a statement that is done already.
_NOTHING = "SELECT WHERE false"
_HAS_WRITTEN = text("SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL")
_EXCHANGE_LOCK_TIMEOUT = text(
    "SELECT pg_catalog.current_setting('lock_timeout'), pg_catalog.set_config('lock_timeout', :value, false)"
)


@dataclass(slots=True)
class _Running:
    """The statement that is between its two events; ``answered_by`` is the line of one that is not sent."""

    statement: str
    kind: Kind
    parameters: Any
    started: float
    verbatim: bool = False
    answered_by: Line | None = None


class StatementRun:
    """One try at a revision that is not transactional.

    Args:
        door: the open door.
        revision: the revision.
        entry: its open ledger entry.
        timeouts: of the run and the revision.
        lock_timeout_ms: of this attempt. Only what says CONCURRENTLY waits longer: nobody queues behind it.
        journal: what earlier attempts did; brought up to date as statements are done.
    """

    def __init__(  # one argument for each thing a statement needs
        self,
        door: Door,
        revision: str,
        entry: int,
        timeouts: Timeouts,
        lock_timeout_ms: int,
        journal: list[Line],
    ) -> None:
        self._door = door
        self._revision = revision
        self._entry = entry
        self._timeouts = timeouts
        self._lock_timeout_ms = lock_timeout_ms
        self._journal = Journal(revision, journal)
        self._clearing = Clearing(door, revision)
        self._ours = False
        self._before_it: Mapping[str, str] = {}
        self._running: _Running | None = None
        self._withheld: Line | None = None
        self._started = time.perf_counter()
        self.committing = False

    @property
    def transaction(self) -> None:
        """Not one but many; none whose outcome could be asked for."""
        return

    @property
    def left(self) -> Left:
        """What a failure leaves in the database: what is done stays done, and is not done again."""
        return Left.STATEMENTS

    def apply(self, scope: Scope, code: RevisionCode, write: Callable[[], None]) -> None:
        """Run what is not done yet, then write the version in a transaction of its own.

        What the revision sets for its session holds until its last statement.

        Raises:
            DirtyError: the revision's statements are not those that the journal has, one that is done would
                have to give its rows back, or what an interrupted one left cannot be proved to be its own.
            LockLostError: the migrator lock is gone.
            Exception: whatever the revision raises; the statements done before it stay done.
        """
        connection = scope.connection
        with kept(connection) as self._before_it:
            with connection.begin():
                set_for_session(connection, self._timeouts, self._lock_timeout_ms)
            with self._listening(connection), scope.routed_in_autocommit():
                self._call(code.function)
            self._journal.require_whole()
            for line in self._journal.rest:
                self._forget(connection, line)
            connection.commit()  # what was looked at
        with connection.begin():
            set_local(connection, self._timeouts, self._lock_timeout_ms)
            self._require_lock(connection, "before the version was written; its statements are done")
            write()
            self._door.ledger.close(
                connection,
                self._entry,
                Outcome.SUCCEEDED,
                duration_ms=(time.perf_counter() - self._started) * 1000,
            )
            self.committing = True

    def _call(self, function: Callable[[], None]) -> None:
        try:
            function()
        except ResourceClosedError as error:
            if self._withheld is None:
                raise
            raise DirtyError(
                self._revision,
                "the revision asks for the rows of a statement that an earlier attempt has done, and that is "
                f"not run again:\n  {self._withheld.statement}",
                statements_done=self._journal.done,
                hint="Change the revision so that it does not need them (ask by a SELECT that writes "
                "nothing), and run the command again; or finish by hand, then `headway stamp` the revision.",
            ) from error
        self._require_nothing_failed()

    # -- the two events of every statement -------------------------------------------------------------

    @contextmanager
    def _listening(self, connection: Connection) -> Iterator[None]:
        event.listen(connection, "before_cursor_execute", self._before, retval=True)
        event.listen(connection, "after_cursor_execute", self._after)
        try:
            yield
        finally:
            event.remove(connection, "before_cursor_execute", self._before)
            event.remove(connection, "after_cursor_execute", self._after)

    def _before(  # SQLAlchemy calls it with these
        self, connection: Connection, _cursor: Any, statement: str, parameters: Any, context: Any, *_: Any
    ) -> tuple[str, Any]:
        if self._ours:
            return statement, parameters
        self._require_nothing_failed()
        verbatim = bool(context.execution_options.get("no_parameters"))
        running = _Running(statement, kind_of(statement), parameters, time.perf_counter(), verbatim)
        self._running = running
        line = self._line_of(connection, running)
        if line is None or not line.done:
            self._require_resumable(connection, running, context)
            if running.kind is not Kind.OUTSIDE:
                return statement, parameters
            line = self._run_outside(connection, running, line)
        running.answered_by = line
        return _NOTHING, ()

    def _after(self, connection: Connection, cursor: Any, _statement: str, *more: Any) -> None:
        if self._ours or self._running is None:
            return
        running, context = self._running, more[1]
        line = running.answered_by
        with self._own():
            if line is None:
                self._require_lock(connection, f"after this statement:\n  {self._text(running.statement)}")
                require_usable(connection, running.statement)
                if running.kind is Kind.WRITING or connection.scalar(_HAS_WRITTEN):
                    line = self._write_down(connection, running, cursor.rowcount)
                elif resets_timeouts(running.statement):
                    set_for_session(connection, self._timeouts, self._lock_timeout_ms)
            connection.commit()
        self._running = None
        if running.answered_by is not None:
            self._answer(running, running.answered_by, context)
        elif line is not None:
            self._journal.put(line)
            self._tell(running, line)
        self._journal.position += line is not None

    def _require_nothing_failed(self) -> None:
        """Return unless the revision went on after a statement of it had failed."""
        if self._running is not None:
            raise RefusedError(
                f"the revision goes on although a statement failed:\n  {self._text(self._running.statement)}",
                hint="Let the error out, so that the run can resume there; or word the statement so that it "
                "does not fail (IF EXISTS, IF NOT EXISTS, a DO block that looks first).",
            )

    # -- what is in the journal ------------------------------------------------------------------------

    def _line_of(self, connection: Connection, running: _Running) -> Line | None:
        """The statement's line in the journal; ``None`` when it has none.

        Raises:
            DirtyError: the journal has another statement in its place.
        """
        line, shown = self._journal.next, self._text(running.statement)
        if line is None or line.is_of(running.statement, shown, running.parameters):
            return line
        if line.rejected is not None:
            self._forget(connection, line)
        # What reads is not in the journal. Should it write, `_write_down` sees that it does not belong here.
        elif running.kind is not Kind.REPEATED:
            raise self._journal.differs(line, shown)
        return None

    def _forget(self, connection: Connection, line: Line) -> None:
        """Take away what a statement left that the server refused: another may have its place."""
        if not line.cleared and not line.worded_wrong:
            with self._own():
                line.repaired += self._clearing.forget(connection, line.statement, line.begun)
            line.cleared = True

    def _write_down(self, connection: Connection, running: _Running, rowcount: int) -> Line:
        """Journal a statement as done, in its own transaction; it is so once that is committed."""
        line, present = self._new_line(running), self._journal.next
        if (
            present is not None
            and present.rejected is None
            and not present.is_of(running.statement, line.statement, running.parameters)
        ):
            raise self._journal.differs(present, line.statement)
        line.done, line.rowcount = True, rowcount
        act_as_before(connection, self._before_it)  # the role that it has set may not write the ledger
        self._door.ledger.journal(
            connection,
            self._entry,
            line.statement,
            self._journal.position,
            digest=line.digest,
            done=True,
            rowcount=rowcount,
            repaired=line.repaired,
        )
        return line

    def _new_line(self, running: _Running) -> Line:
        before = self._journal.next
        return Line(
            self._text(running.statement),
            digest(running.statement, running.parameters),
            repaired=before.repaired if before else (),
        )

    def _answer(self, running: _Running, line: Line, context: Any) -> None:
        """Answer for a statement that is done with what it answered when it was run, where that is known."""
        if line.rowcount is not None:
            context._rowcount = line.rowcount  # noqa: SLF001  # results offer no other place for it
        if running.kind is not Kind.OUTSIDE:
            self._withheld = line

    def _tell(self, running: _Running, line: Line) -> None:
        elapsed = round((time.perf_counter() - running.started) * 1000, 3)
        number = self._journal.position + 1
        self._door.emit(StatementFinished(self._door.run_id, self._revision, line.statement, number, elapsed))

    # -- what no transaction may surround --------------------------------------------------------------

    def _run_outside(self, connection: Connection, running: _Running, line: Line | None) -> Line:
        """Run it, unless an earlier attempt brought it to its end and died before it could say so."""
        door, entry, position = self._door, self._entry, self._journal.position
        begun = line.begun if line is not None and not line.worded_wrong else None
        with self._own():
            remains = self._clearing.look(connection, running.statement, begun)
            line = self._new_line(running)
            line.begun = Begun(remains.indexes_before)
            line.repaired += remains.leftovers
            self._begin(line)
            self._clearing.drop(connection, remains.leftovers)
        if not remains.done:
            self._execute_outside(connection, running, line)
        self._on_record(lambda control: door.ledger.journal_done(control, entry, position))
        line.done = True
        self._tell(running, line)
        return line

    def _begin(self, line: Line) -> None:
        """Journal that a statement is about to begin at this place."""
        door, entry, position = self._door, self._entry, self._journal.position
        self._journal.put(line)
        self._on_record(
            lambda control: door.ledger.journal(
                control,
                entry,
                line.statement,
                position,
                digest=line.digest,
                backend_pid=door.pid,
                indexes_before=line.begun.indexes_before,
                repaired=line.repaired,
            )
        )

    def _execute_outside(self, connection: Connection, running: _Running, line: Line) -> None:
        door, entry, position = self._door, self._entry, self._journal.position
        try:
            with self._own(), autocommitted(connection), self._patience(connection, running.statement):
                send(connection, running.statement, running.parameters, verbatim=running.verbatim)
                require_usable(connection, running.statement)
        except DBAPIError as error:
            sqlstate = read_error(error).sqlstate
            if sqlstate is not None and not is_connection_lost(error):
                self._on_record(
                    lambda control: door.ledger.journal_rejected(control, entry, position, sqlstate)
                )
                line.rejected = sqlstate
            raise

    @contextmanager
    def _patience(self, connection: Connection, statement: str) -> Iterator[None]:
        """Wait for locks as long as the revision says, or without end, where nobody queues behind us."""
        if not is_concurrent(statement):
            yield
            return
        wanted = {"value": str(self._timeouts.lock_timeout_ms or 0)}
        before = {"value": connection.execute(_EXCHANGE_LOCK_TIMEOUT, wanted).one()[0]}
        try:
            yield
        except Exception:
            with suppress(SQLAlchemyError):  # an error from here would hide the one that matters
                connection.execute(_EXCHANGE_LOCK_TIMEOUT, before)
            raise
        connection.execute(_EXCHANGE_LOCK_TIMEOUT, before)

    def _on_record(self, work: Callable[[Connection], None]) -> None:
        await_only(self._door.control.run(work))

    # -- what must hold --------------------------------------------------------------------------------

    def _require_resumable(self, connection: Connection, running: _Running, context: Any) -> None:
        if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
            raise RefusedError(
                "the revision has set isolation_level='AUTOCOMMIT', so a statement and its line in the "
                "journal would not be committed together",
                hint="Take it out: with `transactional = False` every statement is committed by itself.",
            )
        if context.execution_options.get("stream_results") or context.execution_options.get("yield_per"):
            raise RefusedError(
                "rows cannot be streamed in a revision with `transactional = False`, for they end with their "
                f"statement's own transaction:\n  {self._text(running.statement)}",
                hint="Read in batches: WHERE id > :last ORDER BY id LIMIT 1000.",
            )
        require_resumable(running.statement)

    def _require_lock(self, connection: Connection, when: str) -> None:
        if not holds(connection, self._door.key):
            raise LockLostError(
                self._revision,
                f"the migrator lock was gone {when}",
                hint="Take pg_advisory_unlock_all(), or whatever else lets go of the lock, out of the "
                "revision; then run the command again: it goes on where this stopped.",
            )

    @contextmanager
    def _own(self) -> Iterator[None]:
        """Statements of headway's within the revision's."""
        self._ours = True
        try:
            yield
        finally:
            self._ours = False

    def _text(self, statement: str) -> str:
        return self._door.session.redact(presentable(statement))
