"""Several statements in one message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only

from headway.commit import is_connection_lost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection


def send_script(connection: Connection, statements: Sequence[str]) -> bool:
    """Send statements in one message, which is one transaction (PostgreSQL manual, section 54.2.2.1).

    Args:
        connection: with no transaction open.
        statements: without parameters; strings as with ``standard_conforming_strings`` on.

    Returns:
        ``False``, and nothing was sent, when the driver is another than asyncpg, or that is off.

    Raises:
        sqlalchemy.exc.DBAPIError: the server refused one, and nothing has come of any; or the connection is
            over.
    """
    driver: Any = connection.connection.driver_connection
    if not isinstance(driver, asyncpg.Connection) or not _conforms(driver):
        return False
    try:
        await_only(driver.execute(";\n".join(statements)))
    except Exception as error:
        lost = driver.is_closed() or is_connection_lost(error)
        if lost:
            connection.invalidate(error)
        # Without the statement: it is many.
        raise DBAPIError(None, None, error, connection_invalidated=lost) from error
    except BaseException as error:
        # Cancelled: nobody waits for the rest of it, as SQLAlchemy has it with any other statement.
        connection.invalidate(error)
        raise
    return True


def _conforms(driver: Any) -> bool:
    # The server reports it by itself (manual, section 54.2.7).
    return getattr(driver.get_settings(), "standard_conforming_strings", None) == "on"
