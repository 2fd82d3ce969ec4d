"""Reach a database: which one is meant, a driver connection, an engine.

SQLAlchemy is imported only where an engine is made, so that a probe costs no more than asyncpg does.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import asyncpg

from headway.errors import ConfigurationError, ConnectionFailedError, DatabaseError
from headway.settings import Environment
from headway.threads import in_thread
from headway.url import DatabaseURL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy.engine import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from headway.embedded import Lease
    from headway.events import Listener
    from headway.settings import Settings
    from headway.url import AnyURL

EMBEDDED = "the embedded server"

CONNECT_TIMEOUT_S = 10.0
"""How long connecting may take, in seconds for each host, unless the URL says ``connect_timeout``.

libpq waits without end and asyncpg for 60 s; a server that is there answers within a few round trips.
"""

_CLOSE_TIMEOUT_S = 1.0
"""How long hanging up in order may take, in seconds."""

# What to try, by SQLSTATE (PostgreSQL manual, appendix A).
_HINTS = {
    "28P01": "Check the user and the password in {source}.",
    "28000": "The server does not let this user in from here: check user, sslmode and pg_hba.conf.",
    "3D000": "Create it first (createdb), or correct the name in {source}.",
    "53300": "All of the server's connections are taken; close some or raise max_connections.",
    "57P03": "The server is starting up or shutting down; try again in a moment.",
}

# The same for what has none, by type; the first that fits.
_ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (
        asyncpg.ClientConfigurationError,
        (
            "Correct the parameters of {source}; sslmode=verify-ca and verify-full need sslrootcert=FILE, "
            "or sslrootcert=system for the certificates this machine trusts."
        ),
    ),
    (ssl.SSLError, "TLS could not be agreed on: check sslmode and sslrootcert in {source}."),
    (
        TimeoutError,
        (
            "Is {source} right, and does a firewall or a proxy swallow the connection? "
            "connect_timeout=SECONDS in the URL waits longer, connect_timeout=0 without end."
        ),
    ),
    (Exception, "Is PostgreSQL running there, and is {source} right?"),
)


def embedded_directory(root: Path) -> Path:
    """Where the embedded server of a project keeps its files."""
    return root / ".headway" / "postgres"


async def lease_embedded(settings: Settings, root: Path, *, listener: Listener | None = None) -> Lease:
    """Start the embedded PostgreSQL of the project at ``root``, or join it.

    Raises:
        ConfigurationError: the environment is not development.
        EmbeddedServerError: there are no binaries, or the server does not start.
    """
    if settings.environment is not Environment.DEVELOPMENT:
        raise ConfigurationError(
            "DATABASE_URL",
            f"no database is configured, and APP_ENVIRONMENT is {settings.environment.value} "
            "(an embedded one is started in development only)",
            example="postgresql://user:password@host:5432/database",
        )
    from headway import embedded

    directory = embedded_directory(root)

    def announce(initialising: bool) -> None:  # noqa: FBT001  # the callback's contract in `embedded`
        if listener is not None:
            from headway.events import ServerStarting

            listener(ServerStarting(directory=str(directory), initialising=initialising))

    def acquire() -> Lease:
        return embedded.acquire(directory, binaries=settings.postgres_binaries, on_starting=announce)

    return await in_thread(acquire)


@asynccontextmanager
async def open_database(
    settings: Settings, root: Path, *, listener: Listener | None = None
) -> AsyncIterator[AnyURL]:
    """The database that the settings mean: the configured one, or in development the embedded one.

    The embedded server runs at least as long as the block.

    Args:
        settings: from :func:`headway.load_settings`.
        root: the project's folder, under which the embedded server keeps its data.
        listener: hears when the embedded server is being started.

    Raises:
        ConfigurationError: nothing is configured and the environment is not development.
        EmbeddedServerError: there are no binaries, or the server does not start.
    """
    if settings.database is not None:
        yield settings.database
        return
    lease = await lease_embedded(settings, root, listener=listener)
    try:
        yield DatabaseURL.parse(lease.url, variable=EMBEDDED)
    finally:
        lease.close()


async def connect(url: DatabaseURL, *, source: str = "the URL") -> asyncpg.Connection[asyncpg.Record]:
    """Open one driver connection.

    Args:
        url: where to; its ``connect_timeout`` overrules :data:`CONNECT_TIMEOUT_S`, and 0 waits without end.
        source: the setting the URL came from, for the hint.

    Raises:
        ConnectionFailedError: nobody answers in time, or the server refuses; says which, never the password.
    """
    arguments = {"timeout": CONNECT_TIMEOUT_S * max(len(url.hosts), 1)} | url.connect_arguments()
    try:
        connection = await asyncpg.connect(**arguments)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        problem = url.redact(str(error)) or f"no answer within {arguments['timeout']:g} s"
        sqlstate = sqlstate_of(error)
        hint = _hint(error, source)
    else:
        if url.keepalive is not None:
            # asyncpg neither does it nor has a public way to the socket. A system that cannot leaves the
            # connection as good as before; so does a server that has hung up already, which is told later.
            with suppress(OSError):
                transport = cast("Any", connection)._transport  # noqa: SLF001
                url.keepalive.apply(transport.get_extra_info("socket"))
        return connection
    # Raised outside the handler: a chained driver error could show what this one hides.
    raise ConnectionFailedError(f"cannot connect to {url.masked}: {problem}", sqlstate=sqlstate, hint=hint)


def sqlstate_of(error: BaseException) -> str | None:
    """The server's five-character code; ``None`` for what the driver or the system made up itself."""
    return error.sqlstate if isinstance(error, asyncpg.PostgresError) else None


def _hint(error: Exception, source: str) -> str:
    """What to try after a failure to connect, told by the error's type."""
    sqlstate = sqlstate_of(error)
    if sqlstate is not None:
        hint = _HINTS.get(sqlstate, "Check {source}.")
    elif source == EMBEDDED:
        hint = "It has ended: start again what uses it, and it starts anew, its data kept."
    elif type(error) is ConnectionError:
        # asyncpg's word for a TLS request that was refused; what the system reports has a type of its own.
        hint = (
            "That server does no TLS, and {source} asks for it: check sslmode there, or `ssl` on the server."
        )
    else:
        hint = next(advice for kind, advice in _ADVICE if isinstance(error, kind))
    return hint.format(source=source)


def create_engine(url: AnyURL, *, source: str = "the URL") -> AsyncEngine:
    """An engine for migrations: asyncpg (or aiosqlite), no pool, no cache of prepared statements.

    A cached statement fails once DDL has changed what it reads (design.md, fact 11). The password is in
    no URL that SQLAlchemy could print.
    """
    if not isinstance(url, DatabaseURL):
        from headway import sqlite

        return sqlite.create_engine(url)
    from sqlalchemy import event
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    from headway.alone import UNNAMED

    async def open_connection() -> Any:
        return await connect(url, source=source)

    def creator() -> Any:
        return engine.dialect.dbapi.connect(  # type: ignore[union-attr]  # an engine always has a driver
            async_creator_fn=open_connection, prepared_statement_cache_size=0
        )

    engine = create_async_engine(
        "postgresql+asyncpg://", creator=creator, poolclass=NullPool, hide_parameters=True
    )

    def mark(_: Any, record: Any) -> None:
        record.info[UNNAMED] = True

    event.listen(engine.sync_engine, "connect", mark)
    return engine


def twin_of(engine: AsyncEngine) -> AsyncEngine:
    """A new engine that connects exactly as ``engine`` does, over a pool of its own.

    A run takes its connection from the twin, so it works on any event loop, never waits for the
    application's pool and leaves no changed session behind in it. Dispose of it afterwards.
    """
    from sqlalchemy.ext.asyncio import AsyncEngine

    return AsyncEngine(sync_twin_of(engine.sync_engine))


def sync_twin_of(engine: Engine) -> Engine:
    """The same for a synchronous engine."""
    from sqlalchemy.engine import Engine

    return Engine(engine.pool.recreate(), engine.dialect, engine.url, hide_parameters=True)


@asynccontextmanager
async def driver_connection(
    url: DatabaseURL, *, source: str = "the URL"
) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """One driver connection for the length of the block.

    Raises:
        ConnectionFailedError: it could not be opened, or broke during the block.
        DatabaseError: the server refused what the block asked.
    """
    connection = await connect(url, source=source)
    try:
        yield connection
    except (
        asyncpg.PostgresConnectionError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,  # so it says that the server went before it was asked
        OSError,
    ) as error:
        raise ConnectionFailedError(
            f"the connection to {url.masked} was lost: {url.redact(str(error))}",
            sqlstate=sqlstate_of(error),
            hint=f"Is PostgreSQL running there, and is {source} right?",
        ) from error
    except asyncpg.PostgresError as error:
        raise DatabaseError(url.redact(f"{url.masked}: {error}"), sqlstate=error.sqlstate) from error
    finally:
        # asyncpg first waits for what is under way, if need be for ever; given up, it cuts the line.
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await connection.close()


def require_usable(url: AnyURL) -> None:
    """Return when the URL can be connected to, as far as that is seen before; a server shows it by itself.

    Raises:
        ConfigurationError: it names a file that cannot be a database.
        ConnectionFailedError: another process has locked the file.
        DatabaseError: the file cannot be read.
    """
    if not isinstance(url, DatabaseURL):
        from headway import sqlite

        sqlite.require_usable(url)
