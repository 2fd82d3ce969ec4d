"""The application's engine and sessions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from headway import DatabaseURL, open_database
from taskman import settings

CONNECT_TIMEOUT_S = 10.0
"""How long opening a connection may take, in seconds, unless the URL says ``connect_timeout``."""


class DatabaseUnavailableError(Exception):
    """No connection could be opened; the message says to where and why, and holds no password."""


@asynccontextmanager
async def engine_scope(database_url: str | None = None) -> AsyncIterator[AsyncEngine]:
    """An engine with a pool, disposed of on the way out.

    Args:
        database_url: the database to use; without it the configured one, and in development, when none
            is, the embedded PostgreSQL of the checkout, which is held for as long as the engine is.

    Raises:
        headway.ConfigurationError: a setting is wrong, or none names a database outside development.
        headway.EmbeddedServerError: the embedded PostgreSQL does not start.
    """
    async with open_database(settings.application_settings(database_url), settings.CHECKOUT) as address:
        if not isinstance(address, DatabaseURL):
            raise DatabaseUnavailableError(
                f"{address}: taskman needs PostgreSQL, for it searches by pgvector"
            )
        engine = _engine(address)
        try:
            yield engine
        finally:
            await engine.dispose()


def _engine(address: DatabaseURL) -> AsyncEngine:
    # asyncpg takes keywords rather than a URL: so every parameter of the URL has its effect, and
    # SQLAlchemy holds no password that it could print.
    arguments = {"timeout": CONNECT_TIMEOUT_S} | address.connect_arguments()

    async def open_connection() -> "asyncpg.Connection[asyncpg.Record]":
        try:
            return await asyncpg.connect(**arguments)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            problem = address.redact(str(error)) or type(error).__name__
        raise DatabaseUnavailableError(f"cannot connect to {address.masked}: {problem}")

    return create_async_engine("postgresql+asyncpg://", async_creator=open_connection)


def session_factory(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Sessions whose objects stay readable after a commit: an async session cannot reload them in passing."""
    return async_sessionmaker(engine, expire_on_commit=False)
