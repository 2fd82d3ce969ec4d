"""Timeouts inside an ``autocommit_block``, where ``SET LOCAL`` of the step's transaction no longer holds."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from headway.timeouts import Timeouts


@contextmanager
def limited(connection: Connection, timeouts: Timeouts, patient_ms: int) -> Iterator[None]:
    """Set the run's timeouts for each statement of the block, and put the session's own back behind it.

    Args:
        connection: in autocommit; each of its statements is a transaction of its own.
        timeouts: of the run and the revision.
        patient_ms: how long a statement may wait for a lock, in milliseconds, where neither says. Such a
            statement is not tried again, for what came before it is committed; so it is given longer than
            one that is.
    """
    from headway.kinds import is_concurrent

    before = connection.execute(
        text(
            "SELECT pg_catalog.current_setting('lock_timeout'), "
            "pg_catalog.current_setting('statement_timeout')"
        )
    ).one()

    def limit(_connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        lock_timeout_ms = timeouts.lock_timeout_ms
        if lock_timeout_ms is None:
            # Giving up a concurrent build leaves an INVALID index (PostgreSQL manual, CREATE INDEX).
            lock_timeout_ms = 0 if is_concurrent(statement) else patient_ms
        cursor.execute(f"SET lock_timeout = {lock_timeout_ms}")

    connection.exec_driver_sql(f"SET statement_timeout = {timeouts.statement_timeout_ms}")
    event.listen(connection, "before_cursor_execute", limit)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", limit)
        # A connection that died has nothing left to restore, and its error must not be hidden.
        if not connection.closed and not connection.invalidated:
            with suppress(DBAPIError):
                connection.exec_driver_sql(f"SET lock_timeout = '{before[0]}'")
                connection.exec_driver_sql(f"SET statement_timeout = '{before[1]}'")
