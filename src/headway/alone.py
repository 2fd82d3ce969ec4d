"""Statements with no transaction around them, though SQLAlchemy's own bookkeeping of one goes on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

UNNAMED = "headway: what is prepared has no name"
"""In ``Connection.info`` of connections of our own.

What has no name asyncpg parses anew in the message that executes it, so no message needs the one before.
"""


@contextmanager
def singly(connection: Connection) -> Iterator[None]:
    """Each statement of the block is committed by itself, unless the caller has a transaction open.

    For what only asks, or says one thing: BEGIN and COMMIT would be two more round trips, and a run asks so
    much before its first revision that over a slow network it would wait longer for these than for a hundred
    revisions. On connections of headway's own nothing at all is sent for this. Others have a transaction for
    the block: what their driver prepares may have a name, and behind a pooler in transaction mode the next
    message would go to a server process that does not know it. To SQLAlchemy, and to its listeners, there is
    a transaction in any case. Behind it the connection has the isolation level that it had.

    Raises:
        sqlalchemy.exc.DBAPIError: from the block; what was said in it before has come to stay.
    """
    if connection.in_transaction():
        yield
        return
    with connection.begin():
        driver: Any = connection.connection.dbapi_connection
        if UNNAMED not in connection.info:
            yield
            return
        driver.autocommit = True
        try:
            yield
        finally:
            driver.autocommit = False


@contextmanager
def autocommitted(connection: Connection) -> Iterator[None]:
    """No transaction on the connection within the block; what was open there is over."""
    dialect, driver = connection.dialect, connection.connection.dbapi_connection
    assert driver is not None  # noqa: S101  # for the type: the statement is about to be sent on it
    dialect.set_isolation_level(driver, "AUTOCOMMIT")
    try:
        yield
    finally:
        level = connection.get_execution_options().get("isolation_level")
        if level is None:
            dialect.reset_isolation_level(driver)
        else:
            dialect.set_isolation_level(driver, level)


def send(connection: Connection, statement: str, parameters: Any = (), *, verbatim: bool = False) -> None:
    """Send a statement as the driver takes it; what it answers is dropped.

    Args:
        connection: within :func:`autocommitted`.
        statement: with the driver's own marks for its parameters.
        parameters: as the driver takes them.
        verbatim: whether the driver is to read no marks in it, as SQLAlchemy's ``no_parameters`` has it.

    Raises:
        sqlalchemy.exc.DBAPIError: as from any other statement.
    """
    options = {"no_parameters": True} if verbatim else None
    connection.exec_driver_sql(statement, parameters or None, execution_options=options).close()


def send_alone(connection: Connection, statement: str) -> None:
    """Send one statement with no transaction around it.

    Raises:
        sqlalchemy.exc.DBAPIError: as from any other statement.
    """
    with autocommitted(connection):
        send(connection, statement)
