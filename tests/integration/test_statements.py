"""Revisions that are not transactional: what each statement does, is committed with, and is refused for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from headway import (
    DatabaseURL,
    LockLostError,
    Migrator,
    RefusedError,
    State,
    StatementFinished,
    StepFailedError,
    StepRetrying,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

    from conftest import ProjectFolder
    from headway import Event

pytestmark = pytest.mark.asyncio

TABLE = """
op.execute('CREATE TABLE t (id int PRIMARY KEY, v int)')
op.execute('INSERT INTO t SELECT n, n FROM generate_series(1, 20) AS n')
op.execute('CREATE FUNCTION negate() RETURNS bigint LANGUAGE sql AS '
           '$$ WITH done AS (UPDATE t SET v = -v RETURNING 1) SELECT count(*) FROM done $$')
"""


def stepwise(path: Path, also: str = "") -> Path:
    """Make a revision one that is not transactional."""
    source = path.read_text(encoding="utf-8")
    wishes = f"transactional = False\n{also}\ndown_revision ="
    path.write_text(source.replace("down_revision =", wishes), encoding="utf-8")
    return path


def sql(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run statements, each committed by itself; what the last one answers."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements[:-1]:
            connection.execute(statement.encode())
        cursor = connection.execute(statements[-1].encode())
        return cursor.fetchall() if cursor.description else []


def journal(url: str) -> list[str]:
    """What the newest entry says was done."""
    rows = sql(
        url,
        "SELECT line ->> 'statement' FROM migration_history, jsonb_array_elements(journal) AS line "
        "WHERE id = (SELECT max(id) FROM migration_history) AND line ->> 'finished_at' IS NOT NULL",
    )
    return [str(row[0]) for row in rows]


def versions(url: str) -> list[object]:
    return [row[0] for row in sql(url, "SELECT version_num FROM alembic_version ORDER BY 1")]


def engine_of(url: str, **more: object) -> AsyncEngine:
    arguments = DatabaseURL.parse(url).connect_arguments()
    return create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(**arguments), **more
    )


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # another session of the server sends no event for it
            await asyncio.sleep(0.02)


def waits(url: str, beginning: str, longer_than: str) -> bool:
    """Whether a statement has been at work for so long, and waits for a lock."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s "
            "AND datname = current_database() AND now() - query_start > %s::interval",
            [f"{beginning}%", longer_than],
        ).fetchone()
    return found is not None


# -- what reads and what writes ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT negate()",
        "VALUES (negate())",
        "WITH x AS (UPDATE t SET v = -v RETURNING 1) SELECT count(*) FROM x",
        "EXPLAIN ANALYZE UPDATE t SET v = -v",
        "CREATE TABLE other AS SELECT negate()",
    ],
)
@pytest.mark.parametrize("follows", ["CREATE TABLE z ()", "CREATE INDEX CONCURRENTLY ix ON t (v)", None])
@pytest.mark.sampled(2)
async def test_what_looks_like_a_read_and_writes_is_committed_and_journalled(
    project: ProjectFolder, database_url: str, statement: str, follows: str | None
) -> None:
    project.revision("r1", upgrade=TABLE)
    body = [f"op.execute({words!r})" for words in (statement, follows) if words]
    stepwise(project.revision("r2", "r1", upgrade="\n".join(body)))
    await Migrator(project.ini, url=database_url).upgrade()
    assert sql(database_url, "SELECT count(*) FROM t WHERE v < 0") == [(20,)]
    assert journal(database_url) == [words for words in (statement, follows) if words]
    assert versions(database_url) == ["r2"]


async def test_what_only_reads_is_not_journalled_and_leaves_no_transaction_open(
    project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELSEWHERE", database_url)
    project.revision("r1", upgrade=TABLE)
    stepwise(
        project.revision(
            "r2",
            "r1",
            upgrade="""
import os, psycopg
assert op.get_bind().execute(sa.text('SELECT count(*) FROM t')).scalar() == 20
with psycopg.connect(os.environ['ELSEWHERE']) as other:
    other.execute("SET lock_timeout = '10s'")
    other.execute('DROP TABLE t')  # which a read that was not ended would be in the way of
""",
        )
    )
    await Migrator(project.ini, url=database_url).upgrade()
    assert journal(database_url) == []
    assert versions(database_url) == ["r2"]


# -- the session's settings --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    ["SET search_path TO tenant, public", "SELECT set_config('search_path', 'tenant, public', false)"],
)
async def test_a_setting_holds_until_the_end_of_its_revision_and_no_longer(
    project: ProjectFolder, database_url: str, statement: str
) -> None:
    sql(database_url, "CREATE SCHEMA tenant", "CREATE TABLE tenant.t (id int)", "CREATE TABLE t (id int)")
    stepwise(
        project.revision(
            "r1",
            upgrade=f"op.execute({statement!r})\nop.execute('CREATE INDEX CONCURRENTLY ix ON t (id)')\n"
            "op.execute('CREATE TABLE inside ()')",
        )
    )
    stepwise(project.revision("r2", "r1", upgrade="op.execute('CREATE TABLE outside ()')"))
    engine = engine_of(database_url)
    async with engine.connect() as connection:
        await connection.execute(text("SET lock_timeout = '17s'"))
        await connection.commit()
        await Migrator(project.ini, connection=connection).upgrade()
        kept = [
            await connection.scalar(text(f"SHOW {name}"))
            for name in (
                "lock_timeout",
                "statement_timeout",
                "idle_in_transaction_session_timeout",
                "search_path",
            )
        ]
    await engine.dispose()
    assert kept == ["17s", "0", "0", '"$user", public']
    where = (
        "SELECT relname, relnamespace::regnamespace::text FROM pg_class "
        "WHERE relname IN ('ix', 'inside', 'outside', 'alembic_version') ORDER BY 1"
    )
    assert sql(database_url, where) == [
        ("alembic_version", "public"),
        ("inside", "tenant"),
        ("ix", "tenant"),
        ("outside", "public"),
    ]


async def test_timeouts_of_the_revisions_own_hold_and_reset_goes_back_to_those_of_the_run(
    project: ProjectFolder, database_url: str
) -> None:
    body = """
def shown():
    return op.get_bind().execute(sa.text("SELECT current_setting('lock_timeout')")).scalar()
assert shown() == '200ms'
op.execute("SET lock_timeout = '7s'")
op.execute('CREATE TABLE a ()')
assert shown() == '7s'
op.execute('RESET ALL')
assert shown() == '200ms'
"""
    stepwise(project.revision("r1", upgrade=body))
    await Migrator(project.ini, url=database_url).upgrade()


async def test_a_role_holds_until_the_end_of_its_revision(project: ProjectFolder, database_url: str) -> None:
    role = f"{DatabaseURL.parse(database_url).name}_r"
    sql(database_url, f'CREATE ROLE "{role}"', f'GRANT ALL ON SCHEMA public TO "{role}"')
    try:
        project.revision("r1", upgrade="pass")
        await Migrator(project.ini, url=database_url).upgrade()
        body = f"op.execute('SET ROLE \"{role}\"')\nop.execute('CREATE TABLE theirs ()')"
        stepwise(project.revision("r2", "r1", upgrade=body))
        await Migrator(project.ini, url=database_url).upgrade()
        owner = "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'theirs'"
        assert sql(database_url, owner) == [(role,)]
        # Neither ledger nor version table may be written by the role.
        assert versions(database_url) == ["r2"]
    finally:
        sql(database_url, f'DROP OWNED BY "{role}"', f'DROP ROLE "{role}"')


# -- lock timeouts and retry -------------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["VACUUM FULL t", "REINDEX TABLE t", "ALTER TABLE t ADD w int"])
async def test_what_takes_a_strong_lock_waits_in_short_attempts(
    project: ProjectFolder, database_url: str, statement: str
) -> None:
    project.revision("r1", upgrade=TABLE)
    body = f"op.execute('CREATE TABLE first ()')\nop.execute({statement!r})"
    stepwise(project.revision("r2", "r1", upgrade=body))
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=database_url, listeners=[heard.append])
    await migrator.upgrade("r1")
    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT * FROM t")
        task = asyncio.create_task(migrator.upgrade())
        await until(lambda: any(isinstance(event, StepRetrying) for event in heard))
        reader.rollback()
        await task
    assert {event.sqlstate for event in heard if isinstance(event, StepRetrying)} == {"55P03"}
    done = [event.statement for event in heard if isinstance(event, StatementFinished)]
    assert done == ["CREATE TABLE first ()", statement]  # the first one once
    assert versions(database_url) == ["r2"]


async def test_what_says_concurrently_waits_without_a_lock_timeout_and_the_next_statement_with_it(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1", upgrade=TABLE)
    shown = "assert op.get_bind().execute(sa.text('SHOW lock_timeout')).scalar() == '200ms'\n"
    body = f"{shown}op.execute('CREATE INDEX CONCURRENTLY ix ON t (v)')\n{shown}"
    stepwise(project.revision("r2", "r1", upgrade=body))
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=database_url, listeners=[heard.append])
    await migrator.upgrade("r1")
    with psycopg.connect(database_url) as writer:
        writer.execute("INSERT INTO t VALUES (99, 99)")
        task = asyncio.create_task(migrator.upgrade())
        await until(lambda: waits(database_url, "CREATE INDEX CONCURRENTLY", "600ms"))
        assert not task.done()
        writer.commit()
        await task
    assert not any(isinstance(event, StepRetrying) for event in heard)
    assert versions(database_url) == ["r2"]


async def test_a_lock_timeout_of_the_revisions_own_holds_for_what_says_concurrently_too(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1", upgrade=TABLE)
    body = "op.execute('CREATE INDEX CONCURRENTLY ix ON t (v)')"
    stepwise(project.revision("r2", "r1", upgrade=body), "lock_timeout = '100ms'")
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=database_url, listeners=[heard.append])
    await migrator.upgrade("r1")
    with psycopg.connect(database_url) as writer:
        writer.execute("INSERT INTO t VALUES (99, 99)")
        task = asyncio.create_task(migrator.upgrade())
        await until(lambda: any(isinstance(event, StepRetrying) for event in heard))
        writer.commit()
        await task
    assert sql(database_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix'::regclass") == [(True,)]


async def test_the_version_is_waited_for_in_short_attempts_too(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1", upgrade=TABLE)
    stepwise(project.revision("r2", "r1", upgrade="op.execute('INSERT INTO t VALUES (99, 99)')"))
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=database_url, listeners=[heard.append])
    await migrator.upgrade("r1")
    with psycopg.connect(database_url) as other:
        other.execute("SELECT * FROM alembic_version FOR UPDATE")
        task = asyncio.create_task(migrator.upgrade())
        await until(lambda: any(isinstance(event, StepRetrying) for event in heard))
        other.rollback()
        await task
    assert len([event for event in heard if isinstance(event, StatementFinished)]) == 1
    assert versions(database_url) == ["r2"]


async def test_a_statement_whose_commit_is_refused_is_run_again(
    project: ProjectFolder, database_url: str
) -> None:
    """A deferred trigger that fails with 40001 the first time; a sequence remembers, rolled back or not."""
    project.revision("r1", upgrade=TABLE)
    stepwise(project.revision("r2", "r1", upgrade="op.execute('INSERT INTO t VALUES (99, 99)')"))
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=database_url, listeners=[heard.append])
    await migrator.upgrade("r1")
    sql(
        database_url,
        "CREATE SEQUENCE tries",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF nextval('tries') = 1 THEN RAISE 'not yet' USING ERRCODE = '40001'; END IF; RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    await migrator.upgrade()
    assert [event.sqlstate for event in heard if isinstance(event, StepRetrying)] == ["40001"]
    assert sql(database_url, "SELECT count(*) FROM t WHERE id = 99") == [(1,)]
    assert journal(database_url) == ["INSERT INTO t VALUES (99, 99)"]


# -- errors ------------------------------------------------------------------------------------------


async def test_what_fails_outside_a_transaction_is_told_as_all_other_failures_are(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1", upgrade=TABLE)
    sql(database_url, "CREATE TABLE u AS SELECT 4711 AS v FROM generate_series(1, 2)")
    stepwise(
        project.revision("r2", "r1", upgrade="op.execute('CREATE UNIQUE INDEX CONCURRENTLY ix ON u (v)')")
    )
    with pytest.raises(StepFailedError) as caught:
        await Migrator(project.ini, url=database_url).upgrade()
    assert caught.value.sqlstate == "23505"
    assert caught.value.statement == "CREATE UNIQUE INDEX CONCURRENTLY ix ON u (v)"
    assert caught.value.line is not None
    told = "SELECT error, sqlstate FROM migration_history ORDER BY id DESC LIMIT 1"
    ((error, sqlstate),) = sql(database_url, told)
    assert sqlstate == "23505"
    assert "4711" not in str(error)


@pytest.mark.parametrize(
    ("body", "words", "hint"),
    [
        ("op.execute('DISCARD ALL')", "migrator lock", "RESET ALL"),
        (
            "op.execute('INSERT INTO t VALUES (99, 1) RETURNING id')",
            "could not be given back",
            "ask by a SELECT",
        ),
        (
            "t = sa.table('t', sa.column('id'))\nop.execute(sa.insert(t).values(id=99).returning(t.c.id))",
            "could not be given back",
            "ask by a SELECT",
        ),
        ("op.execute('COMMIT')", "transaction of its own", "Take it out"),
        ("op.get_bind().begin_nested()", "transaction of its own", "Take it out"),
        (
            "op.get_bind().execution_options(isolation_level='AUTOCOMMIT').execute(sa.text('DELETE FROM t'))",
            "AUTOCOMMIT",
            "committed by itself",
        ),
        (
            "op.get_bind().execution_options(yield_per=5).execute(sa.text('SELECT * FROM t'))",
            "cannot be streamed",
            "in batches",
        ),
        (
            "try:\n    op.execute('SELECT 1/0')\nexcept sa.exc.DBAPIError: pass",
            "SELECT 1/0",
            "Let the error out",
        ),
        (
            "try:\n    op.execute('SELECT 1/0')\nexcept sa.exc.DBAPIError: op.execute('DELETE FROM t')",
            "SELECT 1/0",
            "Let the error out",
        ),
    ],
)
async def test_what_cannot_be_resumed_is_refused_before_it_does_anything(
    project: ProjectFolder, database_url: str, body: str, words: str, hint: str
) -> None:
    project.revision("r1", upgrade=TABLE)
    stepwise(project.revision("r2", "r1", upgrade=body))
    migrator = Migrator(project.ini, url=database_url)
    with pytest.raises(StepFailedError, match=words) as caught:
        await migrator.upgrade()
    assert hint in str(caught.value.hint)
    assert sql(database_url, "SELECT count(*) FROM t") == [(20,)]
    assert (await migrator.status()).state is State.BEHIND


@pytest.mark.parametrize("transactional", [True, False])
async def test_a_procedure_that_commits_is_rolled_back_whole_and_told_what_to_do(
    project: ProjectFolder, database_url: str, *, transactional: bool
) -> None:
    project.revision("r1", upgrade=TABLE)
    body = "op.execute('DO $$ BEGIN DELETE FROM t; COMMIT; END $$')"
    path = project.revision("r2", "r1", upgrade=body)
    if not transactional:
        stepwise(path)
    with pytest.raises(StepFailedError) as caught:
        await Migrator(project.ini, url=database_url).upgrade()
    assert caught.value.sqlstate == "2D000"
    assert "take the COMMIT or ROLLBACK out" in str(caught.value.hint)
    assert sql(database_url, "SELECT count(*) FROM t") == [(20,)]


async def test_a_revision_that_lets_go_of_the_lock_is_stopped_at_once(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1", upgrade=TABLE)
    body = "op.execute('SELECT pg_advisory_unlock_all()')\nop.execute('DELETE FROM t')"
    stepwise(project.revision("r2", "r1", upgrade=body))
    with pytest.raises(LockLostError, match="pg_advisory_unlock_all") as caught:
        await Migrator(project.ini, url=database_url).upgrade()
    assert "Take pg_advisory_unlock_all()" in str(caught.value.hint)
    assert sql(database_url, "SELECT count(*) FROM t") == [(20,)]
    assert versions(database_url) == ["r1"]


async def test_an_engine_that_commits_by_itself_is_refused(project: ProjectFolder, database_url: str) -> None:
    project.tables("a")
    engine = engine_of(database_url, isolation_level="AUTOCOMMIT")
    with pytest.raises(RefusedError, match="AUTOCOMMIT"):
        await Migrator(project.ini, connection=engine).upgrade()
    await engine.dispose()
    assert sql(database_url, "SELECT to_regclass('a'), to_regclass('migration_history')") == [(None, None)]


async def test_a_statement_runs_outside_a_transaction_whatever_comments_it_begins_with(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1", upgrade=TABLE)
    body = "op.execute('-- why\\n/* a /* nested */ one */ CREATE /* x */ INDEX CONCURRENTLY ix ON t (v)')"
    stepwise(project.revision("r2", "r1", upgrade=body))
    await Migrator(project.ini, url=database_url).upgrade()
    assert sql(database_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix'::regclass") == [(True,)]


@pytest.mark.parametrize("isolation_level", [None, "SERIALIZABLE"])
async def test_a_connection_keeps_its_isolation_level_after_a_statement_outside_a_transaction(
    project: ProjectFolder, database_url: str, isolation_level: str | None
) -> None:
    project.revision("r1", upgrade=TABLE)
    stepwise(project.revision("r2", "r1", upgrade="op.execute('VACUUM t')\nop.execute('DELETE FROM t')"))
    engine = engine_of(database_url)
    async with engine.connect() as connection:
        if isolation_level:
            await connection.execution_options(isolation_level=isolation_level)
        await Migrator(project.ini, connection=connection).upgrade()
        level = await connection.scalar(text("SHOW transaction_isolation"))
        await connection.execute(text("INSERT INTO t VALUES (1, 1)"))
        await connection.rollback()
    await engine.dispose()
    assert level == (isolation_level or "read committed").lower()
    assert sql(database_url, "SELECT count(*) FROM t") == [(0,)]


# -- secrets -----------------------------------------------------------------------------------------


async def test_a_password_in_a_statement_is_neither_stored_nor_told(
    project: ProjectFolder, database_url: str
) -> None:
    role = f"{DatabaseURL.parse(database_url).name}_s"
    create = f"CREATE ROLE \"{role}\" PASSWORD 'S3CRET'"
    stepwise(project.revision("r1", upgrade=f"op.execute({create!r})\nop.execute({create!r})"))
    heard: list[Event] = []
    try:
        with pytest.raises(StepFailedError) as caught:
            await Migrator(project.ini, url=database_url, listeners=[heard.append]).upgrade()
    finally:
        sql(database_url, f'DROP ROLE IF EXISTS "{role}"')
    shown = f"CREATE ROLE \"{role}\" PASSWORD '***'"
    assert caught.value.statement == shown
    assert caught.value.__cause__ is None
    assert [event.statement for event in heard if isinstance(event, StatementFinished)] == [shown]
    assert journal(database_url) == [shown]
    assert "S3CRET" not in f"{caught.value}{heard}"
    assert sql(database_url, "SELECT 1 FROM migration_history AS h WHERE h::text LIKE '%S3CRET%'") == []


async def test_a_password_in_a_transactional_revision_is_not_told_either(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1", upgrade="op.execute(\"ALTER ROLE nobody_of_that_name PASSWORD 'S3CRET'\")")
    with pytest.raises(StepFailedError) as caught:
        await Migrator(project.ini, url=database_url).upgrade()
    assert caught.value.statement == "ALTER ROLE nobody_of_that_name PASSWORD '***'"
    assert caught.value.__cause__ is None
