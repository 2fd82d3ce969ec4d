"""A revision's search_path and role are for its own statements: nothing after them notices."""

from __future__ import annotations

import subprocess
import sys
from os import environ
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import text

from headway import DatabaseURL, Migrator, StepFailedError
from headway.database import create_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import ProjectFolder

_SET = pytest.mark.parametrize(
    "setting",
    [
        "SET search_path TO tenant",
        "SET LOCAL search_path TO tenant",
        "SELECT set_config('search_path', 'tenant', true)",
    ],
)


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def where_tables_are(url: str) -> list[tuple[object, ...]]:
    return rows(
        url,
        "SELECT relname, nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
        "WHERE relname IN ('t1', 't2') ORDER BY 1",
    )


@pytest.fixture
def tenant(database_url: str) -> str:
    """A schema with a version table of its own, as a tenant's."""
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE SCHEMA tenant")
        connection.execute("CREATE TABLE tenant.alembic_version (version_num varchar(32) NOT NULL)")
    return database_url


@pytest.fixture
def owner(database_url: str) -> Iterator[str]:
    """A role without login that owns nothing and may create tables."""
    name = f"owner_{DatabaseURL.parse(database_url).name.rpartition('_')[2]}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name}".encode())
        connection.execute(f"GRANT ALL ON SCHEMA public TO {name}".encode())
        yield name
        connection.execute(f"DROP OWNED BY {name} CASCADE".encode())
        connection.execute(f"DROP ROLE {name}".encode())


def two(project: ProjectFolder, first: str) -> None:
    project.revision("r1", upgrade=f"op.execute({first!r})\nop.execute('CREATE TABLE t1()')")
    project.revision("r2", "r1", upgrade="op.execute('CREATE TABLE t2()')")


@_SET
@pytest.mark.asyncio
async def test_the_version_is_written_where_it_was_found_and_the_next_revision_works_where_it_would(
    project: ProjectFolder, tenant: str, setting: str
) -> None:
    two(project, setting)
    report = await Migrator(project.ini, url=tenant).upgrade()
    assert [step.revision for step in report.steps] == ["r1", "r2"]
    assert rows(tenant, "SELECT version_num FROM public.alembic_version") == [("r2",)]
    assert rows(tenant, "SELECT version_num FROM tenant.alembic_version") == []
    assert where_tables_are(tenant) == [("t1", "tenant"), ("t2", "public")]


@_SET
def test_so_it_is_under_the_alembic_command(project: ProjectFolder, tenant: str, setting: str) -> None:
    two(project, setting)
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "-c", str(project.ini), "upgrade", "head"],
        env={**environ, "DATABASE_URL": tenant},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert rows(tenant, "SELECT version_num FROM public.alembic_version") == [("r2",)]
    assert rows(tenant, "SELECT version_num FROM tenant.alembic_version") == []
    assert where_tables_are(tenant) == [("t1", "tenant"), ("t2", "public")]


@pytest.mark.parametrize("command", ["SET ROLE", "SET LOCAL ROLE", "SET SESSION AUTHORIZATION"])
@pytest.mark.asyncio
async def test_a_role_is_given_back_before_the_version_is_written(
    project: ProjectFolder, database_url: str, owner: str, command: str
) -> None:
    two(project, f"{command} {owner}")
    await Migrator(project.ini, url=database_url).upgrade()
    assert rows(database_url, "SELECT version_num FROM alembic_version") == [("r2",)]
    owned = "SELECT tablename, tableowner = current_user FROM pg_tables WHERE tablename ~ '^t' ORDER BY 1"
    assert rows(database_url, owned) == [("t1", False), ("t2", True)]


@pytest.mark.asyncio
async def test_a_callers_connection_keeps_its_search_path_through_success_and_failure(
    project: ProjectFolder, tenant: str
) -> None:
    two(project, "SET search_path TO public")
    stepwise = project.revision(
        "r3", "r2", upgrade="op.execute('SET search_path TO pg_catalog')\nop.execute('SELECT 1/0')"
    )
    source = stepwise.read_text(encoding="utf-8")
    stepwise.write_text(source.replace("down_revision =", "transactional = False\ndown_revision ="))
    engine = create_engine(DatabaseURL.parse(tenant))
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SET search_path TO tenant"))
            await connection.commit()
            migrator = Migrator(project.ini, connection=connection)
            await migrator.upgrade("r2")
            assert await connection.scalar(text("SHOW search_path")) == "tenant"
            await connection.commit()
            with pytest.raises(StepFailedError):
                await migrator.upgrade()
            assert await connection.scalar(text("SHOW search_path")) == "tenant"
    finally:
        await engine.dispose()
    assert rows(tenant, "SELECT version_num FROM tenant.alembic_version") == [("r2",)]
    assert rows(tenant, "SELECT revision FROM tenant.migration_history WHERE outcome = 'succeeded'") != []


# With `SET` a revision is sent statement by statement, and in one message without it.
@pytest.mark.parametrize(
    "change",
    [
        "SET default_transaction_read_only = on",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SELECT set_config('default_transaction_read_only', 'on', false)",
        "DO $$ BEGIN SET default_transaction_read_only = on; END $$",
        "SET statement_timeout = '7min'",
        "SELECT set_config('statement_timeout', '7min', false)",
        "SET lock_timeout = '7min'",
        "DO $$ BEGIN SET work_mem = '5MB'; END $$",
        "RESET ALL",
        "SET work_mem = '5MB'",
        "SET LOCAL work_mem = '5MB'",
        "INSERT INTO settled SELECT set_config('work_mem', '5MB', false)",
    ],
)
@pytest.mark.asyncio
async def test_what_a_revision_sets_ends_with_it(
    project: ProjectFolder, database_url: str, change: str
) -> None:
    project.revision("r0", upgrade="op.execute('CREATE TABLE settled (a text)')")
    two(project, change)
    path = project.versions / "r1.py"
    path.write_text(path.read_text("utf-8").replace("down_revision = None", "down_revision = 'r0'"))
    asked = text("SELECT name, setting FROM pg_settings WHERE name !~ '^(application_name|plpgsql.*)$'")
    engine = create_engine(DatabaseURL.parse(database_url))
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SET work_mem = '6MB'"))
            await connection.execute(text("SET statement_timeout = '11min'"))
            await connection.commit()
            before = (await connection.execute(asked)).all()
            await connection.commit()
            await Migrator(project.ini, connection=connection).upgrade()
            assert (await connection.execute(asked)).all() == before
    finally:
        await engine.dispose()
    assert rows(database_url, "SELECT version_num FROM alembic_version") == [("r2",)]


@pytest.mark.parametrize("statement", ["SELECT pg_sleep(0)", "SET work_mem = '5MB'"])
@pytest.mark.asyncio
async def test_a_steps_timeouts_outlast_what_is_put_back_after_it(
    project: ProjectFolder, database_url: str, statement: str
) -> None:
    project.revision("r1", upgrade="op.execute('CREATE TABLE noted (a text)')")
    project.revision("r2", "r1", upgrade=f"op.execute({statement!r})")
    migrator = Migrator(project.ini, url=database_url)
    await migrator.upgrade("r1")
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN INSERT INTO noted VALUES (current_setting('idle_in_transaction_session_timeout')); "
            "RETURN NEW; END$$"
        )
        connection.execute("CREATE TRIGGER note AFTER UPDATE ON alembic_version EXECUTE FUNCTION note()")
    await migrator.upgrade()
    assert rows(database_url, "SELECT a FROM noted") == [("1min",)]
