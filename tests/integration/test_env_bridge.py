"""One env.py, every way of calling it."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import pytest_asyncio
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from commandline import forked
from headway import DatabaseURL, RefusedError, StepFailedError, TransactionOpenError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import AsyncIterator

    from sqlalchemy.engine import Connection

    from conftest import ProjectFolder

MODELS = """
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("a", metadata, sa.Column("id", sa.Integer, primary_key=True))
sa.Table("b", metadata, sa.Column("id", sa.Integer, primary_key=True))
"""


@pytest.fixture
def config(project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Config:
    project.tables("a", "b")
    project.env("metadata", MODELS)
    monkeypatch.setenv("DATABASE_URL", database_url)
    return Config(project.ini)


@pytest_asyncio.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = async_engine(database_url)
    yield engine
    await engine.dispose()


def async_engine(url: str) -> AsyncEngine:
    import asyncpg

    arguments = DatabaseURL.parse(url).connect_arguments()
    return create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(**arguments))


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {row[0] for row in rows} - {"alembic_version", "migration_history"}


def versions(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT version_num FROM alembic_version ORDER BY 1")]


def alembic(project: ProjectFolder, *arguments: str) -> subprocess.CompletedProcess[str]:
    return forked("alembic", ["-c", str(project.ini), *arguments], Path.cwd(), os.environ)


# -- the `alembic` command ---------------------------------------------------------------------------


@pytest.mark.usefixtures("config")
def test_alembic_upgrades_downgrades_and_tells_where_it_is(project: ProjectFolder, database_url: str) -> None:
    up = alembic(project, "upgrade", "head")
    assert up.returncode == 0, up.stderr
    assert up.stdout.splitlines() == ["Running upgrade r1, create a", "Running upgrade r2, create b"]
    assert tables(database_url) == {"a", "b"}
    assert alembic(project, "current").stdout.strip() == "r2 (head)"
    down = alembic(project, "downgrade", "-1")
    assert down.returncode == 0, down.stderr
    assert tables(database_url) == {"a"}
    assert versions(database_url) == ["r1"]
    assert alembic(project, "downgrade", "base").returncode == 0
    assert versions(database_url) == []


@pytest.mark.usefixtures("config")
def test_alembic_check_and_autogenerate_see_what_the_models_add(project: ProjectFolder) -> None:
    assert alembic(project, "upgrade", "head").returncode == 0
    assert alembic(project, "check").returncode == 0
    project.env(
        "metadata", MODELS + '\nsa.Table("c", metadata, sa.Column("id", sa.Integer, primary_key=True))\n'
    )
    assert alembic(project, "check").returncode != 0
    made = alembic(project, "revision", "--autogenerate", "-m", "add c")
    assert made.returncode == 0, made.stderr
    [path] = project.versions.glob("*_add_c.py")
    assert "op.create_table('c'" in path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("config")
def test_alembic_prints_sql_without_a_database(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    printed = alembic(project, "upgrade", "head", "--sql")
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout.count("BEGIN;") == printed.stdout.count("COMMIT;") == 2
    assert "CREATE TABLE a" in printed.stdout
    assert "INSERT INTO alembic_version (version_num) VALUES ('r1')" in printed.stdout


@pytest.mark.usefixtures("config")
def test_alembic_stamps_and_purges(project: ProjectFolder, database_url: str) -> None:
    assert alembic(project, "stamp", "r1").returncode == 0
    assert versions(database_url) == ["r1"]
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'gone'")
    assert alembic(project, "stamp", "--purge", "head").returncode == 0
    assert versions(database_url) == ["r2"]
    assert tables(database_url) == set()


@pytest.mark.usefixtures("config")
def test_alembic_shows_headways_errors_as_its_own(project: ProjectFolder) -> None:
    project.revision("r3", "r2", upgrade="op.execute('SELECT 1/0')")
    failed = alembic(project, "upgrade", "head")
    assert failed.returncode != 0
    assert "FAILED: upgrade of revision r3" in failed.stdout
    assert "division by zero" in failed.stdout
    assert "SELECT 1/0" in failed.stdout
    assert "Traceback" not in failed.stdout + failed.stderr


# -- alembic.command from code -----------------------------------------------------------------------


def test_command_upgrade_works_with_no_loop_running(config: Config, database_url: str) -> None:
    command.upgrade(config, "head")
    assert tables(database_url) == {"a", "b"}


def test_command_upgrade_works_from_a_thread(config: Config, database_url: str) -> None:
    thread = threading.Thread(target=command.upgrade, args=(config, "head"))
    thread.start()
    thread.join(60)
    assert tables(database_url) == {"a", "b"}


@pytest.mark.asyncio
async def test_command_upgrade_works_inside_a_running_loop(config: Config, database_url: str) -> None:
    command.upgrade(config, "head")
    assert tables(database_url) == {"a", "b"}


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_command_upgrade_works_under_anyios_plugin(
    config: Config, database_url: str, anyio_backend: str
) -> None:
    command.upgrade(config, "head")
    await asyncio.to_thread(command.downgrade, config, "-1")
    assert tables(database_url) == {"a"}


@pytest.mark.asyncio
async def test_command_check_and_current_work_inside_a_running_loop(config: Config) -> None:
    command.upgrade(config, "head")
    command.check(config)
    config.stdout = io.StringIO()
    command.current(config)
    assert config.stdout.getvalue().strip() == "r2 (head)"


# -- config.attributes["connection"] -----------------------------------------------------------------


@pytest.mark.asyncio
async def test_an_async_engine_works_from_the_loop_that_uses_it(
    config: Config, engine: AsyncEngine, database_url: str
) -> None:
    async with engine.connect() as busy:  # the engine's own pool is in use meanwhile
        await busy.execute(text("SELECT 1"))
        config.attributes["connection"] = engine
        command.upgrade(config, "r1")
        await asyncio.to_thread(command.upgrade, config, "head")
    assert tables(database_url) == {"a", "b"}


def test_an_async_engine_works_with_no_loop_running(config: Config, database_url: str) -> None:
    config.attributes["connection"] = async_engine(database_url)
    command.upgrade(config, "r1")
    command.upgrade(config, "head")
    assert tables(database_url) == {"a", "b"}


@pytest.mark.asyncio
async def test_an_async_connection_works_inside_run_sync_and_from_a_thread(
    config: Config, engine: AsyncEngine, database_url: str
) -> None:
    async with engine.connect() as connection:
        config.attributes["connection"] = connection
        await connection.run_sync(lambda _: command.upgrade(config, "r1"))
        await asyncio.to_thread(command.upgrade, config, "head")
        assert not connection.in_transaction()
    assert tables(database_url) == {"a", "b"}


def test_an_async_connection_works_from_sync_code_on_its_resting_loop(
    config: Config, database_url: str
) -> None:
    with asyncio.Runner() as runner:
        engine = async_engine(database_url)
        connection = runner.run(_connected(engine))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        runner.run(connection.close())
        runner.run(engine.dispose())
    assert tables(database_url) == {"a", "b"}


async def _connected(engine: AsyncEngine) -> AsyncConnection:
    return await engine.connect()


@pytest.mark.asyncio
async def test_an_async_connection_called_straight_on_its_own_loop_is_refused_with_the_ways_out(
    config: Config, engine: AsyncEngine, database_url: str
) -> None:
    async with engine.connect() as connection:
        config.attributes["connection"] = connection
        with pytest.raises(RefusedError, match="event loop") as caught:
            command.upgrade(config, "head")
    assert "run_sync" in str(caught.value.hint)
    assert tables(database_url) == set()


@pytest.mark.asyncio
async def test_the_connection_of_run_sync_works(
    config: Config, engine: AsyncEngine, database_url: str
) -> None:
    def upgrade(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with engine.connect() as connection:
        await connection.run_sync(upgrade)
    assert tables(database_url) == {"a", "b"}


def test_a_synchronous_psycopg_connection_works(config: Config, database_url: str) -> None:
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(database_url), poolclass=NullPool
    )
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        command.downgrade(config, "-1")
    assert tables(database_url) == {"a"}


@pytest.mark.asyncio
async def test_a_synchronous_psycopg_connection_works_inside_a_running_loop(
    config: Config, database_url: str
) -> None:
    test_a_synchronous_psycopg_connection_works(config, database_url)


@pytest.mark.asyncio
async def test_a_connection_that_has_begun_a_transaction_is_refused_and_nothing_changes(
    config: Config, engine: AsyncEngine, database_url: str
) -> None:
    async with engine.begin() as connection:
        config.attributes["connection"] = connection
        with pytest.raises(TransactionOpenError, match="already begun a transaction") as caught:
            await connection.run_sync(lambda _: command.upgrade(config, "head"))
    assert "engine.connect()" in str(caught.value.hint)
    assert tables(database_url) == set()


def test_something_that_is_no_connection_is_refused_by_name(config: Config) -> None:
    config.attributes["connection"] = "postgresql://"
    with pytest.raises(RefusedError, match="is a str"):
        command.upgrade(config, "head")


# -- the host's own affairs --------------------------------------------------------------------------


def test_the_hosts_logging_is_untouched(config: Config) -> None:
    def picture() -> list[tuple[str, int, bool, list[logging.Handler]]]:
        loggers = [logging.getLogger(), *map(logging.getLogger, sorted(logging.root.manager.loggerDict))]
        return [(item.name, item.level, item.disabled, list(item.handlers)) for item in loggers]

    command.current(config)  # loggers that come with a first use are there from here on
    logging.getLogger("the.host").setLevel(logging.DEBUG)
    before = picture()
    command.upgrade(config, "head")
    command.downgrade(config, "base")
    command.upgrade(config, "head", sql=True)
    assert picture() == before


def test_a_failing_revision_raises_headways_error_to_code(
    project: ProjectFolder, config: Config, database_url: str
) -> None:
    project.revision("r3", "r2", upgrade="op.create_table('c')\nop.execute('SELECT 1/0')")
    with pytest.raises(StepFailedError, match="division by zero") as caught:
        command.upgrade(config, "head")
    assert caught.value.succeeded == ("r1", "r2")
    assert tables(database_url) == {"a", "b"}
    assert versions(database_url) == ["r2"]


@pytest.mark.parametrize("driver", ["psycopg, sync", "psycopg, async"])
def test_what_runs_outside_a_transaction_works_on_psycopg_too(
    project: ProjectFolder, config: Config, database_url: str, driver: str
) -> None:
    path = project.revision(
        "r3",
        "r2",
        upgrade="op.execute('CREATE INDEX CONCURRENTLY ix ON a (id)')\nop.execute('VACUUM a')",
        downgrade="op.execute('DROP INDEX CONCURRENTLY ix')",
    )
    text_ = path.read_text(encoding="utf-8")
    path.write_text(text_.replace("down_", "transactional = False\ndown_", 1), encoding="utf-8")
    if driver == "psycopg, sync":
        engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(database_url))
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            command.downgrade(config, "-1")
            command.upgrade(config, "head")
        engine.dispose()
    else:
        config.attributes["connection"] = create_async_engine(
            "postgresql+psycopg://",
            poolclass=NullPool,
            async_creator=lambda: psycopg.AsyncConnection.connect(database_url),
        )
        command.upgrade(config, "head")
    assert versions(database_url) == ["r3"]
    with psycopg.connect(database_url) as connection:
        assert connection.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix'::regclass"
        ).fetchall() == [(True,)]


@pytest.mark.parametrize(
    ("written", "meant"), [("history_tabel", "history_table"), ("version_tabel", "version_table")]
)
@pytest.mark.usefixtures("config")
def test_a_misspelt_option_is_refused_and_the_right_one_named(
    project: ProjectFolder, database_url: str, written: str, meant: str
) -> None:
    project.env(f"None, {written}='x'")
    done = alembic(project, "upgrade", "head")
    assert done.returncode != 0
    assert f"knows no {written}; did you mean {meant}?" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert tables(database_url) == set()


@pytest.mark.usefixtures("config")
def test_an_option_of_the_projects_own_is_let_through(project: ProjectFolder) -> None:
    project.env("None, tenant_prefix='x'")
    assert alembic(project, "upgrade", "head").returncode == 0
