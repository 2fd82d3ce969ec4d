"""What a run still says for itself when it is broken off, and broken off again while it says it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest

from headway import DatabaseError, Migrator, runner
from headway.alembic_bridge import Scope

if TYPE_CHECKING:
    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio

_SESSIONS_HERE = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


async def until(url: str, statement: str) -> None:
    """Wait until a query about the server's sessions finds something."""
    async with asyncio.timeout(120):
        while not rows(url, f"{statement} AND datname = current_database()"):  # noqa: ASYNC110  # no event for it
            await asyncio.sleep(0.02)


async def test_a_second_cancellation_does_not_keep_the_first_from_being_put_on_record(
    project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_LAST_WORDS_S", 600.0)
    project.revision("r1", upgrade="op.execute('SELECT pg_sleep(600)')")
    running = asyncio.create_task(Migrator(project.ini, url=database_url).upgrade())
    asleep = f"{_SESSIONS_HERE} AND wait_event = 'PgSleep'"
    await until(database_url, asleep)
    with psycopg.connect(database_url) as holding:
        holding.execute("SELECT FROM migration_history FOR UPDATE")
        running.cancel()
        await until(
            database_url,
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        running.cancel()
        done, _ = await asyncio.wait([running], timeout=0)
        assert not done
    with pytest.raises(asyncio.CancelledError):
        await running
    assert rows(database_url, "SELECT outcome FROM migration_history") == [("interrupted",)]


async def test_a_connection_lost_before_the_first_revision_ends_the_run_instead_of_going_on_without_the_lock(
    project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.tables("a")
    create = Scope.create_version_table

    def behind_a_lost_connection(self: Scope) -> None:
        rows(
            database_url,
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
            "WHERE locktype = 'advisory' AND datname = current_database()",
        )
        create(self)

    monkeypatch.setattr(Scope, "create_version_table", behind_a_lost_connection)
    with pytest.raises(DatabaseError):
        await Migrator(project.ini, url=database_url).upgrade()
    assert rows(database_url, "SELECT to_regclass('alembic_version'), to_regclass('a')") == [(None, None)]
