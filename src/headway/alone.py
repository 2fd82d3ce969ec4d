"""Statements with no transaction around them, though SQLAlchemy's own bookkeeping of one goes on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
from sqlalchemy.util import await_only

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection


@contextmanager
def singly(connection: Connection) -> Iterator[None]:
    """Each statement of the block is committed by itself, unless the caller has a transaction open.

    For what only asks, or says one thing: BEGIN and COMMIT would be two more round trips, and a run asks so
    much before its first revision that over a slow network it would wait longer for these than for a hundred
    revisions. asyncpg begins a transaction only if it is to, so nothing at all is sent for this; other
    drivers have one for the block. To SQLAlchemy, and to its listeners, there is one in any case. Behind it
    the connection has the isolation level that it had.

    Raises:
        sqlalchemy.exc.DBAPIError: from the block; what was said in it before has come to stay.
    """
    if connection.in_transaction():
        yield
        return
    with connection.begin():
        driver: Any = connection.connection.dbapi_connection
        if connection.dialect.driver != "asyncpg":
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


def send_script(connection: Connection, statements: Sequence[str]) -> bool:
    """Send statements in one message, which is one transaction (PostgreSQL manual, section 54.2.2.1).

    Args:
        connection: with no transaction open.
        statements: without parameters; strings as with ``standard_conforming_strings`` on.

    Returns:
        ``False`` when the driver is another than asyncpg, or that is off; or when it failed and nothing has
        come of it: said one by one, they will fail again in the usual words.
    """
    driver: Any = connection.connection.driver_connection
    if not isinstance(driver, asyncpg.Connection) or not _conforms(driver):
        return False
    try:
        await_only(driver.execute(";\n".join(statements)))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        return False
    return True


def _conforms(driver: Any) -> bool:
    # The server reports it by itself (manual, section 54.2.7).
    return getattr(driver.get_settings(), "standard_conforming_strings", None) == "on"
