"""Reach a database: which one is meant, a driver connection, an engine, the version rows.

SQLAlchemy is imported only where an engine is made, so that a probe costs no more than asyncpg does.
"""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import asyncpg

from headway.errors import ConfigurationError, ConnectionFailedError
from headway.events import ServerStarting
from headway.settings import Environment
from headway.url import DatabaseURL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

    from headway.embedded import Lease
    from headway.events import Listener
    from headway.project import VersionTable
    from headway.settings import Settings

EMBEDDED = "the embedded server"

# What to try, by SQLSTATE (PostgreSQL manual, appendix A).
_HINTS = {
    "28P01": "Check the user and the password in {source}.",
    "28000": "The server does not let this user in from here: check the user in {source}, and pg_hba.conf.",
    "3D000": "Create it first (createdb), or correct the name in {source}.",
    "53300": "All of the server's connections are taken; close some or raise max_connections.",
    "57P03": "The server is starting up or shutting down; try again in a moment.",
}


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
            listener(ServerStarting(directory=str(directory), initialising=initialising))

    def acquire() -> Lease:
        return embedded.acquire(directory, binaries=settings.postgres_binaries, on_starting=announce)

    return await anyio.to_thread.run_sync(acquire)


@asynccontextmanager
async def open_database(
    settings: Settings, root: Path, *, listener: Listener | None = None
) -> AsyncIterator[DatabaseURL]:
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
        url: where to.
        source: the setting the URL came from, for the hint.

    Raises:
        ConnectionFailedError: nobody answers, or the server refuses; says which, never the password.
    """
    try:
        return await asyncpg.connect(**url.connect_arguments())
    except asyncpg.PostgresError as error:
        hint = _HINTS.get(error.sqlstate or "", "Check {source}.").format(source=source)
        problem = url.redact(str(error))
        sqlstate = error.sqlstate
    except asyncpg.ClientConfigurationError as error:
        hint = (
            f"Correct the parameters of {source}; sslmode=verify-ca and verify-full need sslrootcert=FILE, "
            "or sslrootcert=system for the certificates this machine trusts."
        )
        problem = url.redact(str(error))
        sqlstate = None
    except (OSError, ssl.SSLError, TimeoutError, asyncpg.InterfaceError, ValueError) as error:
        hint = f"Is PostgreSQL running there, and is {source} right?"
        problem = url.redact(str(error) or type(error).__name__)
        sqlstate = None
    # Raised outside the handlers: a chained driver error could show what this one hides.
    raise ConnectionFailedError(f"cannot connect to {url.masked}: {problem}", sqlstate=sqlstate, hint=hint)


def create_engine(url: DatabaseURL, *, source: str = "the URL") -> AsyncEngine:
    """An engine for migrations: asyncpg, no pool, no cache of prepared statements.

    A cached statement fails once DDL has changed what it reads (design.md, fact 11). The password is in
    no URL that SQLAlchemy could print.
    """
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    async def open_connection() -> Any:
        return await connect(url, source=source)

    def creator() -> Any:
        return engine.dialect.dbapi.connect(  # type: ignore[union-attr]  # an engine always has a driver
            async_creator_fn=open_connection, prepared_statement_cache_size=0
        )

    engine = create_async_engine(
        "postgresql+asyncpg://", creator=creator, poolclass=NullPool, hide_parameters=True
    )
    return engine


def twin_of(engine: AsyncEngine) -> AsyncEngine:
    """A new engine that connects exactly as ``engine`` does, over a pool of its own.

    A run takes its connection from the twin, so it works on any event loop, never waits for the
    application's pool and leaves no changed session behind in it. Dispose of it afterwards.
    """
    from sqlalchemy.engine import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    sync = engine.sync_engine
    return AsyncEngine(Engine(sync.pool.recreate(), sync.dialect, sync.url, hide_parameters=True))


@asynccontextmanager
async def driver_connection(
    url: DatabaseURL, *, source: str = "the URL"
) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """One driver connection for the length of the block."""
    connection = await connect(url, source=source)
    try:
        yield connection
    finally:
        await connection.close()


async def fetch_versions(
    connection: asyncpg.Connection[asyncpg.Record], table: VersionTable
) -> tuple[str, ...]:
    """The version table's rows, sorted; empty when there is no such table."""
    name = ".".join(_quoted(part) for part in (table.schema, table.name) if part)
    try:
        rows = await connection.fetch(f"SELECT version_num FROM {name}")  # noqa: S608  # quoted above
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return ()
    return tuple(sorted(row["version_num"] for row in rows))


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
