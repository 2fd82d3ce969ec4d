"""One try at a step: what is watched over inside its transaction."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only

from headway.autocommit import limited
from headway.commit import is_committed, is_connection_lost
from headway.diagnosis import Left, read_error
from headway.enclosure import Enclosure, ended_by_itself
from headway.errors import HeadwayError, LockLostError, RefusedError
from headway.events import Warned
from headway.indexes import NamedIndexes
from headway.ledger import Outcome
from headway.lock import standing
from headway.retry import RetryPolicy
from headway.timeouts import set_local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

    from headway.alembic_bridge import RevisionCode, Scope
    from headway.door import Door
    from headway.timeouts import Timeouts

AUTOCOMMIT = "autocommit_block"
ENDED_BY_ITSELF = "COMMIT or ROLLBACK inside the revision"

_DUPLICATE = "42P07"  # what PostgreSQL says where IF NOT EXISTS is not said (manual, appendix A)


class Attempt:
    """The guard around a revision's own code (see ``alembic_bridge.Guard``).

    Attributes:
        transaction: PostgreSQL's id of the transaction; ``None`` before it began.
        divided: the revision left its transaction, so a failure no longer undoes all of it.
        refused: the server refused its first statement, outside of a transaction: nothing was done before.
        committing: everything is done and COMMIT is on its way.
    """

    def __init__(
        self, door: Door, revision: str, entry: int, timeouts: Timeouts, lock_timeout_ms: int
    ) -> None:
        self._door = door
        self._revision = revision
        self._entry = entry
        self._timeouts = timeouts
        self._lock_timeout_ms = lock_timeout_ms
        self._indexes = NamedIndexes()
        self._started = time.perf_counter()
        self._enclosure = Enclosure(lambda: self._divide(ENDED_BY_ITSELF))
        self.transaction: str | None = None
        self.divided = False
        self.refused = False
        self.committing = False
        self._is_first = False

    @property
    def left(self) -> Left:
        """What a failure leaves in the database."""
        if self.refused:
            return Left.REMAINS
        return Left.PART if self.divided else Left.NOTHING

    def apply(self, scope: Scope, code: RevisionCode, write: Callable[[], None]) -> None:
        """Run the revision and write its version, in one transaction under these eyes."""

        def migrate() -> None:
            with self._enclosure.watched(scope.connection), self._indexes.watched(scope.connection):
                try:
                    code.function()
                except Exception:
                    self._look_back()
                    raise

        scope.run_transaction(self, migrate, write)

    def begin(self, connection: Connection) -> None:
        """Set the timeouts and remember which transaction this is."""
        self.transaction = set_local(connection, self._timeouts, self._lock_timeout_ms)
        self._enclosure.closed = True

    def leave_transaction(self) -> None:
        """Put on record that from here on the database may hold a part of the revision."""
        self._enclosure.closed = False
        self._is_first = not self.divided and not self._enclosure.executed
        self._divide(AUTOCOMMIT)
        self._door.emit(
            Warned(
                self._door.run_id,
                self._revision,
                "an autocommit_block commits what the revision did before it; put such statements into a "
                "revision of their own with `transactional = False`, which resumes where it stopped",
            )
        )

    @contextmanager
    def autocommitting(self, connection: Connection) -> Iterator[None]:
        """The timeouts of an ``autocommit_block``, whose statements are not in the transaction.

        When the server refuses the very first statement of the revision there, that is put on record.
        """
        with limited(connection, self._timeouts, RetryPolicy.of(self._timeouts).patient_ms):
            executed = self._enclosure.executed
            try:
                yield
            except (DBAPIError, RefusedError) as error:
                # One that found something else was executed, and so was the look at what it found.
                nothing_done = executed + 2 * self._indexes.found_others
                if self._is_first and self._enclosure.executed == nothing_done:
                    self._refuse(error)
                raise

    def verify(self, connection: Connection) -> None:
        """See that the transaction and the migrator lock are still those the step began with.

        Raises:
            RefusedError: the revision ended its own transaction, or an index that it names is INVALID.
            LockLostError: the migrator lock is gone.
        """
        transaction, held = standing(connection, self._door.key)
        if transaction != self.transaction:
            self._divide(ENDED_BY_ITSELF)
            raise ended_by_itself()
        if not held:
            raise LockLostError(
                self._revision,
                "the migrator lock was gone before the version was written (pg_advisory_unlock_all() or "
                "DISCARD ALL in the revision?); the step was rolled back",
                hint="Take that statement out of the revision, then run the command again.",
            )
        self._indexes.settle(connection)

    def close(self, connection: Connection) -> None:
        """Close the ledger entry in the step's own transaction; COMMIT comes next."""
        self._door.ledger.close(
            connection,
            self._entry,
            Outcome.SUCCEEDED,
            duration_ms=(time.perf_counter() - self._started) * 1000,
        )
        self.committing = True

    def _look_back(self) -> None:
        """The revision failed: find out whether it had committed its transaction where nobody could see it.

        ``COMMIT AND CHAIN`` begins the next one in the same breath.
        """
        transaction, door = self.transaction, self._door
        if self.divided or transaction is None:
            return
        # A server that cannot be asked has not committed it unseen: it ended with the connection.
        with suppress(HeadwayError, OSError):
            if await_only(door.control.run(lambda connection: is_committed(connection, transaction))):
                self._divide(ENDED_BY_ITSELF)

    def _refuse(self, error: BaseException) -> None:
        sqlstate = _DUPLICATE if self._indexes.found_others else read_error(error).sqlstate
        if sqlstate is not None and not is_connection_lost(error):
            door, entry = self._door, self._entry
            await_only(
                door.control.run(lambda control: door.ledger.journal_rejected(control, entry, 0, sqlstate))
            )
            self.refused = True

    def _divide(self, why: str) -> None:
        if not self.divided or self.refused:
            self.divided, self.refused = True, False
            door = self._door
            await_only(
                door.control.run(lambda connection: door.ledger.journal(connection, self._entry, why, 0))
            )
