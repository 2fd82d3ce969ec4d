"""The driver beneath SQLAlchemy: what must be said to it with no transaction open.

Python's sqlite3 begins a transaction by itself before INSERT, UPDATE and DELETE only, so DDL is committed
statement by statement. Here it is told to keep out of it, and every transaction begins with our own BEGIN
(docs.sqlalchemy.org, "SQLite: enabling non-legacy transactional modes").
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from headway.errors import DatabaseError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection


_WITHOUT_END_MS = 2**31 - 1
"""The longest that SQLite takes: 24 days. Its own 0 is not to wait at all."""


def asked(connection: Connection, statement: str) -> Sequence[tuple[Any, ...]]:
    """Send a statement without beginning a transaction, as most PRAGMAs want it, and return its rows.

    Raises:
        DatabaseError: SQLite refused it.
    """
    cursor = _driver(connection).cursor()
    try:
        cursor.execute(statement)
        return list(cursor.fetchall())
    except sqlite3.Error as error:
        raise DatabaseError(f"{statement}: {error}", sqlstate=error.sqlite_errorname) from error
    finally:
        cursor.close()


def in_transaction(connection: Connection) -> bool:
    """Whether SQLite has a transaction open, whatever SQLAlchemy believes."""
    return bool(_driver(connection).driver_connection.in_transaction)


def roll_back(connection: Connection) -> None:
    """End whatever is open, in SQLAlchemy's eyes and in SQLite's."""
    transaction = connection.get_transaction()
    if transaction is not None:  # active or not: one that could not be ended is in the way of the next
        transaction.rollback()
    if in_transaction(connection):
        _driver(connection).rollback()


def begin_explicitly(connection: Connection, *, busy_ms: int | None) -> Callable[[Connection], None]:
    """Make every transaction on a connection a whole one that has SQLite's write lock from its start.

    Foreign keys are not enforced meanwhile, for that cannot be changed inside a transaction, and a table that
    is rebuilt is dropped first, which would delete or detach the rows that refer to it
    (sqlite.org/lang_altertable.html, section 7). Each step looks for broken references at its end instead.

    Args:
        connection: with no transaction open.
        busy_ms: how long to wait for another writer, in milliseconds; ``None`` leaves it as it is, and 0 is
            no limit, as in PostgreSQL.

    Returns:
        What puts the connection back as it was; call it with no transaction open.

    Raises:
        RefusedError: the driver keeps a transaction open at all times.
    """
    driver: Any = _driver(connection).dbapi_connection
    level = driver.isolation_level
    [(enforced,)] = asked(connection, "PRAGMA foreign_keys")
    [(patience,)] = asked(connection, "PRAGMA busy_timeout")
    driver.isolation_level = None

    def begin(begun: Connection) -> None:
        # An engine of the caller's may say BEGIN by itself, as SQLAlchemy's manual advises.
        if begun is connection and not in_transaction(connection):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    # On the engine, so that what it does by itself comes first.
    event.listen(connection.engine, "begin", begin)

    def restore(connection: Connection) -> None:
        event.remove(connection.engine, "begin", begin)
        # A cancelled statement ends its connection, and SQLAlchemy makes another, which nothing was done to.
        if connection.closed or connection.invalidated:
            return
        if _driver(connection).dbapi_connection is not driver:
            return
        driver.isolation_level = level
        asked(connection, f"PRAGMA foreign_keys = {enforced}")
        asked(connection, f"PRAGMA busy_timeout = {patience}")

    if busy_ms is not None:
        asked(connection, f"PRAGMA busy_timeout = {busy_ms or _WITHOUT_END_MS}")
    asked(connection, "PRAGMA foreign_keys = OFF")
    if asked(connection, "PRAGMA foreign_keys") != [(0,)]:
        restore(connection)
        raise RefusedError(
            "this connection keeps a transaction open at all times (autocommit=False of Python's sqlite3), "
            "so foreign keys cannot be suspended while tables are rebuilt",
            hint="Hand over an engine without connect_args={'autocommit': False}.",
        )
    return restore


def _driver(connection: Connection) -> Any:
    return connection.connection
