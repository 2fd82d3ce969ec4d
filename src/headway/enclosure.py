"""The transaction a revision was given, and whether the revision has ended it by itself."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from headway.errors import RefusedError
from headway.sqltext import skeleton

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

_COMMITS = re.compile(r"(?:COMMIT|END|PREPARE\s+TRANSACTION)\b", re.IGNORECASE)
_IDLE = 0  # libpq's PQTRANS_IDLE, as psycopg's connection.info.transaction_status has it


class Enclosure:
    """Watches a revision's connection while its code runs.

    Once the transaction has ended, every statement is committed by itself, or with a transaction that nobody
    was told of. So it is noticed at once: before ``commit()`` or ``rollback()`` of SQLAlchemy's takes effect,
    before a statement that says COMMIT, and behind one after which the server has no transaction open.

    Args:
        on_ended: called as soon as it is noticed, maybe more than once; puts it on record.
    """

    def __init__(self, on_ended: Callable[[], None]) -> None:
        self._on_ended = on_ended
        self.closed = True
        """``False`` where the revision may leave its transaction: in an ``autocommit_block``."""
        self.executed = 0
        """How many statements have succeeded while it watched."""

    @contextmanager
    def watched(self, connection: Connection) -> Iterator[None]:
        """Watch for the length of the block, which has a transaction open."""
        listeners: dict[str, Callable[..., None]] = {
            "commit": self._before_end,
            "rollback": self._before_end,
            "before_cursor_execute": self._before_statement,
            "after_cursor_execute": self._after_statement,
        }
        for name, listener in listeners.items():
            event.listen(connection, name, listener)
        try:
            yield
        finally:
            for name, listener in listeners.items():
                event.remove(connection, name, listener)

    def _before_end(self, _: Connection) -> None:
        # Not the place to refuse it: SQLAlchemy would take the transaction for ended, and the server not.
        if self.closed:
            self._on_ended()

    def _before_statement(self, _connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        # Afterwards may be too late: behind COMMIT AND CHAIN there is a transaction again, and whoever is
        # cancelled or killed then tells nobody.
        if self.closed and _COMMITS.match(skeleton(statement)):
            self._on_ended()

    def _after_statement(self, connection: Connection, *_: Any) -> None:
        self.executed += 1
        if self.closed and not is_in_transaction(connection):
            self._on_ended()
            raise ended_by_itself()


def ended_by_itself() -> RefusedError:
    """The error for a revision that ran COMMIT or ROLLBACK."""
    return RefusedError(
        "the revision ended its own transaction (COMMIT or ROLLBACK), so its version was not written",
        hint="Take the COMMIT, ROLLBACK, commit() or rollback() out of it; one that must not run "
        "in a transaction says `transactional = False`. What it committed is still there, and what "
        "came after may be: look, put it right by hand, then `headway stamp` where the database stands.",
    )


def is_in_transaction(connection: Connection) -> bool:
    """What the server said last; asks nothing. ``True`` where the driver does not tell."""
    driver: Any = connection.connection.driver_connection
    asked = getattr(driver, "is_in_transaction", None)
    if asked is not None:
        return bool(asked())
    status = getattr(getattr(driver, "info", None), "transaction_status", None)
    return status is None or int(status) != _IDLE
