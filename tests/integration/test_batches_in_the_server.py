"""What a server makes of a step in one message: each statement's limits, what it tells, what others see."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine

from headway import DatabaseURL, Migrator, StepBlocked, StepFailedError
from headway.batch import Batch
from servers import AT_WORK_UNTIL_GO

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110  # the server sends no event for it
            await asyncio.sleep(0.02)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """One for each message that went out whole."""
    found: list[bool] = []
    finish = Batch.finish

    def noted(self: Batch, *what: Any) -> int | None:
        found.append(True)
        return finish(self, *what)

    monkeypatch.setattr(Batch, "finish", noted)
    return found


async def test_a_statement_timeout_is_for_each_statement_of_a_message(
    project: ProjectFolder, database_url: str, sent: list[bool]
) -> None:
    nap = "op.execute('SELECT pg_sleep(1.2)')\n"
    path = project.revision("r1", upgrade=3 * nap)
    path.write_text(
        path.read_text("utf-8").replace("down_revision =", "statement_timeout = '3s'\ndown_revision =")
    )
    await Migrator(project.ini, url=database_url).upgrade()
    assert rows(database_url, "SELECT outcome, duration_ms > 3000 FROM migration_history") == [
        ("succeeded", True)
    ]
    assert sent == [True]


async def test_a_statement_of_a_message_that_takes_too_long_is_named(
    project: ProjectFolder, database_url: str, sent: list[bool]
) -> None:
    path = project.revision(
        "r1", upgrade="op.execute('CREATE TABLE a ()')\nop.execute('SELECT pg_sleep(600)')"
    )
    path.write_text(
        path.read_text("utf-8").replace("down_revision =", "statement_timeout = '200ms'\ndown_revision =")
    )
    with pytest.raises(StepFailedError) as caught:
        await Migrator(project.ini, url=database_url).upgrade()
    assert caught.value.sqlstate == "57014"
    assert caught.value.statement == "SELECT pg_sleep(600)"
    assert rows(database_url, "SELECT to_regclass('a')") == [(None,)]
    assert sent == [True]


async def test_notices_of_a_message_reach_who_listens(project: ProjectFolder, database_url: str) -> None:
    project.revision("r1", upgrade="op.execute(\"DO $$ BEGIN RAISE NOTICE 'so many: %', 41 + 1; END $$\")")
    heard: list[str] = []
    url = DatabaseURL.parse(database_url).render().replace("postgresql:", "postgresql+asyncpg:", 1)
    engine = create_async_engine(url)

    @event.listens_for(engine.sync_engine, "connect")
    def listen(connection: Any, _: object) -> None:
        connection.driver_connection.add_log_listener(lambda _, message: heard.append(message.message))

    await Migrator(project.ini, connection=engine).upgrade()
    await engine.dispose()
    assert "so many: 42" in heard


async def test_a_cancelled_message_leaves_nothing_and_the_next_run_does_it(
    project: ProjectFolder, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE go (at int)")
    project.revision("r1", upgrade=f"op.execute('CREATE TABLE a ()')\nop.execute({AT_WORK_UNTIL_GO!r})")
    migrator = Migrator(project.ini, url=database_url)
    running = asyncio.create_task(migrator.upgrade())
    at_work = (
        "SELECT left(query, 40) FROM pg_stat_activity WHERE datname = current_database() "
        "AND query LIKE '%FROM go%' AND pid <> pg_backend_pid() AND state = 'active'"
    )
    await until(lambda: rows(database_url, at_work))
    assert str(rows(database_url, at_work)[0][0]).startswith("SET LOCAL application_name = ")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: not rows(database_url, at_work))
    assert rows(database_url, "SELECT to_regclass('a')") == [(None,)]
    assert rows(database_url, "SELECT outcome FROM migration_history") == [("interrupted",)]
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO go VALUES (1)")
    await migrator.upgrade()
    assert rows(database_url, "SELECT outcome FROM migration_history ORDER BY id") == [
        ("interrupted",),
        ("succeeded",),
    ]


async def test_who_keeps_a_message_waiting_is_named_while_it_waits(
    project: ProjectFolder, database_url: str, sent: list[bool]
) -> None:
    project.tables("held")
    path = project.revision("r2", "r1", upgrade="op.add_column('held', sa.Column('b', sa.Text))")
    path.write_text(
        path.read_text("utf-8").replace("down_revision =", "lock_timeout = '60s'\ndown_revision =")
    )
    blocked: list[StepBlocked] = []
    with psycopg.connect(database_url) as blocker:

        def let_go(event: object) -> None:
            if isinstance(event, StepBlocked):
                blocked.append(event)
                blocker.rollback()

        migrator = Migrator(project.ini, url=database_url, listeners=[let_go])
        await migrator.upgrade("r1")
        blocker.execute("LOCK TABLE held")
        pid = blocker.info.backend_pid
        await migrator.upgrade()
    assert [peer.pid for peer in blocked[0].blockers] == [pid]
    assert sent == [True, True]
