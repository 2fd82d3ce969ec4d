"""One direct connection with no transaction open, from whatever the caller has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
)
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import asyncpg
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import greenlet_spawn

from headway.capabilities import first_transaction_refused
from headway.database import create_engine, require_usable, sqlstate_of, sync_twin_of, twin_of
from headway.diagnosis import database_error, read_error
from headway.errors import ConnectionFailedError, HeadwayError, RefusedError, TransactionOpenError
from headway.sqlite import DIALECT as SQLITE
from headway.sqlite import is_in_memory
from headway.threads import in_thread
from headway.url import AnyURL, DatabaseURL, SQLiteURL
from headway.url.conninfo import SECRET_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.engine import Engine

Source: TypeAlias = AnyURL | AsyncEngine | AsyncConnection | Connection
T = TypeVar("T")

# What an engine raises when it cannot connect; a driver's own errors do not all pass through SQLAlchemy.
_CANNOT_CONNECT = (OSError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Link(Protocol):
    """What runs synchronous work on a connection; ``AsyncConnection`` is one."""

    async def run_sync(self, fn: Callable[[Connection], T], /) -> T:
        """Call ``fn`` with the synchronous connection."""
        ...


Beside: TypeAlias = Callable[[], AbstractAsyncContextManager[Link]]


class _SyncLink:
    """A plain ``Connection``: psycopg's own, or asyncpg's inside somebody's ``run_sync``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def run_sync(self, fn: Callable[[Connection], T], /) -> T:
        return await greenlet_spawn(fn, self._connection)


class Session:
    """A connection that is ours for the length of a run; one piece of work at a time.

    Attributes:
        database: what to call the database, masked.
        redact: takes secrets out of a text.
        dialect: what SQLAlchemy calls the database system, such as ``postgresql``.
    """

    def __init__(  # each is one thing that is known of a connection
        self, link: Link, database: str, redact: Callable[[str], str], beside: Beside, dialect: str
    ) -> None:
        self._link = link
        self.dialect = dialect
        self._beside = beside
        # Unlike anyio's, it lets the loop go round only where there is somebody to wait for.
        self._turn = asyncio.Lock()
        self.database = database
        self.redact = redact

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run synchronous work on the connection without blocking the event loop.

        Raises:
            DatabaseError: in place of SQLAlchemy's error, which is its cause.
        """
        async with self._turn:
            try:
                return await self._link.run_sync(work)
            except DBAPIError as error:
                raise database_error(error, self.database, self.redact) from error

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[Session]:
        """A session on a second connection to the same database, closed with the block."""
        async with self._beside() as link:
            yield Session(link, self.database, self.redact, self._beside, self.dialect)


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
        ConnectionFailedError: the database of a URL or an engine cannot be reached.
        RefusedError: it is none of these: a synchronous engine, for one.
        TransactionOpenError: the caller's connection has already begun a transaction.
    """
    if isinstance(source, DatabaseURL | SQLiteURL):
        await in_thread(lambda: require_usable(source))
        engine = create_engine(source, source=origin)
        file = isinstance(source, SQLiteURL)
        # A twin need not ask the server again what SQLAlchemy wants to know of it.
        another = partial(create_engine, source, source=origin) if file else partial(twin_of, engine)
        async with _connected(lambda: engine, source) as link:
            beside: Beside = partial(_connected, another, source)
            dialect = SQLITE if file else "postgresql"
            yield Session(link, label or source.masked, source.redact, beside, dialect)
    elif isinstance(source, AsyncEngine):
        _refuse_memory(source)
        connected = partial(_connected, lambda: twin_of(source))
        async with connected() as link:
            yield Session(link, *_named(source.url), connected, source.dialect.name)
    else:
        _refuse_other_things(source)
        _refuse_open_transaction(source)
        known, dialect = _named(source.engine.url), source.dialect.name
        if isinstance(source, AsyncConnection):
            yield Session(source, *known, partial(_connected, lambda: twin_of(source.engine)), dialect)
        else:
            yield Session(_SyncLink(source), *known, _beside_of(source), dialect)


@asynccontextmanager
async def _connected(make: Callable[[], AsyncEngine], url: AnyURL | None = None) -> AsyncIterator[Link]:
    engine = make()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        try:
            connection = await stack.enter_async_context(engine.connect())
        except _CANNOT_CONNECT as error:
            failure: HeadwayError = _connection_failed(engine.url, error)
            if isinstance(url, DatabaseURL) and isinstance(error, DBAPIError):
                # Our own engine's driver connection says by itself what is wrong; so this came after it.
                failure = first_transaction_refused(error, url.masked, url.redact)
        else:
            yield connection
            return
        # Raised outside the handler: a chained driver error could show what this one hides.
        raise failure


def _beside_of(connection: Connection) -> Beside:
    engine = connection.engine
    if engine.dialect.is_async:
        return partial(_connected, lambda: twin_of(AsyncEngine(engine)))
    return partial(_connected_synchronously, engine)


@asynccontextmanager
async def _connected_synchronously(engine: Engine) -> AsyncIterator[Link]:
    twin = sync_twin_of(engine)
    with ExitStack() as stack:
        stack.callback(twin.dispose)
        try:
            connection = stack.enter_context(twin.connect())
        except _CANNOT_CONNECT as error:
            failure = _connection_failed(engine.url, error)
        else:
            yield _SyncLink(connection)
            return
        raise failure


def _connection_failed(url: Any, error: Exception) -> ConnectionFailedError:
    database, redact = _named(url)
    report = read_error(error)
    return ConnectionFailedError(
        f"cannot connect to {database} by the engine that was handed over: {redact(report.message)}",
        sqlstate=report.sqlstate or sqlstate_of(error),
        hint="Is PostgreSQL running there, and does that engine connect by itself?",
    )


def _refuse_other_things(source: object) -> None:
    if not isinstance(source, AsyncConnection | Connection):
        raise RefusedError(
            f"a {type(source).__module__}.{type(source).__qualname__} is nothing that headway can work on",
            hint="Hand over an AsyncEngine, as sqlalchemy.ext.asyncio.create_async_engine makes, "
            "or an AsyncConnection.",
        )


def _refuse_memory(engine: AsyncEngine) -> None:
    """A run takes a connection of its own from an engine, and in memory that would be another database."""
    if engine.dialect.name == SQLITE and is_in_memory(engine.url):
        raise RefusedError(
            "an SQLite database in memory belongs to one connection, and headway would open another",
            hint="Hand over the connection that has it: `async with engine.connect() as connection` and "
            "Migrator(connection=connection).",
        )


def _refuse_open_transaction(connection: AsyncConnection | Connection) -> None:
    if connection.in_transaction():
        raise TransactionOpenError(
            "this connection has already begun a transaction, so a migration on it could be rolled back "
            "by whoever began it, after headway had reported success",
            hint="Hand over a connection with none open: `async with engine.connect() as connection` instead "
            "of `engine.begin()`, and commit what you executed before (a SELECT begins one too).",
        )


def name_of(url: Any) -> str:
    """What the database of a caller's engine is called: SQLAlchemy's URL without any secret."""
    return str(url.difference_update_query(SECRET_PARAMETERS).render_as_string(hide_password=True))


def _named(url: Any) -> tuple[str, Callable[[str], str]]:
    # Its query goes to asyncpg as it is, and may hold a password as well.
    in_query = [value for name in SECRET_PARAMETERS for value in url.normalized_query.get(name, ())]
    secrets = [str(secret) for secret in (url.password, *in_query) if secret]

    def redact(text: str) -> str:
        for secret in secrets:
            text = DatabaseURL(password=secret).redact(text)
        return text

    return name_of(url), redact
