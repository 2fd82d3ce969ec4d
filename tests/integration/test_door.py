"""The one safe door: one migrator at a time, nothing half-applied, everything on record."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import asyncpg
import psycopg
import pytest

from headway import (
    CancelBlockers,
    DatabaseURL,
    DirtyError,
    Event,
    LockBusyError,
    LockWaiting,
    Migrator,
    State,
    StatementFinished,
    StepFailedError,
    StepRetrying,
    Warned,
)
from headway.lock import lock_key
from headway.project import VersionTable
from headway.results import RunOptions
from servers import AT_WORK_UNTIL_GO, create_role

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())


def versions(url: str) -> list[object]:
    return [row[0] for row in query(url, "SELECT version_num FROM alembic_version ORDER BY 1")]


def ledger(url: str) -> list[tuple[object, ...]]:
    return query(url, "SELECT revision, operation, outcome FROM migration_history ORDER BY id")


def invalid_indexes(url: str) -> list[tuple[object, ...]]:
    return query(url, "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")


def advisory_locks(url: str) -> list[tuple[object, ...]]:
    return query(
        url,
        "SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = database "
        "WHERE locktype = 'advisory' AND datname = current_database()",
    )


def headway(
    project: ProjectFolder, url: str, *arguments: str, program: str = "headway"
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", program, "-c", str(project.ini), *arguments],
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def said(process: subprocess.Popen[str], words: str, seconds: float = 60) -> None:
    """Return when the process has said these words on stderr."""

    def read() -> None:
        assert process.stderr is not None
        assert any(words in line for line in process.stderr), words

    async with asyncio.timeout(seconds):
        await asyncio.to_thread(read)


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # another process or server sends no event for it
            await asyncio.sleep(0.02)


def concurrently(project: ProjectFolder) -> None:
    """r1: a table with rows; r2: an index built concurrently; r3: a column."""
    project.revision(
        "r1",
        upgrade="op.execute('CREATE TABLE t (id int, v text)')\n"
        "op.execute('INSERT INTO t SELECT n, n::text FROM generate_series(1, 2000) AS n')",
        downgrade="op.drop_table('t')",
    )
    stepwise(
        project.revision(
            "r2",
            "r1",
            upgrade="op.execute('CREATE INDEX CONCURRENTLY ix_t ON t (v)')",
            downgrade="op.execute('DROP INDEX CONCURRENTLY ix_t')",
        )
    )
    project.revision(
        "r3",
        "r2",
        upgrade="op.execute('ALTER TABLE t ADD COLUMN w int')",
        downgrade="op.execute('ALTER TABLE t DROP COLUMN w')",
    )


def stepwise(path: Path) -> None:
    """Make a revision one that is not transactional."""
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("down_revision =", "transactional = False\ndown_revision ="), encoding="utf-8"
    )


# -- the lock ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("processes", [2, *(pytest.param(many, marks=pytest.mark.slow) for many in (8, 32))])
async def test_of_many_processes_one_applies_and_all_end_well(
    project: ProjectFolder, database_url: str, processes: int
) -> None:
    concurrently(project)
    running = [headway(project, database_url, "upgrade") for _ in range(processes)]
    ended = await asyncio.gather(*(asyncio.to_thread(process.communicate, None, 600) for process in running))
    assert [process.returncode for process in running] == [0] * processes, ended
    assert ledger(database_url) == [(f"r{n}", "upgrade", "succeeded") for n in (1, 2, 3)]
    assert invalid_indexes(database_url) == []
    assert advisory_locks(database_url) == []


async def test_alembic_waits_for_headway_and_finds_nothing_to_do(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1", upgrade=f"op.execute('CREATE TABLE t()')\nop.execute({AT_WORK_UNTIL_GO!r})")
    execute(database_url, "CREATE TABLE go (at int)")
    first = headway(project, database_url, "upgrade")
    await until(lambda: advisory_locks(database_url) != [])
    second = headway(project, database_url, "upgrade", "head", program="alembic")
    await said(second, "waiting for the migrator lock")
    assert busy(database_url, "transactional")
    execute(database_url, "INSERT INTO go VALUES (1)")
    ended = await asyncio.to_thread(second.communicate, None, 120)
    assert second.returncode == 0, ended
    await asyncio.to_thread(first.communicate, None, 120)
    assert first.returncode == 0
    assert ledger(database_url) == [("r1", "upgrade", "succeeded")]


async def test_a_busy_lock_names_its_holder_and_gives_up_at_the_deadline(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    heard: list[Event] = []
    name = database_url.split("?", maxsplit=1)[0].rpartition("/")[2]
    key = lock_key(name, VersionTable("alembic_version", "public"))
    with psycopg.connect(database_url, application_name="the other one") as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [key])
        holder.commit()
        migrator = Migrator(project.ini, url=database_url, listeners=[heard.append])
        with pytest.raises(LockBusyError) as caught:
            await migrator.upgrade(options=RunOptions(lock_wait_s=0.2))
        assert caught.value.holder is not None
        assert caught.value.holder.application_name == "the other one"
        assert any(isinstance(event, LockWaiting) for event in heard)
        assert query(
            database_url, "SELECT to_regclass('alembic_version'), to_regclass('migration_history')"
        ) == [(None, None)]
    await migrator.upgrade()
    assert versions(database_url) == ["r1"]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("op.execute('SELECT pg_advisory_unlock_all()')", "lock was gone"),
        ("op.execute('COMMIT')", "ended its own transaction"),
        ("op.get_bind().commit()", "ended its own transaction"),
        ("op.get_bind().rollback()", "ended its own transaction"),
        ("op.execute('ROLLBACK')", "ended its own transaction"),
    ],
)
async def test_a_revision_that_ends_lock_or_transaction_is_caught_before_its_version(
    project: ProjectFolder, database_url: str, statement: str, words: str
) -> None:
    project.revision(
        "r1", upgrade=f"op.execute('CREATE TABLE a()')\n{statement}\nop.execute('CREATE TABLE b()')"
    )
    migrator = Migrator(project.ini, url=database_url)
    with pytest.raises(Exception, match=words):
        await migrator.upgrade()
    assert versions(database_url) == []
    assert ledger(database_url)[-1][2] == "failed"
    assert advisory_locks(database_url) == []


# -- retry -------------------------------------------------------------------------------------------


async def test_a_lock_that_others_hold_is_waited_for_in_short_attempts(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    project.revision("r2", "r1", upgrade="op.add_column('a', sa.Column('b', sa.Text))")
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=database_url, listeners=[heard.append])
    await migrator.upgrade("r1")
    with psycopg.connect(database_url, application_name="a report") as reader:
        reader.execute("SELECT * FROM a")
        task = asyncio.create_task(migrator.upgrade())
        await until(lambda: any(isinstance(event, StepRetrying) for event in heard))
        reader.rollback()
        await task
    retried = next(event for event in heard if isinstance(event, StepRetrying))
    assert retried.sqlstate == "55P03"
    assert [peer.application_name for peer in retried.blockers] == ["a report"]
    assert versions(database_url) == ["r2"]
    assert ledger(database_url)[-1] == ("r2", "upgrade", "succeeded")


async def test_live_queries_get_through_beside_a_reader_that_an_upgrade_waits_for(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    project.revision("r2", "r1", upgrade="op.add_column('a', sa.Column('b', sa.Text))")
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=database_url, listeners=[heard.append])
    await migrator.upgrade("r1")
    answered = 0
    live = await asyncpg.connect(**DatabaseURL.parse(database_url).connect_arguments())
    with psycopg.connect(database_url, application_name="a report") as reader:
        reader.execute("SELECT * FROM a")
        task = asyncio.create_task(migrator.upgrade())
        await until(lambda: any(isinstance(event, StepRetrying) for event in heard))
        # Without an end to each attempt, these would queue behind it until the reader is gone.
        async with asyncio.timeout(60):
            while answered < 20 or sum(isinstance(event, StepRetrying) for event in heard) < 3:
                await live.execute("SELECT * FROM a")
                answered += 1
                await asyncio.sleep(0.01)
        assert not task.done()
        reader.rollback()
        await task
    await live.close()
    retries = [event for event in heard if isinstance(event, StepRetrying)]
    assert {event.sqlstate for event in retries} == {"55P03"}
    assert "a report" in {peer.application_name for event in retries for peer in event.blockers}
    assert versions(database_url) == ["r2"]
    assert ledger(database_url) == [("r1", "upgrade", "succeeded"), ("r2", "upgrade", "succeeded")]


# -- not transactional -------------------------------------------------------------------------------


async def test_statements_are_journalled_and_the_run_resumes_where_it_stopped(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    path = project.revision(
        "r2",
        "r1",
        upgrade="op.execute('CREATE TABLE one()')\n"
        "op.execute('CREATE INDEX CONCURRENTLY ix ON a (id)')\n"
        "op.execute('CREATE TABLE three AS SELECT 1/(SELECT count(*) FROM gate) AS x')",
    )
    stepwise(path)
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=database_url, listeners=[heard.append])
    await migrator.upgrade("r1")
    with pytest.raises(StepFailedError, match="gate") as caught:
        await migrator.upgrade()
    assert "goes on at this statement" in str(caught.value.hint)
    status = await migrator.status()
    assert status.state is State.DIRTY
    assert "r2" in str(status.dirty)
    assert (await migrator.pending()).state is State.DIRTY
    with pytest.raises(DirtyError):
        await migrator.downgrade("base")
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE gate AS SELECT 1")
    heard.clear()
    await migrator.upgrade()
    assert [event.number for event in heard if isinstance(event, StatementFinished)] == [3]
    assert versions(database_url) == ["r2"]
    assert (await migrator.status()).state is State.AT_HEAD


async def test_a_stream_that_differs_from_the_journal_is_refused_with_both_shown(
    project: ProjectFolder, database_url: str
) -> None:
    body = "op.execute('CREATE TABLE {}()')\nop.execute('SELECT_NOTHING')"
    stepwise(project.revision("r1", upgrade=body.format("one")))
    migrator = Migrator(project.ini, url=database_url)
    with pytest.raises(StepFailedError):
        await migrator.upgrade()
    stepwise(project.revision("r1", upgrade=body.format("uno")))
    with pytest.raises(DirtyError) as caught:
        await Migrator(project.ini, url=database_url).upgrade()
    assert "CREATE TABLE one()" in caught.value.message
    assert "CREATE TABLE uno()" in caught.value.message


async def test_an_invalid_index_of_an_interrupted_attempt_is_replaced_and_a_strangers_is_not(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1", upgrade="op.execute('CREATE TABLE t AS SELECT 1 AS v FROM generate_series(1, 2)')")
    stepwise(
        project.revision(
            "r2", "r1", upgrade="op.execute('CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS ix ON t (v)')"
        )
    )
    migrator = Migrator(project.ini, url=database_url)
    with pytest.raises(StepFailedError):
        await migrator.upgrade()
    assert invalid_indexes(database_url) == [("ix",)]
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t)")
    await migrator.upgrade()
    assert invalid_indexes(database_url) == []
    assert versions(database_url) == ["r2"]

    stepwise(
        project.revision(
            "r3", "r2", upgrade="op.execute('CREATE INDEX CONCURRENTLY IF NOT EXISTS iy ON t (v)')"
        )
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO t SELECT 9")
        connection.execute("CREATE INDEX iy ON t (v)")
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'iy'::regclass")
    with pytest.raises(StepFailedError, match="INVALID"):
        await Migrator(project.ini, url=database_url).upgrade()
    assert invalid_indexes(database_url) == [("iy",)]


@pytest.mark.parametrize(
    "moment", ["waiting", "transactional", "concurrently", "reindexing", "before the version"]
)
@pytest.mark.sampled(3)
async def test_after_kill_9_the_next_run_converges_and_the_one_after_does_nothing(
    project: ProjectFolder, database_url: str, moment: str
) -> None:
    prepare(project, moment)
    with psycopg.connect(database_url) as other:
        migrator = Migrator(project.ini, url=database_url)
        if moment in {"concurrently", "reindexing"}:
            await migrator.upgrade("r1")
            other.execute("INSERT INTO t VALUES (0)")  # CREATE INDEX CONCURRENTLY waits for this transaction
        if moment == "waiting":
            name = database_url.split("?", maxsplit=1)[0].rpartition("/")[2]
            other.execute(
                "SELECT pg_advisory_lock(%s)", [lock_key(name, VersionTable("alembic_version", "public"))]
            )
            other.commit()
        victim = headway(project, database_url, "upgrade")
        await reached(victim, database_url, moment)
        os.kill(victim.pid, signal.SIGKILL)
        victim.communicate()
        await until(lambda: not busy(database_url, moment))  # else what it waits for would let it finish
        other.rollback()
    if moment == "transactional":
        concurrently(project)
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE hurry ()")
    await migrator.upgrade()
    assert versions(database_url) == ["r3"]
    assert invalid_indexes(database_url) == []
    assert [row for row in ledger(database_url) if row[2] == "succeeded"] == [
        (f"r{n}", "upgrade", "succeeded") for n in (1, 2, 3)
    ]
    before = ledger(database_url)
    assert (await migrator.upgrade()).steps == ()
    assert ledger(database_url) == before
    assert advisory_locks(database_url) == []


def prepare(project: ProjectFolder, moment: str) -> None:
    """Three revisions of which one stays at the given moment long enough to be killed there."""
    concurrently(project)
    if moment == "transactional":
        project.revision(
            "r1", upgrade="op.execute('CREATE TABLE t (id int, v text)')\nop.execute('SELECT pg_sleep(600)')"
        )
    if moment == "reindexing":
        project.revision(
            "r1",
            upgrade="op.execute('CREATE TABLE t (id int, v text)')\nop.execute('CREATE INDEX ix_t ON t (v)')",
        )
        reindex = project.revision("r2", "r1", upgrade="op.execute('REINDEX INDEX CONCURRENTLY ix_t')")
        stepwise(reindex)
    if moment == "before the version":
        stepwise(lingering(project))


def lingering(project: ProjectFolder) -> Path:
    """r2 again; when its statements are done it sleeps, unless there is a table `hurry`."""
    return project.revision(
        "r2",
        "r1",
        upgrade="op.execute('CREATE INDEX CONCURRENTLY ix_t ON t (v)')\n"
        "if op.get_bind().execute(sa.text(\"SELECT to_regclass('hurry') IS NULL\")).scalar():\n"
        "    op.get_bind().execute(sa.text('SELECT pg_sleep(600)'))",
    )


async def reached(victim: subprocess.Popen[str], url: str, moment: str) -> None:
    if moment == "waiting":
        await said(victim, "waiting for the migrator lock")
    else:
        await until(lambda: busy(url, moment))


def busy(url: str, moment: str) -> bool:
    sought = {
        "waiting": "%",  # it does nothing, and asks now and then
        "transactional": "%pg_sleep%",
        "before the version": "%pg_sleep%",
        "concurrently": "CREATE INDEX CONCURRENTLY%",
        "reindexing": "REINDEX%",
    }[moment]
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'headway' AND pid <> pg_backend_pid() "
            "AND datname = current_database() AND query LIKE %s",
            [sought],
        ).fetchone()
    return found is not None


# -- autocommit_block --------------------------------------------------------------------------------


async def test_an_autocommit_block_is_warned_of_and_a_failure_after_it_leaves_the_state_dirty(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    project.revision(
        "r2",
        "r1",
        upgrade="op.execute('CREATE TABLE before_it()')\n"
        "with op.get_context().autocommit_block():\n"
        "    op.execute('CREATE INDEX CONCURRENTLY IF NOT EXISTS ix ON a (id)')\n"
        "op.execute('SELECT 1/0')",
    )
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=database_url, listeners=[heard.append])
    with pytest.raises(StepFailedError) as caught:
        await migrator.upgrade()
    assert "still there" in str(caught.value.hint)
    assert any(isinstance(event, Warned) and "autocommit_block" in event.message for event in heard)
    assert (await migrator.status()).state is State.DIRTY
    assert versions(database_url) == ["r1"]
    with psycopg.connect(database_url) as connection:
        connection.execute("DROP TABLE before_it")  # its first part would not be refused a second time
    with pytest.raises(DirtyError, match="autocommit_block") as refused:
        await migrator.upgrade()
    assert "headway stamp" in str(refused.value.hint)
    assert str(refused.value.hint) in str((await migrator.status()).dirty)
    assert not (await migrator.doctor()).migratable
    project.revision("r2", "r1", upgrade="op.execute('CREATE TABLE before_it()')")
    await migrator.stamp("r1")
    assert [step.revision for step in (await migrator.upgrade()).steps] == ["r2"]


@pytest.mark.parametrize("own", ["", "transactional = False"])
async def test_a_revision_whose_first_statement_is_refused_in_an_autocommit_block_begins_anew(
    project: ProjectFolder, database_url: str, own: str
) -> None:
    project.tables("a")
    block = "with op.get_context().autocommit_block():\n    op.execute('{}')"
    project.revision("r2", "r1", upgrade=block.format("CREATE UNIQUE INDEX CONCURRENTLY ix ON a (id)"))
    migrator = Migrator(project.ini, url=database_url)
    await migrator.upgrade("r1")
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE a DROP CONSTRAINT a_pkey; INSERT INTO a VALUES (1), (1)")
    with pytest.raises(StepFailedError) as caught:
        await migrator.upgrade()
    assert "drop the INVALID index" in str(caught.value.hint)
    status = await migrator.status()
    assert status.state is State.DIRTY
    assert "begins it anew" in str(status.dirty)
    with psycopg.connect(database_url) as connection:
        connection.execute("DROP INDEX ix; TRUNCATE a")
    path = project.revision("r2", "r1", upgrade=block.format("CREATE UNIQUE INDEX CONCURRENTLY ix ON a (id)"))
    path.write_text(path.read_text().replace("def upgrade", f"{own}\n\ndef upgrade"), encoding="utf-8")
    assert [step.revision for step in (await migrator.upgrade()).steps] == ["r2"]
    assert (await migrator.status()).state is State.AT_HEAD


async def test_a_revision_that_went_on_after_a_refusal_in_an_autocommit_block_does_not_begin_anew(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    block = "with op.get_context().autocommit_block():\n    op.execute('{}')"
    first = block.format("CREATE INDEX CONCURRENTLY ix ON a (missing)").replace("\n", "\n    ")
    project.revision(
        "r2",
        "r1",
        upgrade=f"try:\n    {first}\nexcept sa.exc.DBAPIError: pass\n"
        f"{block.format('CREATE TABLE once ()')}\nop.execute('SELECT 1/0')",
    )
    migrator = Migrator(project.ini, url=database_url)
    with pytest.raises(StepFailedError):
        await migrator.upgrade()
    with pytest.raises(DirtyError, match="autocommit_block"):
        await migrator.upgrade()


async def test_what_follows_an_autocommit_block_is_not_tried_again(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    project.revision(
        "r2",
        "r1",
        upgrade="with op.get_context().autocommit_block():\n    op.execute('CREATE TABLE once ()')\n"
        "op.add_column('a', sa.Column('b', sa.Text))",
    )
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=database_url, listeners=[heard.append])
    await migrator.upgrade("r1")
    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT * FROM a")
        with pytest.raises(StepFailedError) as caught:
            await migrator.upgrade()
    assert caught.value.sqlstate == "55P03"  # which is waited for elsewhere
    assert not any(isinstance(event, StepRetrying) for event in heard)
    assert (await migrator.status()).state is State.DIRTY


# -- what else revisions do --------------------------------------------------------------------------


async def test_an_async_upgrade_function_is_refused(project: ProjectFolder, database_url: str) -> None:
    path = project.revision("r1")
    path.write_text(path.read_text().replace("def upgrade", "async def upgrade"), encoding="utf-8")
    with pytest.raises(StepFailedError, match="async def"):
        await Migrator(project.ini, url=database_url).upgrade()
    assert versions(database_url) == []


@pytest.mark.parametrize("where", ["function", "file"])
async def test_a_revision_that_calls_sys_exit_fails_as_a_step(
    project: ProjectFolder, database_url: str, where: str
) -> None:
    path = project.revision("r1", upgrade="import sys\nsys.exit(0)")
    if where == "file":
        path.write_text(path.read_text() + "\nraise SystemExit(0)\n", encoding="utf-8")
    with pytest.raises(StepFailedError, match=r"sys\.exit"):
        await Migrator(project.ini, url=database_url).upgrade()


async def test_a_database_that_plain_alembic_migrated_is_adopted_without_ceremony(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a", "b")
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE a (id int)")
        connection.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES ('r1')")
    migrator = Migrator(project.ini, url=database_url)
    assert not (await migrator.status()).ledger
    await migrator.upgrade()
    assert ledger(database_url) == [("r1", "baseline", "succeeded"), ("r2", "upgrade", "succeeded")]
    report = await migrator.status()
    assert [item.applied_at is None for item in report.revisions] == [True, False]


async def test_stamps_are_on_record(project: ProjectFolder, database_url: str) -> None:
    project.tables("a", "b")
    migrator = Migrator(project.ini, url=database_url)
    await migrator.stamp("r2")
    await migrator.stamp("r1")
    assert ledger(database_url) == [
        ("r1", "stamp", "succeeded"),
        ("r2", "stamp", "succeeded"),
        ("r2", "stamp", "succeeded"),
    ]
    assert query(database_url, "SELECT version FROM schema_migrations") == [("r1",)]


async def test_a_cancelled_run_is_on_record_as_interrupted_and_lets_go_of_the_lock(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1", upgrade="op.execute('CREATE TABLE a()')\nop.execute('SELECT pg_sleep(600)')")
    task = asyncio.create_task(Migrator(project.ini, url=database_url).upgrade())
    await until(lambda: busy(database_url, "transactional"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: advisory_locks(database_url) == [])
    assert ledger(database_url) == [("r1", "upgrade", "interrupted")]
    assert versions(database_url) == []


@pytest.mark.parametrize(("kinds", "cancelled"), [(CancelBlockers.NONE, False), (CancelBlockers.ALL, True)])
async def test_blockers_are_cancelled_only_where_the_run_asks_for_it(
    project: ProjectFolder, database_url: str, kinds: CancelBlockers, *, cancelled: bool
) -> None:
    project.tables("a")
    project.revision("r2", "r1", upgrade="op.add_column('a', sa.Column('b', sa.Text))")
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=database_url, listeners=[heard.append])
    await migrator.upgrade("r1")
    arguments = DatabaseURL.parse(database_url).connect_arguments()
    report = await asyncpg.connect(**arguments)
    reading = asyncio.create_task(report.execute("SELECT pg_sleep(600) FROM (SELECT count(*) FROM a) AS t"))
    await until(lambda: query(database_url, "SELECT 1 FROM pg_locks WHERE relation = 'a'::regclass") != [])
    options = RunOptions(lock_timeout_ms=1000, cancel_blockers=kinds)
    upgrading = asyncio.create_task(migrator.upgrade(options=options))
    if not cancelled:
        await until(lambda: any(isinstance(event, StepRetrying) for event in heard))
        assert not reading.done()
        query(database_url, f"SELECT pg_cancel_backend({report.get_server_pid()})")
    with pytest.raises(asyncpg.QueryCanceledError):
        await reading
    await upgrading
    await report.close()
    assert versions(database_url) == ["r2"]


async def test_the_ledger_goes_where_env_py_says_and_autogenerate_does_not_see_it(
    project: ProjectFolder, database_url: str
) -> None:
    models = (
        "import sqlalchemy as sa\nm = sa.MetaData()\n"
        "sa.Table('a', m, sa.Column('id', sa.Integer, primary_key=True))"
    )
    project.tables("a")
    project.env("m, history_schema='ops', history_table='Log', include_schemas=True", models)
    migrator = Migrator(project.ini, url=database_url)
    await migrator.upgrade()
    assert query(database_url, 'SELECT revision FROM ops."Log"') == [("r1",)]
    assert (await migrator.check()).clean
    assert (await migrator.pending()).at_head


async def test_a_role_that_may_only_read_the_version_table_can_look(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    await Migrator(project.ini, url=database_url).upgrade()
    role = DatabaseURL.parse(database_url).name
    with psycopg.connect(database_url) as connection:
        create_role(connection, DatabaseURL.parse(database_url))
        connection.execute(f'GRANT SELECT ON alembic_version TO "{role}"'.encode())
    try:
        url = dataclasses.replace(DatabaseURL.parse(database_url), user=role).render()
        migrator = Migrator(project.ini, url=url)
        assert (await migrator.pending()).at_head
        assert (await migrator.status()).state is State.AT_HEAD
        assert (await migrator.upgrade()).steps == ()
    finally:
        with psycopg.connect(database_url) as connection:
            connection.execute(f'DROP OWNED BY "{role}"'.encode())
            connection.execute(f'DROP ROLE "{role}"'.encode())
