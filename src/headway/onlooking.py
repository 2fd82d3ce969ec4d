"""Looking at a live database without leaving a trace, and without queueing up behind anybody for long."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import text

from headway.sqlite import DIALECT as SQLITE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

# A relation's size is read under ACCESS SHARE, which waits for who alters the table; and others wait behind.
_WAIT_MS = 500
_READ_ONLY = text("SET TRANSACTION READ ONLY")
_PATIENCE = text(f"SELECT pg_catalog.set_config('lock_timeout', '{_WAIT_MS}ms', true)")


@contextmanager
def onlooking(connection: Connection) -> Iterator[None]:
    """A transaction of its own that the server lets write nothing, and wait for no lock for long.

    Raises:
        sqlalchemy.exc.DBAPIError: 55P03, of a lock that was not to be had.
    """
    with connection.begin():
        if connection.dialect.name != SQLITE:
            connection.execute(_READ_ONLY)
            connection.execute(_PATIENCE)
        yield
