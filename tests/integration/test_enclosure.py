"""A revision that ends its own transaction, and what becomes of it when it fails afterwards."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from headway import Event, Migrator, State, StepFailedError, StepRetrying
from servers import AT_WORK_UNTIL_GO

if TYPE_CHECKING:
    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio

ENDS = {
    "COMMIT": "op.execute('COMMIT')",
    "commit()": "op.get_bind().commit()",
    "ROLLBACK": "op.execute('ROLLBACK')",
    "rollback()": "op.get_bind().rollback()",
    "COMMIT AND CHAIN": "op.execute('COMMIT AND CHAIN')",
    "COMMIT, BEGIN": "op.execute('COMMIT')\nop.execute('BEGIN')",
    "ROLLBACK, BEGIN": "op.execute('ROLLBACK')\nop.execute('CREATE TABLE stray()')\nop.execute('BEGIN')",
}
ends = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


@ends
@pytest.mark.parametrize("failure", ["op.execute('SELECT 1/0')", "raise RuntimeError('no')", "pass"])
@pytest.mark.sampled(3)
async def test_it_is_dirty_and_said_to_have_left_something_however_it_goes_on(
    project: ProjectFolder, database_url: str, end: str, failure: str
) -> None:
    project.revision("r1", upgrade=f"op.execute('CREATE TABLE t()')\n{end}\n{failure}")
    migrator = Migrator(project.ini, url=database_url)
    with pytest.raises(StepFailedError) as caught:
        await migrator.upgrade()
    assert "still there" in str(caught.value.hint)
    assert "rolled back whole" not in str(caught.value.hint)
    assert (await migrator.status()).state is State.DIRTY
    assert rows(database_url, "SELECT to_regclass('alembic_version'), count(*) FROM alembic_version") == [
        ("alembic_version", 0)
    ]
    assert rows(database_url, "SELECT outcome FROM migration_history") == [("failed",)]


@ends
@pytest.mark.sampled(3)
async def test_it_is_not_tried_again_whatever_it_fails_with(
    project: ProjectFolder, database_url: str, end: str
) -> None:
    project.revision("r1", upgrade="op.execute('CREATE TABLE held()')")
    project.revision(
        "r2",
        "r1",
        upgrade=f"op.execute('CREATE TABLE t()')\n{end}\n"
        "op.execute(\"SET lock_timeout = '100ms'\")\nop.execute('ALTER TABLE held ADD COLUMN x int')",
    )
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=database_url, listeners=[heard.append])
    await migrator.upgrade("r1")
    with psycopg.connect(database_url) as blocker:
        blocker.execute("LOCK TABLE held")
        with pytest.raises(StepFailedError):
            await migrator.upgrade()
    assert not [event for event in heard if isinstance(event, StepRetrying)]
    assert (await migrator.status()).state is State.DIRTY


async def test_it_is_on_record_before_anything_else_can_happen(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1", upgrade="op.get_bind().commit()\nop.execute('SELECT pg_sleep(600)')")
    migrator = Migrator(project.ini, url=database_url)
    running = asyncio.create_task(migrator.upgrade())
    asleep = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
    asleep += "AND state = 'active' AND query = 'SELECT pg_sleep(600)'"
    async with asyncio.timeout(60):
        while not rows(database_url, asleep):  # noqa: ASYNC110  # the server sends no event for it
            await asyncio.sleep(0.02)
    assert rows(database_url, "SELECT jsonb_array_length(journal) FROM migration_history") == [(1,)]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await migrator.status()).state is State.DIRTY


async def test_what_was_committed_before_a_cancellation_is_on_record(
    project: ProjectFolder, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE go (at int)")
    project.revision(
        "r1",
        upgrade="op.execute('CREATE TABLE one()')\nop.execute('/* so */ COMMIT AND CHAIN')\n"
        f"op.execute({AT_WORK_UNTIL_GO!r})",
    )
    migrator = Migrator(project.ini, url=database_url)
    task = asyncio.create_task(migrator.upgrade())
    at_work = "SELECT FROM pg_stat_activity WHERE datname = current_database() "
    at_work += "AND query LIKE '%FROM go%' AND pid <> pg_backend_pid()"
    async with asyncio.timeout(60):
        while not rows(database_url, at_work):  # noqa: ASYNC110  # PostgreSQL sends no event for it
            await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rows(database_url, "SELECT to_regclass('one')::text") == [("one",)]
    assert (await migrator.status()).state is State.DIRTY


async def test_savepoints_and_sessions_stay_inside_and_are_let_be(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision(
        "r1",
        upgrade="from sqlalchemy.orm import Session\n"
        "op.execute('CREATE TABLE t (id int)')\n"
        "with op.get_bind().begin_nested():\n    op.execute('INSERT INTO t VALUES (1)')\n"
        "inner = op.get_bind().begin_nested()\nop.execute('INSERT INTO t VALUES (2)')\ninner.rollback()\n"
        "with Session(op.get_bind()) as session:\n"
        "    session.execute(sa.text('INSERT INTO t VALUES (3)'))\n    session.commit()\n"
        "op.execute('SAVEPOINT s')\nop.execute('ROLLBACK TO s')",
    )
    await Migrator(project.ini, url=database_url).upgrade()
    assert rows(database_url, "SELECT id FROM t ORDER BY id") == [(1,), (3,)]


def _upgrade_with_psycopg(project: ProjectFolder, url: str) -> None:
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    try:
        with engine.connect() as connection:
            config = Config(str(project.ini))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


@ends
async def test_a_synchronous_connection_is_watched_likewise(
    project: ProjectFolder, database_url: str, end: str
) -> None:
    project.revision("r1", upgrade=f"op.execute('CREATE TABLE t()')\n{end}\nop.execute('SELECT 1/0')")
    with pytest.raises(StepFailedError):
        await asyncio.to_thread(_upgrade_with_psycopg, project, database_url)
    assert (await Migrator(project.ini, url=database_url).status()).state is State.DIRTY
