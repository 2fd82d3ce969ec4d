"""As whom a session acts and where it looks names up: what a revision may change for itself only.

``SET search_path`` and ``SET ROLE`` outlast the transaction they are said in. Without a word from us they
would decide in which schema the next revision works, and whether the version can be written at all.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from headway.errors import HeadwayError
from headway.shield import shielded
from headway.sqltext import filled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sqlalchemy.engine import Connection

    from headway.lock import Runs

_RESTORE_WITHIN_S = 5.0

_TAKE = text("""
    SELECT pg_catalog.current_setting('session_authorization'), pg_catalog.current_setting('role'),
        pg_catalog.current_setting('search_path')
""")
# Row by row, from top to bottom: the session's user decides which roles may be set, and setting it resets the
# role. What is as it was is left alone, for not every role may say the first at all.
_RESTORE = text("""
    SELECT pg_catalog.set_config(kept.name, kept.value, false)
    FROM (VALUES
        ('session_authorization', CAST(:session_authorization AS text)),
        ('role', CAST(:role AS text)),
        ('search_path', CAST(:search_path AS text))
    ) AS kept (name, value)
    WHERE pg_catalog.current_setting(kept.name) <> kept.value
""")


@dataclass(frozen=True, slots=True)
class Bearings:
    """A session's settings of these names, as ``current_setting`` tells them (PostgreSQL manual, 9.28.1)."""

    session_authorization: str
    role: str
    search_path: str

    def restore(self, connection: Connection) -> None:
        """Put back what was changed, in the transaction that the caller has open, and beyond it.

        What was changed for the transaction only (``SET LOCAL``) ends here as well.
        """
        connection.execute(_RESTORE, asdict(self))

    def restoring(self) -> str:
        """What ``restore`` executes, with the values written out."""
        return filled(_RESTORE.text, asdict(self))


def take_bearings(connection: Connection) -> Bearings:
    """What the session has now; in a short transaction."""
    with connection.begin():
        return Bearings(*connection.execute(_TAKE).one())


@asynccontextmanager
async def bearings_kept(session: Runs) -> AsyncIterator[Bearings]:
    """Yield the session's bearings, and put them back behind a block that failed.

    A block that succeeds puts them back itself; its steps do, before each version is written. The connection
    may be the caller's own, so a failure must not leave it astray either.
    """
    bearings = await session.run(take_bearings)

    def restore(connection: Connection) -> None:
        if connection.closed or connection.invalidated:
            return
        if connection.in_transaction():
            connection.rollback()
        with connection.begin():
            bearings.restore(connection)

    try:
        yield bearings
    except BaseException:
        # An error from here would hide the one that matters.
        with suppress(HeadwayError, SQLAlchemyError, TimeoutError):
            await shielded(_bounded(session, restore), grace_s=2 * _RESTORE_WITHIN_S)
        raise


async def _bounded(session: Runs, restore: Callable[[Connection], None]) -> None:
    async with asyncio.timeout(_RESTORE_WITHIN_S):
        await session.run(restore)
