"""What the bridge to Alembic promises in detail: callbacks, comparisons, errors, and what is let go of."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import io
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import alembic.context
import psycopg
import pytest
from alembic import command
from alembic.config import Config
from psycopg import sql
from pydantic import SecretStr

from headway import (
    DatabaseURL,
    Migrator,
    RunStarted,
    StepFailed,
    StepFailedError,
    VersionConflictError,
    embedded,
)
from headway.database import connect
from headway.errors import ConnectionFailedError
from servers import create_role, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import ProjectFolder
    from headway import Event

SECRET = "xq7marked7qx"
MODELS = """
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table(
    "a", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("number", sa.BigInteger),
    sa.Column("word", sa.Text, server_default="new"),
)
"""


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def with_password(url: str, password: str = SECRET, **changes: Any) -> DatabaseURL:
    return dataclasses.replace(DatabaseURL.parse(url), password=SecretStr(password), **changes)


@contextlib.contextmanager
def superuser(url: DatabaseURL) -> Iterator[DatabaseURL]:
    """The same URL for a user of its own, who has its password in truth: the server may ask for it."""
    role = sql.Identifier(url.name)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        create_role(connection, url)
        connection.execute(sql.SQL("ALTER ROLE {} SUPERUSER").format(role))
        try:
            yield dataclasses.replace(url, user=url.name)
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


def migrate_by_headway(project: ProjectFolder) -> None:
    migrator = Migrator(project.ini)
    asyncio.run(migrator.upgrade())
    asyncio.run(migrator.downgrade("r1"))


def migrate_by_alembic(project: ProjectFolder) -> None:
    command.upgrade(Config(project.ini), "head")
    command.downgrade(Config(project.ini), "r1")


@pytest.fixture(autouse=True)
def _database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "database_url" in request.fixturenames:
        monkeypatch.setenv("DATABASE_URL", request.getfixturevalue("database_url"))


# -- what env.py asks for ----------------------------------------------------------------------------


@pytest.mark.parametrize("migrate", [migrate_by_headway, migrate_by_alembic])
def test_on_version_apply_hears_of_each_step_with_the_heads_after_it(
    migrate: Callable[[ProjectFolder], None],
    project: ProjectFolder,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[tuple[Any, ...]] = []

    def listen(*, ctx: Any, step: Any, heads: set[str], run_args: dict[str, Any], **_: object) -> None:
        [[count]] = ctx.connection.exec_driver_sql("SELECT count(*) FROM alembic_version").fetchall()
        ids = step.up_revision_ids, step.down_revision_ids
        heard.append((*ids, step.is_upgrade, step.is_stamp, heads, count, run_args))

    module: Any = ModuleType("listening")
    module.listen = listen
    monkeypatch.setitem(sys.modules, "listening", module)
    project.tables("a", "b")
    project.revision("s2", "r1", upgrade="op.execute('CREATE TABLE s()')", downgrade="op.drop_table('s')")
    project.revision("m", ["r2", "s2"])
    project.env("on_version_apply=listening.listen", "import listening")
    migrate(project)
    first, *branches, merge, unmerge, _, last = heard
    assert first == (("r1",), (), True, False, {"r1"}, 1, {})
    assert sorted(step[:4] for step in branches) == [
        (("r2",), ("r1",), True, False),
        (("s2",), ("r1",), True, False),
    ]
    assert [step[4:6] for step in branches] == [({*branches[0][0]}, 1), ({"r2", "s2"}, 2)]
    assert merge == (("m",), ("r2", "s2"), True, False, {"m"}, 1, {})
    assert unmerge == (("m",), ("r2", "s2"), False, False, {"r2", "s2"}, 2, {})
    assert last[1:] == (("r1",), False, False, {"r1"}, 1, {})


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        ("metadata", {"type", "default"}),
        ("metadata, compare_type=False", {"default"}),
        ("metadata, compare_server_default=False", {"type"}),
    ],
)
def test_types_and_defaults_are_compared_unless_env_py_says_no(
    arguments: str, seen: set[str], project: ProjectFolder, database_url: str
) -> None:
    table = "CREATE TABLE a (id serial PRIMARY KEY, number int, word text DEFAULT 'old')"
    project.revision("r1", upgrade=f'op.execute("{table}")')
    project.env(arguments, MODELS)
    asyncio.run(Migrator(project.ini).upgrade())
    report = asyncio.run(Migrator(project.ini).check())
    assert {line.removeprefix("change ").split()[0] for line in report.differences} == seen


@pytest.mark.asyncio
async def test_autogenerate_works_inside_a_running_loop(project: ProjectFolder, database_url: str) -> None:
    project.env("metadata", MODELS)
    command.revision(Config(project.ini), "add a", autogenerate=True, rev_id="made")
    [path] = project.versions.glob("*_add_a.py")
    assert "op.create_table('a'" in path.read_text(encoding="utf-8")


@pytest.mark.asyncio
async def test_sql_is_printed_inside_a_running_loop(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    project.tables("a")
    printed = io.StringIO()
    command.upgrade(Config(project.ini, output_buffer=printed), "head", sql=True)
    assert "CREATE TABLE a" in printed.getvalue()
    assert "INSERT INTO alembic_version (version_num) VALUES ('r1')" in printed.getvalue()


# -- failures ----------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_failed_step_tells_the_password_nowhere(project: ProjectFolder, database_url: str) -> None:
    failed: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, StepFailed):
            failed.append(repr(event))

    project.revision("r1", upgrade=f"op.execute(\"SELECT '{SECRET}'::int\")", doc=f"about {SECRET}")
    with superuser(with_password(database_url)) as url:
        with pytest.raises(StepFailedError) as caught:
            await Migrator(project.ini, url=url.render(), listeners=[listen]).upgrade()
        [row] = query(database_url, "SELECT migration_history::text, error FROM migration_history")
    error = caught.value
    told = [str(error), repr(error), error.message, *error.facts(), str(error.statement), *failed, *row]
    assert not [text for text in told if SECRET in text]
    assert 'invalid input syntax for type integer: "***"' in error.message
    assert error.statement == "SELECT '***'::int"
    assert row[1] == error.message
    assert len(failed) == 1


def test_the_line_of_a_failure_is_the_innermost_in_the_revision_file(
    project: ProjectFolder, database_url: str
) -> None:
    path = project.revision("r1", upgrade="def divide():\n    op.execute('SELECT 1/0')\n\ndivide()")
    with pytest.raises(StepFailedError) as caught:
        asyncio.run(Migrator(project.ini).upgrade())
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[(caught.value.line or 0) - 1].strip() == "op.execute('SELECT 1/0')"


@pytest.mark.asyncio
async def test_command_upgrade_that_fails_inside_a_running_loop_raises_the_failure(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1", upgrade="op.execute('SELECT 1/0')")
    with pytest.raises(StepFailedError, match="division by zero"):
        command.upgrade(Config(project.ini), "head")
    assert query(database_url, "SELECT * FROM alembic_version") == []


@pytest.mark.parametrize("running_loop", [False, True])
def test_what_env_py_raises_after_its_run_is_raised_and_the_migrations_stay(
    running_loop: bool,  # noqa: FBT001  # a case of the table
    project: ProjectFolder,
    database_url: str,
) -> None:
    project.tables("a")
    with (project.root / "alembic" / "env.py").open("a", encoding="utf-8") as env:
        env.write("\nraise LookupError('afterwards')\n")

    def upgrade() -> None:
        command.upgrade(Config(project.ini), "head")

    async def upgrade_in_loop() -> None:
        upgrade()

    with pytest.raises(LookupError, match="afterwards"):
        asyncio.run(upgrade_in_loop()) if running_loop else upgrade()
    assert query(database_url, "SELECT version_num FROM alembic_version") == [("r1",)]
    assert query(database_url, "SELECT outcome FROM migration_history") == [("succeeded",)]
    assert not hasattr(alembic.context, "config")  # nothing of the failed command is left behind


@pytest.mark.asyncio
async def test_a_stamp_writes_nothing_when_the_version_moved_under_it(
    project: ProjectFolder, database_url: str
) -> None:
    def interfere(event: Event) -> None:
        if isinstance(event, RunStarted) and event.operation == "stamp":
            with psycopg.connect(database_url) as connection:
                connection.execute("UPDATE alembic_version SET version_num = 'moved'")

    project.tables("a", "b")
    migrator = Migrator(project.ini, listeners=[interfere])
    await migrator.upgrade("r1")
    with pytest.raises(VersionConflictError, match="no longer holds r1"):
        await migrator.stamp("r2")
    assert query(database_url, "SELECT version_num FROM alembic_version") == [("moved",)]
    assert query(database_url, "SELECT * FROM migration_history WHERE revision = 'r2'") == []


# -- reaching the server -----------------------------------------------------------------------------


async def refused(url: DatabaseURL) -> ConnectionFailedError:
    with pytest.raises(ConnectionFailedError) as caught:
        await connect(url, source="MY_SETTING")
    error = caught.value
    # A chained error of the driver would show what this one hides.
    assert (error.__cause__, error.__context__) == (None, None)
    assert url.password is not None
    assert url.password.get_secret_value() not in str(error) + repr(error)
    return error


@pytest.mark.asyncio
async def test_a_database_that_does_not_exist_is_told_with_what_to_do(database_url: str) -> None:
    with superuser(with_password(database_url, "does not exist")) as url:
        error = await refused(dataclasses.replace(url, database="nowhere"))
    assert error.sqlstate == "3D000"
    assert error.message.endswith(': database "nowhere" ***')
    assert "createdb" in str(error.hint)
    assert "MY_SETTING" in str(error.hint)


@pytest.fixture
def guarded(checkout: Path) -> Iterator[str]:
    """A server of its own that asks the role ``guarded`` for a password."""
    directory = checkout / ".headway" / "postgres"  # where the fixture ends it
    with embedded.acquire(directory) as lease:
        rules = embedded.status(directory).data_directory / "pg_hba.conf"
        rules.write_text(f"local all guarded scram-sha-256\n{rules.read_text()}")
        with psycopg.connect(lease.url, autocommit=True) as connection:
            connection.execute("CREATE ROLE guarded LOGIN PASSWORD 'right'")
            connection.execute("CREATE ROLE shut NOLOGIN")
            connection.execute("SELECT pg_reload_conf()")
        # What pg_hba_file_rules shows is the file, not what the server has read of it by now.
        wait_until(lambda: not lets_in(with_password(lease.url, user="guarded")), "the rule holds")
        yield lease.url


def lets_in(url: DatabaseURL) -> bool:
    try:
        psycopg.connect(url.render()).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.asyncio
async def test_a_wrong_password_and_a_role_that_may_not_come_in_are_told_apart(guarded: str) -> None:
    wrong = await refused(with_password(guarded, user="guarded"))
    assert wrong.sqlstate == "28P01"
    assert "password in MY_SETTING" in str(wrong.hint)
    shut = await refused(with_password(guarded, user="shut"))
    assert shut.sqlstate == "28000"
    assert "pg_hba.conf" in str(shut.hint)


@pytest.mark.asyncio
async def test_aclose_lets_go_of_the_embedded_server_and_again_does_nothing(
    project: ProjectFolder, checkout: Path
) -> None:
    here = type(project)(checkout)
    here.tables("a")
    directory = checkout / ".headway" / "postgres"

    async def users(count: int) -> None:
        async with asyncio.timeout(60):
            while embedded.status(directory).users != count:  # noqa: ASYNC110  # another process's doing
                await asyncio.sleep(0.01)

    migrator = Migrator(here.ini)
    assert (await migrator.pending()).pending
    with embedded.acquire(directory):  # keeps the server, so that it can be asked
        await users(2)
        await migrator.aclose()
        await migrator.aclose()
        await users(1)
        async with Migrator(here.ini) as other:
            await other.pending()
            await users(2)
        await users(1)


# -- two at once -------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_two_first_calls_at_once_run_env_py_once(project: ProjectFolder, database_url: str) -> None:
    # Importing models takes a while; so both threads are in it, or wait for it.
    count = "runs = pathlib.Path(__file__ + '.runs')\nruns.write_text(f'{runs.exists()} run')"
    project.env("None", f"import pathlib, time\ntime.sleep(0.3)\n{count}")
    project.tables("a")
    migrator = Migrator(project.ini, url=database_url)
    status, entries, report = await asyncio.gather(migrator.status(), migrator.log(), migrator.upgrade())
    assert [step.revision for step in report.steps] == ["r1"]
    assert len(status.revisions) == 1
    assert len(entries) <= 1
    assert (project.root / "alembic" / "env.py.runs").read_text(encoding="utf-8") == "False run"
