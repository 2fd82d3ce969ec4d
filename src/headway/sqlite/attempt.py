"""One try at a step on a file: everything it does in one transaction, or nothing."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from headway.diagnosis import Left
from headway.errors import RefusedError
from headway.results import Outcome
from headway.sqlite.driver import in_transaction, roll_back
from headway.sqlite.foreign import explained
from headway.sqltext import skeleton

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

    from headway.alembic_bridge import RevisionCode, Scope
    from headway.ledger import Ledger

_ENDS = ("COMMIT", "END", "ROLLBACK", "BEGIN")
_MARK, _MARK_STILL_THERE = text("SAVEPOINT headway_step"), text("RELEASE headway_step")
_REFERENCES = text("SELECT count(*) FROM pragma_foreign_key_check")


class FileAttempt:
    """The guard around a revision's own code (see ``alembic_bridge.execution.WholeGuard``).

    Every statement is transactional in SQLite, so ``transactional = False`` and an ``autocommit_block``
    change nothing here: what PostgreSQL needs them for is undone like all else.

    Args:
        ledger: where the step is on record.
        entry: its open entry.
    """

    def __init__(self, ledger: Ledger, entry: int) -> None:
        self._ledger = ledger
        self._entry = entry
        self._broken: int | None = None
        self._started = time.perf_counter()
        self.left = Left.NOTHING

    def apply(self, scope: Scope, code: RevisionCode, write: Callable[[], None]) -> None:
        """Run the revision and write its version, in one transaction.

        Raises:
            RefusedError: the revision ended its transaction, left broken references behind, or used what only
                PostgreSQL has.
            Exception: whatever the revision raises.
        """
        connection = scope.connection

        def migrate() -> None:
            with _kept_whole(connection):
                code.function()

        try:
            scope.run_whole(self, migrate, write)
        except Exception as error:
            self._undo(connection)
            ours = explained(error)
            if ours is None:
                raise
            raise ours.with_traceback(error.__traceback__) from error
        except BaseException:
            self._undo(connection)
            raise

    def begin(self, connection: Connection) -> None:
        """Mark the transaction, and count what refers to nothing already."""
        connection.execute(_MARK)
        self._broken = _broken_references(connection)

    def verify(self, connection: Connection) -> None:
        """See that the transaction is the one the step began with, and that every reference still holds.

        Raises:
            RefusedError: it is not, or one does not.
        """
        try:
            connection.execute(_MARK_STILL_THERE)
        except DBAPIError:
            self.left = Left.PART
            raise _ended_by_itself("executescript() or the like") from None
        before, after = self._broken, _broken_references(connection)
        if before is not None and after is not None and after > before:
            raise RefusedError(
                f"it leaves {after - before} more row{'s' if after - before > 1 else ''} whose foreign key "
                "refers to nothing",
                hint="Run its statements and then `PRAGMA foreign_key_check` on a copy: that lists them.",
            )

    def close(self, connection: Connection) -> None:
        """Close the ledger entry in the step's own transaction; COMMIT comes next."""
        self._ledger.close(
            connection,
            self._entry,
            Outcome.SUCCEEDED,
            duration_ms=(time.perf_counter() - self._started) * 1000,
        )

    def _undo(self, connection: Connection) -> None:
        # What matters is raised already; a connection that cannot roll back has ended, and so has its work.
        with suppress(SQLAlchemyError):
            if not connection.closed and not connection.invalidated:
                roll_back(connection)


@contextmanager
def _kept_whole(connection: Connection) -> Iterator[None]:
    """Refuse, before it happens, that a revision ends its own transaction."""

    def before_statement(_connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        words = skeleton(statement).upper().replace(";", " ").split()
        if words and words[0] in _ENDS and "TO" not in words:  # ROLLBACK TO goes back to a savepoint
            raise _ended_by_itself(words[0])

    def before_end(connection: Connection) -> None:
        if in_transaction(connection):
            raise _ended_by_itself("commit() or rollback()")

    listeners: dict[str, Callable[..., None]] = {
        "before_cursor_execute": before_statement,
        "commit": before_end,
        "rollback": before_end,
    }
    for name, listener in listeners.items():
        event.listen(connection, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners.items():
            event.remove(connection, name, listener)


def _ended_by_itself(how: str) -> RefusedError:
    return RefusedError(
        f"the revision ends its own transaction ({how}), so its version could not be written with it",
        hint="Take that out of it: headway begins and commits the transaction of each revision.",
    )


def _broken_references(connection: Connection) -> int | None:
    """How many rows refer to nothing; ``None`` where SQLite cannot tell.

    It cannot where a foreign key does not fit its table (sqlite.org/foreignkeys.html, section 3).
    """
    try:
        return int(connection.execute(_REFERENCES).scalar_one())
    except DBAPIError:
        return None
