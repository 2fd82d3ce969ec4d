"""Timeouts that a run or a revision asks for, and those of what is outside a step's own transaction."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from headway import DatabaseError, DatabaseURL, Migrator, StepFailedError
from headway.results import RunOptions

if TYPE_CHECKING:
    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio

NOW = "current_setting('lock_timeout'), current_setting('statement_timeout')"
SEE = f'op.execute("INSERT INTO seen SELECT {NOW} /* not CONCURRENTLY */")'
CONCURRENT = f'op.execute("INSERT INTO seen SELECT {NOW} AS concurrently")'  # the word is what is looked for


@pytest.mark.parametrize("transactional", ["True", "False"])
async def test_a_run_and_a_revision_say_when_an_idle_transaction_ends_and_how_often_the_server_looks(
    project: ProjectFolder, database_url: str, transactional: str
) -> None:
    names = ("idle_in_transaction_session_timeout", "client_connection_check_interval")
    shown = ", ".join(f"current_setting('{name}')" for name in names)
    query(database_url, "CREATE TABLE seen (at serial, idle text, looks text)")
    for number in 1, 2:
        path = project.revision(
            f"r{number}",
            f"r{number - 1}" if number > 1 else None,
            upgrade=f'op.execute("INSERT INTO seen (idle, looks) SELECT {shown}")',
        )
        wishes = f"transactional = {transactional}\n"
        if number == 2:
            wishes += "".join(f"{name} = '3s'\n" for name in names)
        path.write_text(path.read_text().replace("down_revision", f"{wishes}down_revision", 1))
    options = RunOptions(
        idle_in_transaction_session_timeout_ms=90_000, client_connection_check_interval_ms=2_000
    )
    await Migrator(project.ini, url=database_url).upgrade(options=options)
    seen = query(database_url, "SELECT idle, looks FROM seen ORDER BY at")
    assert seen == [("90s", "2s"), ("3s", "3s")]


def in_block(*statements: str) -> str:
    return "with op.get_context().autocommit_block():\n" + "\n".join(f"    {line}" for line in statements)


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        (RunOptions(), [("1500ms", "0"), ("0", "0"), ("200ms", "0")]),
        (
            RunOptions(lock_timeout_ms=3000, statement_timeout_ms=60_000),
            [("3s", "1min"), ("3s", "1min"), ("3s", "1min")],
        ),
    ],
    ids=["usual", "asked for"],
)
async def test_statements_of_an_autocommit_block_have_the_runs_timeouts(
    project: ProjectFolder, database_url: str, options: RunOptions, seen: list[tuple[str, str]]
) -> None:
    query(database_url, "CREATE TABLE seen (lock_timeout text, statement_timeout text)")
    project.revision("r1", upgrade=f"{in_block(SEE, CONCURRENT)}\n{SEE}")
    await Migrator(project.ini, url=database_url).upgrade(options=options)
    assert query(database_url, "TABLE seen") == seen


async def test_a_statement_of_an_autocommit_block_does_not_queue_everybody_behind_it(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    project.revision("r2", "r1", upgrade=in_block("op.execute('ALTER TABLE a ADD COLUMN b int')"))
    migrator = Migrator(project.ini, url=database_url)
    await migrator.upgrade("r1")
    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT count(*) FROM a")
        async with asyncio.timeout(120):
            with pytest.raises(StepFailedError) as caught:
                await migrator.upgrade()
    assert caught.value.sqlstate == "55P03"


async def test_the_callers_session_has_its_own_timeouts_back(
    project: ProjectFolder, database_url: str
) -> None:
    import asyncpg

    project.revision("r1", upgrade=in_block("op.execute('CREATE TABLE t (id int)')"))
    arguments = DatabaseURL.parse(database_url).connect_arguments()
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(**arguments))
    async with engine.connect() as connection:
        await connection.execute(text("SET lock_timeout = '33s'"))
        await connection.execute(text("SET statement_timeout = '77s'"))
        await connection.commit()
        await Migrator(project.ini, connection=connection).upgrade()
        settings = text(f"SELECT {NOW}")
        assert (await connection.execute(settings)).all() == [("33s", "77s")]
    await engine.dispose()


async def test_a_stamp_does_not_wait_for_its_table_without_end(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    migrator = Migrator(project.ini, url=database_url)
    await migrator.upgrade()
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE alembic_version IN SHARE MODE")
        async with asyncio.timeout(120):
            with pytest.raises(DatabaseError) as caught:
                await migrator.stamp("base")
    assert caught.value.sqlstate == "55P03"
    assert "--lock-timeout" in str(caught.value.hint)
    assert query(database_url, "SELECT version_num FROM alembic_version") == [("r1",)]
