"""A probe on the application's own engine: one round trip while nothing changes, and never an old answer."""

from __future__ import annotations

import asyncio
import dataclasses
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from headway import DatabaseURL, Migrator, RepairAction, State
from headway.migrator import core
from headway.revisions import sighting
from tcpproxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine

    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def _files_are_old_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    # A file is trusted once it is 2 s old; those of a test are younger, and are changed in size as well.
    monkeypatch.setattr(sighting, "SETTLED_NS", -(10**15))


@pytest.fixture
def proxy(project: ProjectFolder, database_url: str) -> Iterator[TcpProxy]:
    project.tables("users", "notes")
    with TcpProxy(database_url) as it:
        yield it


def engine_on(proxy: TcpProxy, **options: int) -> AsyncEngine:
    url = proxy.url.partition("?")[0].replace("postgresql:", "postgresql+asyncpg:")
    return create_async_engine(url, **options)


@pytest_asyncio.fixture
async def engine(proxy: TcpProxy) -> AsyncIterator[AsyncEngine]:
    engine = engine_on(proxy)
    yield engine
    await engine.dispose()


@pytest.fixture
def migrator(project: ProjectFolder, engine: AsyncEngine) -> Migrator:
    return Migrator(project.ini, connection=engine)


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


async def trips(proxy: TcpProxy, call: Callable[[], Awaitable[object]]) -> int:
    before = proxy.turns
    await call()
    return sum(proxy.turns) - sum(before)


async def remembered(proxy: TcpProxy, migrator: Migrator) -> bool:
    """Whether the next answer is to be the last one: it is by then, if it ever is."""
    for _ in range(3):
        await migrator.pending()
    return await trips(proxy, migrator.pending) == 1


async def test_while_nothing_changes_it_costs_one_round_trip_opens_no_connection_and_no_file(
    proxy: TcpProxy, migrator: Migrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrator.upgrade()
    first = await migrator.pending()
    assert await remembered(proxy, migrator)
    monkeypatch.setattr(core, "read_graph", None)
    connections = len(proxy.turns)
    assert await trips(proxy, migrator.pending) == 1
    assert await trips(proxy, migrator.ensure_head) == 1
    assert await trips(proxy, lambda: migrator.wait(None, timeout_s=0)) == 1
    assert len(proxy.turns) == connections
    assert first == await migrator.pending()
    assert first.at_head


async def test_it_leaves_nothing_behind_in_the_connection(
    proxy: TcpProxy, engine: AsyncEngine, migrator: Migrator
) -> None:
    await migrator.upgrade()
    assert await remembered(proxy, migrator)
    async with engine.connect() as connection:
        assert await connection.get_isolation_level() == "READ COMMITTED"
        await connection.execute(text("CREATE TABLE mine ()"))
        await connection.rollback()
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT to_regclass('mine')")) is None
        held = await connection.scalar(
            text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        )
        assert held == 0


Change: TypeAlias = "Callable[[ProjectFolder, Migrator, str], Any]"


def edited(project: ProjectFolder, old: str, new: str) -> None:
    path = project.versions / "r2.py"
    path.write_text(path.read_text().replace(old, new))


CHANGES: tuple[tuple[Change, State, tuple[str, ...], int], ...] = (
    (lambda _, other, __: other.upgrade(), State.AT_HEAD, (), 0),
    (lambda project, *_: edited(project, "notes", "remarks"), State.AT_HEAD, (), 1),
    (lambda _, other, __: other.repair(RepairAction.ACCEPT, reason="better"), State.AT_HEAD, (), 0),
    (lambda project, *_: edited(project, "'r1'", "None"), State.BEHIND, ("r1",), 1),
    (lambda project, *_: edited(project, "= None", "= 'r1'"), State.AT_HEAD, (), 0),
    (lambda project, *_: project.revision("r3", "r1"), State.BEHIND, ("r3",), 0),
    (lambda _, other, __: other.upgrade("heads"), State.AT_HEAD, (), 0),
    (lambda project, *_: (project.versions / "r3.py").unlink(), State.AHEAD, (), 0),
    (lambda project, *_: project.revision("r3", "r1"), State.AT_HEAD, (), 0),
    (lambda _, other, __: other.downgrade("r3@r1"), State.BEHIND, ("r3",), 0),
    (lambda _, __, url: execute(url, "DROP TABLE migration_history CASCADE"), State.BEHIND, ("r3",), 0),
    (lambda _, __, url: execute(url, "UPDATE alembic_version SET version_num = 'x'"), State.AHEAD, (), 0),
    (lambda _, __, url: execute(url, "DROP TABLE alembic_version"), State.UNVERSIONED, ("r1", "r2", "r3"), 0),
)
"""What is done to files or database, one after the other, and what is to be told then."""


async def test_whatever_changes_is_told_at_once_and_as_one_tells_it_who_remembers_nothing(
    project: ProjectFolder, proxy: TcpProxy, migrator: Migrator, database_url: str
) -> None:
    other = Migrator(project.ini, url=database_url)
    await other.upgrade("r1")
    for change, state, missing, changed in CHANGES:
        assert await remembered(proxy, migrator)
        done = change(project, other, database_url)
        if isawaitable(done):
            await done
        told, asked = await migrator.pending(), await other.pending()
        assert dataclasses.replace(told, database="") == dataclasses.replace(asked, database="")
        assert (told.state, told.pending, len(told.changed)) == (state, missing, changed)


async def test_a_revision_that_stops_half_way_is_seen_at_once(
    project: ProjectFolder, proxy: TcpProxy, migrator: Migrator, database_url: str
) -> None:
    path = project.revision(
        "r2", "r1", upgrade="op.execute('CREATE TABLE n (a int)')\nop.execute('SELECT 1/0')"
    )
    path.write_text(path.read_text().replace("down_revision", "transactional = False\ndown_revision", 1))
    other = Migrator(project.ini, url=database_url)
    await other.upgrade("r1")
    assert await remembered(proxy, migrator)
    with pytest.raises(Exception, match="division by zero"):
        await other.upgrade()
    told = await migrator.pending()
    assert (told.state, told.dirty) == (State.DIRTY, "r2")
    assert await remembered(proxy, migrator)
    execute(database_url, "UPDATE migration_history SET journal = '[]' WHERE outcome <> 'succeeded'")
    assert (await migrator.pending()).state is State.BEHIND


async def test_a_ledger_that_the_role_may_not_read_is_no_hindrance_and_is_read_once_it_may(
    project: ProjectFolder, proxy: TcpProxy, engine: AsyncEngine, database_url: str
) -> None:
    other = Migrator(project.ini, url=database_url)
    await other.upgrade()
    path = project.versions / "r2.py"
    path.write_text(path.read_text().replace("notes", "remarks"))
    role = f"reader_{DatabaseURL.parse(database_url).name}"
    execute(database_url, f"CREATE ROLE {role}", f"GRANT SELECT ON alembic_version TO {role}")
    reading = create_async_engine(engine.url, connect_args={"server_settings": {"role": role}})
    try:
        migrator = Migrator(project.ini, connection=reading)
        assert (await migrator.pending()).at_head
        assert await remembered(proxy, migrator)
        execute(database_url, f"GRANT SELECT ON migration_history TO {role}")
        assert not (await migrator.pending()).at_head
    finally:
        await reading.dispose()
        execute(database_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


async def test_a_pool_with_nobody_to_spare_is_not_waited_for(
    project: ProjectFolder, proxy: TcpProxy, engine: AsyncEngine
) -> None:
    small = engine_on(proxy, pool_size=1, max_overflow=0, pool_timeout=3600)
    migrator = Migrator(project.ini, connection=small)
    await migrator.upgrade()
    assert await remembered(proxy, migrator)
    async with small.connect() as connection:
        await connection.execute(text("SELECT 1"))
        async with asyncio.timeout(60):
            assert (await migrator.pending()).at_head
    await small.dispose()


async def test_pooled_connections_that_have_died_cost_no_answer(proxy: TcpProxy, migrator: Migrator) -> None:
    await migrator.upgrade()
    assert await remembered(proxy, migrator)
    proxy.cut()
    assert (await migrator.pending()).at_head


async def test_a_version_table_in_a_schema_of_its_own_is_asked_there(
    project: ProjectFolder, proxy: TcpProxy, migrator: Migrator, database_url: str
) -> None:
    project.env('version_table="v:1", version_table_schema="meta data"')
    execute(database_url, 'CREATE SCHEMA "meta data"')
    await migrator.upgrade()
    assert await remembered(proxy, migrator)
    execute(database_url, """DELETE FROM "meta data"."v:1" """, "CREATE TABLE alembic_version ()")
    assert (await migrator.pending()).state is State.UNVERSIONED
