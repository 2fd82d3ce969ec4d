"""One direct connection with no transaction open, from whatever the caller has."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import greenlet_spawn

from headway.database import create_engine, twin_of
from headway.diagnosis import database_error
from headway.errors import TransactionOpenError
from headway.url import DatabaseURL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Source: TypeAlias = DatabaseURL | AsyncEngine | AsyncConnection | Connection
T = TypeVar("T")


class Link(Protocol):
    """What runs synchronous work on a connection; ``AsyncConnection`` is one."""

    async def run_sync(self, fn: Callable[[Connection], T], /) -> T:
        """Call ``fn`` with the synchronous connection."""
        ...


class _SyncLink:
    """A plain ``Connection``: psycopg's own, or asyncpg's inside somebody's ``run_sync``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def run_sync(self, fn: Callable[[Connection], T], /) -> T:
        return await greenlet_spawn(fn, self._connection)


class Session:
    """A connection that is ours for the length of a run."""

    def __init__(self, link: Link, database: str, redact: Callable[[str], str]) -> None:
        self._link = link
        self.database = database
        self.redact = redact

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run synchronous work on the connection without blocking the event loop.

        Raises:
            DatabaseError: in place of SQLAlchemy's error, which is its cause.
        """
        try:
            return await self._link.run_sync(work)
        except DBAPIError as error:
            raise database_error(error, self.database, self.redact) from error


@asynccontextmanager
async def open_session(
    source: Source, *, origin: str = "the URL", label: str | None = None
) -> AsyncIterator[Session]:
    """Open a session on a URL, an engine, or a connection; what was opened here is closed here.

    Args:
        source: where to work. A connection stays the caller's: it is not closed.
        origin: the setting a URL came from, for the hint when nobody answers.
        label: what to call a URL's database; the masked URL when ``None``.

    Raises:
        ConnectionFailedError: the database of a URL cannot be reached.
        TransactionOpenError: the caller's connection has already begun a transaction.
    """
    if isinstance(source, DatabaseURL):
        async with create_engine(source, source=origin).connect() as connection:
            yield Session(connection, label or source.masked, source.redact)
    elif isinstance(source, AsyncEngine):
        twin = twin_of(source)
        try:
            async with twin.connect() as connection:
                yield Session(connection, *_named(source.url))
        finally:
            await twin.dispose()
    else:
        _refuse_open_transaction(source)
        link: Link = source if isinstance(source, AsyncConnection) else _SyncLink(source)
        yield Session(link, *_named(source.engine.url))


def _refuse_open_transaction(connection: AsyncConnection | Connection) -> None:
    if connection.in_transaction():
        raise TransactionOpenError(
            "this connection has already begun a transaction, so a migration on it could be rolled back "
            "by whoever began it, after headway had reported success",
            hint="Hand over a connection with none open: `async with engine.connect() as connection` instead "
            "of `engine.begin()`, and commit what you executed before (a SELECT begins one too).",
        )


def _named(url: Any) -> tuple[str, Callable[[str], str]]:
    password = url.password

    def redact(text: str) -> str:
        return text.replace(str(password), "***") if password else text

    return url.render_as_string(hide_password=True), redact
