"""Steps that follow each other in one message each: what ends one does not touch the one before it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from headway import DatabaseURL, LockLostError, Migrator, State, StepFailedError
from headway.batch import Batch
from headway.events import StepFinished
from headway.server_run import ServerRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio

OURS = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'headway%'"
OPEN = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state LIKE 'idle in transaction%'
"""


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def on_record(url: str) -> list[tuple[Any, ...]]:
    return rows(url, "SELECT revision, outcome FROM migration_history ORDER BY id")


async def test_what_fails_behind_a_steps_commit_is_no_failure_of_that_step(
    project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.tables("a", "b", "c")
    beginning, begun = Batch.beginning, []

    def broken(self: Batch, name: str) -> list[str]:
        begun.append(name)
        return [*beginning(self, name), *["SELECT 1 / 0"] * (len(begun) == 2)]

    monkeypatch.setattr(Batch, "beginning", broken)
    seen: list[object] = []
    report = await Migrator(project.ini, url=database_url, listeners=[seen.append]).upgrade()
    assert [step.revision for step in report.steps] == ["r1", "r2", "r3"]
    assert [event.revision for event in seen if isinstance(event, StepFinished)] == ["r1", "r2", "r3"]
    assert on_record(database_url) == [("r1", "succeeded"), ("r2", "succeeded"), ("r3", "succeeded")]


async def test_a_step_whose_turn_does_not_come_is_let_go_of(
    project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.tables("a", "b", "c")
    turns = []

    async def require_lock(self: ServerRun) -> None:
        turns.append(self)
        if len(turns) == 2:
            assert rows(database_url, OPEN) == [(1,)]
            raise LockLostError("r1", "somebody else has come in")

    monkeypatch.setattr(ServerRun, "_require_lock", require_lock)
    with pytest.raises(LockLostError):
        await Migrator(project.ini, url=database_url).upgrade()
    monkeypatch.undo()
    assert on_record(database_url) == [("r1", "succeeded"), ("r2", "interrupted")]
    assert rows(database_url, "SELECT error FROM migration_history WHERE revision = 'r2'") == [
        ("the run ended before this step began",)
    ]
    async with Migrator(project.ini, url=database_url) as further:
        assert (await further.status()).state is State.BEHIND
        await further.upgrade()
    assert on_record(database_url)[2:] == [("r2", "succeeded"), ("r3", "succeeded")]


async def test_whoever_cancels_between_two_steps_leaves_nothing_open(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a", "b", "c", "d")
    at_work: list[asyncio.Task[Any]] = []

    def end(event: object) -> None:
        if isinstance(event, StepFinished):
            at_work[0].cancel()

    at_work.append(asyncio.create_task(Migrator(project.ini, url=database_url, listeners=[end]).upgrade()))
    with pytest.raises(asyncio.CancelledError):
        await at_work[0]
    await Migrator(project.ini, url=database_url).upgrade()
    assert rows(database_url, OPEN) == [(0,)]
    # The second may have been on its way, and come through.
    finished = [revision for revision, outcome in on_record(database_url) if outcome == "succeeded"]
    assert finished == ["r1", "r2", "r3", "r4"]
    assert {outcome for _, outcome in on_record(database_url)} == {"succeeded", "interrupted"}


async def test_a_revision_may_take_our_prepared_statements_away(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a", "b", "c", "d")
    project.revision("r2", "r1", upgrade="op.execute(\"DO $$BEGIN EXECUTE 'DEALLOCATE ALL'; END$$\")")
    await Migrator(project.ini, url=database_url).upgrade()
    assert on_record(database_url) == [(f"r{number}", "succeeded") for number in range(1, 5)]


async def test_a_callers_connection_is_given_back_without_prepared_statements_and_may_be_used_again(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a", "b", "c")
    url = DatabaseURL.parse(database_url).render().replace("postgresql:", "postgresql+asyncpg:", 1)
    engine = create_async_engine(url)
    async with engine.connect() as connection:

        async def count() -> Any:
            value = (await connection.exec_driver_sql(OURS)).scalar()
            await connection.rollback()
            return value

        async with Migrator(project.ini, connection=connection) as migrator:
            await migrator.upgrade()
        assert await count() == 0
        project.revision("r4", "r3", upgrade='op.execute("CREATE TABLE d ()")')
        project.revision("r5", "r4", upgrade='op.execute("CREATE TABLE d ()")')
        async with Migrator(project.ini, connection=connection) as migrator:
            with pytest.raises(StepFailedError, match="r5"):
                await migrator.upgrade()
        project.revision("r5", "r4", upgrade='op.execute("CREATE TABLE e ()")')
        project.revision("r6", "r5", upgrade='op.execute("CREATE TABLE f ()")')
        async with Migrator(project.ini, connection=connection) as migrator:
            await migrator.upgrade()
        assert await count() == 0
        assert rows(database_url, OPEN) == [(0,)]
    await engine.dispose()
    assert [revision for revision, outcome in on_record(database_url) if outcome == "succeeded"] == [
        f"r{number}" for number in range(1, 7)
    ]


def scans_of_the_ledger(url: str) -> int:
    """How often all of it was read; counted once the sessions of a run are gone."""
    others = """
        SELECT 1 FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    """
    scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'migration_history'"
    with psycopg.connect(url, autocommit=True) as connection:
        deadline = time.monotonic() + 60
        while connection.execute(others).fetchone():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return int(connection.execute(scans).fetchall()[0][0])


async def test_no_step_reads_all_of_the_ledger(project: ProjectFolder, database_urls: Sequence[str]) -> None:
    project.tables(*(f"t{number}" for number in range(1, 14)))
    counted = []
    for url, target in zip(database_urls[:2], ("r3", "r13"), strict=True):
        async with Migrator(project.ini, url=url) as migrator:
            await migrator.upgrade(target)
        counted.append(await asyncio.to_thread(scans_of_the_ledger, url))
    assert counted[0] == counted[1]
