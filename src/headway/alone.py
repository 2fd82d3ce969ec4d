"""Statements that no transaction may surround, sent beneath SQLAlchemy, whose own transaction goes on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection


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
