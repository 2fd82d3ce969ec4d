"""Fixtures that give a test a clean database, as people write them: a plugin of the benchmark's suites.

Which of them ``session`` is, says the environment. All open an engine for each test, on the test's own loop,
and use the driver directly for what is not the test's.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import pytest_asyncio
from sixty_tables import metadata
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from headway import DatabaseURL, embedded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine

CONTENDER = os.environ["BENCH_CONTENDER"]
SERVER = DatabaseURL.parse(os.environ["BENCH_SERVER"])
TEMPLATE = os.environ["BENCH_TEMPLATE"]

_EVERY = [table.name for table in reversed(metadata.sorted_tables)]
_DELETE = "; ".join(f"DELETE FROM {name}" for name in _EVERY)  # noqa: S608  # our own names
_TRUNCATE = f"TRUNCATE {', '.join(_EVERY)}"
_EMPTY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"


@contextmanager
def database(template: str) -> Iterator[DatabaseURL]:
    name = f"headway_b_{secrets.token_hex(6)}"
    with closing(psycopg.connect(SERVER.render(), autocommit=True)) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield replace(SERVER, database=name)
    finally:
        with closing(psycopg.connect(SERVER.render(), autocommit=True)) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def own() -> Iterator[DatabaseURL]:
    """One database for all tests of a process."""
    with database("template0" if CONTENDER == "create_all" else TEMPLATE) as url:
        yield url


@pytest.fixture(scope="session")
def beside(own: DatabaseURL) -> Iterator[psycopg.Connection]:
    """A connection that stays open, for emptying it."""
    with closing(psycopg.connect(own.render(), autocommit=True)) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


@asynccontextmanager
async def engine_on(url: DatabaseURL) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(
        url.render().replace("postgresql:", "postgresql+asyncpg:"), poolclass=NullPool
    )
    yield engine
    await engine.dispose()


@asynccontextmanager
async def rolled_back(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    async with engine.connect() as connection:
        transaction = await connection.begin()
        async with AsyncSession(connection, join_transaction_mode="create_savepoint") as session:
            yield session
        await transaction.rollback()


@contextmanager
def located(request: pytest.FixtureRequest) -> Iterator[DatabaseURL]:
    """A database with the schema, clean, and what is to be done with it after the test."""
    match CONTENDER:
        case "clone":
            with database(TEMPLATE) as url:
                yield url
        case "alembic":
            with database("template0") as url:
                upgrade(url)
                yield url
        case "server":
            with tempfile.TemporaryDirectory(prefix="b-") as folder:
                Path(folder).chmod(0o755)
                with embedded.acquire(Path(folder) / "server") as lease:
                    yield DatabaseURL.parse(lease.url)
                embedded.reset(Path(folder) / "server", force=True)
        case "delete" | "truncate" | "create_all":
            yield request.getfixturevalue("own")
            after = {"delete": _DELETE, "truncate": _TRUNCATE, "create_all": _EMPTY}[CONTENDER]
            request.getfixturevalue("beside").execute(after)
        case _:
            yield request.getfixturevalue("own")


def upgrade(url: DatabaseURL) -> None:
    """What `alembic upgrade head` does, in this process."""
    from alembic import command
    from alembic.config import Config

    config = Config("alembic.ini")
    config.attributes["url"] = url.render().replace("postgresql:", "postgresql+psycopg:")
    command.upgrade(config, "head")


@pytest.fixture
def location(request: pytest.FixtureRequest) -> Iterator[DatabaseURL]:
    with located(request) as url:
        yield url


@pytest_asyncio.fixture
async def session(location: DatabaseURL) -> AsyncIterator[AsyncSession]:
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(engine_on(location))
        if CONTENDER in {"create_all", "server"}:
            async with engine.begin() as connection:
                await connection.run_sync(metadata.create_all, checkfirst=False)
        if CONTENDER == "savepoint":
            yield await stack.enter_async_context(rolled_back(engine))
        else:
            yield await stack.enter_async_context(AsyncSession(engine))
