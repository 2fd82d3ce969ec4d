"""Revisions that are not transactional: statement by statement, journalled, resumed where they stopped.

A statement that may run in a transaction is committed together with its line in the journal, so the two
never disagree. One that may not (``CREATE INDEX CONCURRENTLY`` and its kin) is journalled before and
after, and when it was cut short, what it left is looked at before it runs again.
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.util import await_only

from headway.diagnosis import Left
from headway.errors import DirtyError, LockLostError, RefusedError
from headway.events import StatementFinished
from headway.ledger import Outcome
from headway.lock import holds
from headway.remains import Remains, clear_remains
from headway.timeouts import set_local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

    from headway.alembic_bridge import RevisionCode, Scope
    from headway.door import Door
    from headway.timeouts import Timeouts

# PostgreSQL manual, the reference page of each: "cannot be executed inside a transaction block".
_OUTSIDE = re.compile(
    r"""\s*(?:
        (?:CREATE\s+(?:UNIQUE\s+)?INDEX|DROP\s+INDEX)\s+CONCURRENTLY\b
      | REINDEX\b .*? \bCONCURRENTLY\b | REINDEX\s+(?:\(.*?\)\s*)?(?:SCHEMA|DATABASE|SYSTEM)\b
      | ALTER\s+TABLE\b .*? \bDETACH\s+PARTITION\b .*? \b(?:CONCURRENTLY|FINALIZE)\b
      | VACUUM\b | CLUSTER\s*;?\s*$ | ALTER\s+SYSTEM\b
      | (?:CREATE|DROP)\s+(?:DATABASE|TABLESPACE)\b | (?:CREATE|DROP)\s+SUBSCRIPTION\b
    )""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
# These are run anew by every attempt: they change nothing, and the revision may need what they answer.
_READING = re.compile(r"\s*(?:SELECT|SHOW|VALUES|TABLE|EXPLAIN)\b", re.IGNORECASE)
# What takes the place of a statement that is done already.
_NOTHING = "SELECT WHERE false"


@dataclass(slots=True)
class Line:
    """A statement of the journal, as it stands now; shared by all attempts of a run."""

    statement: str
    done: bool


class StatementRun:
    """One try at a revision that is not transactional.

    Args:
        door: the open door.
        revision: the revision.
        entry: its open ledger entry.
        timeouts: of the run and the revision.
        lock_timeout_ms: of this attempt, for statements that run in a transaction; the others wait for no
            lock that would hold anybody up, and take theirs as the revision says.
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
        self._journal = journal
        self._position = 0
        self._ours = False
        self._running: tuple[int, float] | None = None
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

    @property
    def statements_done(self) -> int:
        """How many statements are done, those of earlier attempts included."""
        return sum(line.done for line in self._journal)

    def apply(self, scope: Scope, code: RevisionCode, write: Callable[[], None]) -> None:
        """Run what is not done yet, then write the version in a transaction of its own.

        Raises:
            DirtyError: the revision's statements are not those that the journal has, or what an interrupted
                one left cannot be proved to be its own.
            LockLostError: the migrator lock is gone.
            Exception: whatever the revision raises; the statements done before it stay done.
        """
        connection = scope.connection
        try:
            with self._listening(connection), scope.routed_in_autocommit():
                code.function()
        finally:
            if connection.in_transaction():
                connection.rollback()  # what was read, or a statement that failed
        self._require_whole_journal()
        with connection.begin():
            if not holds(connection, self._door.key):
                raise LockLostError(
                    self._revision,
                    "the migrator lock was gone before the version was written; its statements are done",
                    hint="Run the command again: it goes on where this stopped.",
                )
            write()
            self._door.ledger.close(
                connection,
                self._entry,
                Outcome.SUCCEEDED,
                duration_ms=(time.perf_counter() - self._started) * 1000,
            )
            self.committing = True

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
        if self._ours or _READING.match(statement):
            return statement, parameters
        position, self._position = self._position, self._position + 1
        line = self._line(position, statement)
        if line is not None and line.done:
            self._running = (-1, 0.0)
            return _NOTHING, ()
        self._require_no_answer(context)
        started = time.perf_counter()
        outside = _OUTSIDE.match(statement) is not None
        self._note(position, statement)
        self._running = (position, started)
        if outside:
            self._run_outside(connection, statement, resumed=line is not None)
            self._finish(position, started)
            self._running = (-1, 0.0)
            return _NOTHING, ()
        with self._own():
            set_local(connection, self._timeouts, self._lock_timeout_ms)
        return statement, parameters

    def _after(self, connection: Connection, *_: Any) -> None:
        if self._ours or self._running is None:
            return
        (position, started), self._running = self._running, None
        with self._own():
            if position >= 0:
                self._door.ledger.journal_done(connection, self._entry, position)
            connection.commit()
        if position >= 0:
            self._told(position, started)

    def _line(self, position: int, statement: str) -> Line | None:
        if position >= len(self._journal):
            return None
        line = self._journal[position]
        if line.statement != self._text(statement):
            raise DirtyError(
                self._revision,
                f"statement {position + 1} is not the one that was journalled:\n"
                f"  journal:  {line.statement}\n  revision: {self._text(statement)}",
                statements_done=self.statements_done,
                hint="The revision was changed after it had run in part. Put it back as it was and run the "
                "command again; or finish the work by hand, then `headway stamp` the revision.",
            )
        return line

    def _require_whole_journal(self) -> None:
        if self._position < len(self._journal):
            missing = self._journal[self._position].statement
            raise DirtyError(
                self._revision,
                f"the revision ended after {self._position} statements; the journal has one more:\n"
                f"  {missing}",
                statements_done=self.statements_done,
                hint="Put the revision back as it was when it began, and run the command again.",
            )

    def _require_no_answer(self, context: Any) -> None:
        compiled = getattr(context, "compiled", None)
        if compiled is not None and getattr(compiled, "effective_returning", None):
            raise RefusedError(
                "a statement with RETURNING in a revision with `transactional = False` could not be resumed",
                hint="Put it into a revision of its own that is transactional.",
            )

    def _note(self, position: int, statement: str) -> None:
        text, door = self._text(statement), self._door
        await_only(
            door.control.run(
                lambda connection: door.ledger.journal(
                    connection, self._entry, text, position, backend_pid=door.pid
                )
            )
        )
        if position == len(self._journal):
            self._journal.append(Line(text, done=False))

    def _run_outside(self, connection: Connection, statement: str, *, resumed: bool) -> None:
        """Run what no transaction may surround, unless an earlier attempt brought it to its end."""
        door = self._door
        remains = await_only(
            door.control.run(lambda control: clear_remains(control, statement, resumed=resumed))
        )
        if remains is Remains.DONE:
            return
        driver: Any = connection.connection.dbapi_connection
        driver.rollback()  # the transaction that a read before this one began; SQLAlchemy's own goes on
        raw = driver.driver_connection
        timeouts = (
            f"SET lock_timeout = {self._timeouts.lock_timeout_ms or 0}",
            f"SET statement_timeout = {self._timeouts.statement_timeout_ms}",
        )
        for command in (*timeouts, statement, "RESET lock_timeout", "RESET statement_timeout"):
            await_only(raw.execute(command))

    def _finish(self, position: int, started: float) -> None:
        door = self._door
        await_only(
            door.control.run(lambda connection: door.ledger.journal_done(connection, self._entry, position))
        )
        self._told(position, started)

    def _told(self, position: int, started: float) -> None:
        line = self._journal[position]
        line.done = True
        elapsed = round((time.perf_counter() - started) * 1000, 3)
        self._door.emit(
            StatementFinished(self._door.run_id, self._revision, line.statement, position + 1, elapsed)
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
        return self._door.session.redact(" ".join(statement.split()))
