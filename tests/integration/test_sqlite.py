"""SQLite, for development: what headway promises of a run holds on a file, too."""

from __future__ import annotations

import asyncio
import io
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

import headway
from headway import Migrator, Operation, Outcome, RunOptions, State, errors
from headway.sqlite.latch import SUFFIX, FileLatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from conftest import ProjectFolder

# Files, and processes of the test's own: nothing else runs on the loop meanwhile.
# ruff: noqa: ASYNC240

_DEADLINE_S = 60.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@asynccontextmanager
async def migrating(project: ProjectFolder, file: Path, **more: Any) -> AsyncIterator[Migrator]:
    async with Migrator(project.ini, url=f"sqlite+aiosqlite:///{file}", **more) as migrator:
        yield migrator


def asked(file: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute(statement).fetchall()
        connection.commit()
        return rows


def tables(file: Path) -> set[str]:
    own = {"alembic_version", "migration_history"}
    return {str(name) for (name,) in asked(file, "SELECT name FROM sqlite_schema WHERE type = 'table'")} - own


def variables(file: Path, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    source = str(Path(headway.__file__).parent.parent)
    return (
        kept | {"PYTHONPATH": source, "DATABASE_URL": f"sqlite+aiosqlite:///{file}", "PYTHONUTF8": "1"} | more
    )


def started(project: ProjectFolder, file: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "headway", *words],
        cwd=project.root,
        env=variables(file),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# -- the way up and down --------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_file_goes_to_head_and_back_and_the_ledger_tells_it(
    project: ProjectFolder, file: Path
) -> None:
    project.tables("users", "posts")
    async with migrating(project, file) as migrator:
        before = await migrator.pending()
        assert (before.state, before.pending) == (State.UNVERSIONED, ("r1", "r2"))
        assert (await migrator.status()).state is State.UNVERSIONED
        assert not file.exists(), "to look makes no file"

        done = await migrator.upgrade()
        assert [step.revision for step in done.steps] == ["r1", "r2"]
        assert tables(file) == {"users", "posts"}
        assert (await migrator.pending()).state is State.AT_HEAD
        assert (await migrator.upgrade()).steps == ()
        status = await migrator.status()
        assert status.ledger
        assert all(item.applied_at is not None for item in status.revisions)

        await migrator.downgrade("base")
        assert tables(file) == set()
        await migrator.stamp("r1")
        assert (await migrator.pending()).current == ("r1",)
        entries = await migrator.log()
        assert [(entry.revision, entry.operation) for entry in reversed(entries)] == [
            ("r1", Operation.UPGRADE),
            ("r2", Operation.UPGRADE),
            ("r2", Operation.DOWNGRADE),
            ("r1", Operation.DOWNGRADE),
            ("r1", Operation.STAMP),
        ]
        assert {entry.outcome for entry in entries} == {Outcome.SUCCEEDED}
        assert entries[0].versions["server"] == sqlite3.sqlite_version
        assert await migrator.verify_log() == ()
        assert await migrator.unrecorded() == ()
    assert asked(file, "SELECT version FROM schema_migrations") == [("r1",)]


@pytest.mark.asyncio
async def test_a_changed_row_of_the_ledger_is_found(project: ProjectFolder, file: Path) -> None:
    project.tables("users", "posts")
    async with migrating(project, file) as migrator:
        await migrator.upgrade()
        asked(file, "UPDATE migration_history SET os_user = 'nobody' WHERE id = 1")
        assert await migrator.verify_log() == ("entry 1 (upgrade r1) was changed after it was closed",)


@pytest.mark.asyncio
async def test_a_failing_revision_leaves_the_file_as_it_was(project: ProjectFolder, file: Path) -> None:
    project.tables("users")
    path = project.revision(
        "r2",
        "r1",
        upgrade="""
            op.execute("CREATE TABLE half (id integer)")
            op.execute("INSERT INTO half VALUES (1)")
            op.execute("ALTER TABLE users ADD COLUMN name text")
            op.execute("INSERT INTO nowhere VALUES (1)")
        """,
    )
    async with migrating(project, file) as migrator:
        with pytest.raises(errors.StepFailedError) as failure:
            await migrator.upgrade()
        assert failure.value.succeeded == ("r1",)
        line = 1 + path.read_text()[: path.read_text().index("INSERT INTO nowhere")].count("\n")
        assert (failure.value.line, failure.value.sqlstate) == (line, "SQLITE_ERROR")
        assert tables(file) == {"users"}
        assert [column[1] for column in asked(file, "PRAGMA table_info(users)")] == ["id"]
        assert (await migrator.pending()).current == ("r1",)
        failed = (await migrator.log())[0]
        assert (failed.revision, failed.outcome) == ("r2", Outcome.FAILED)


@pytest.mark.asyncio
async def test_what_a_revision_did_goes_with_its_version_when_that_comes_to_nothing(
    project: ProjectFolder, file: Path
) -> None:
    project.tables("users")
    project.env("on_version_apply=late", preamble="def late(**_):\n    raise RuntimeError('too late')")
    async with migrating(project, file) as migrator:
        with pytest.raises(errors.StepFailedError, match="too late"):
            await migrator.upgrade()
        assert (await migrator.pending()).current == ()
    assert tables(file) == set()


@pytest.mark.parametrize(
    "ending",
    [
        "op.execute('COMMIT')",
        "op.get_bind().commit()",
        "op.get_bind().rollback()",
        "op.execute('ROLLBACK')",
    ],
)
@pytest.mark.asyncio
async def test_a_revision_cannot_end_its_own_transaction(
    project: ProjectFolder, file: Path, ending: str
) -> None:
    project.revision("r1", upgrade=f"op.execute('CREATE TABLE t (id integer)')\n{ending}")
    async with migrating(project, file) as migrator:
        with pytest.raises(errors.StepFailedError, match="ends its own transaction"):
            await migrator.upgrade()
        assert tables(file) == set()
        assert (await migrator.pending()).current == ()


@pytest.mark.asyncio
async def test_revisions_in_sql_and_triggers_are_sent_as_they_are(project: ProjectFolder, file: Path) -> None:
    pair = project.versions / "20261121100000_items"
    pair.with_suffix(".up.sql").write_text("CREATE TABLE items (id integer); CREATE TABLE seen (id integer);")
    pair.with_suffix(".down.sql").write_text("DROP TABLE items; DROP TABLE seen;")
    project.revision(
        "r2",
        "20261121100000",
        upgrade="""
            op.execute("CREATE TRIGGER t AFTER INSERT ON items BEGIN INSERT INTO seen VALUES (new.id); END")
            op.execute("INSERT INTO items VALUES (7)")
        """,
        downgrade="op.execute('DROP TRIGGER t')",
    )
    async with migrating(project, file) as migrator:
        await migrator.upgrade()
        assert asked(file, "SELECT id FROM seen") == [(7,)]
        await migrator.downgrade("base")
    assert tables(file) == set()


# -- batch mode and foreign keys ------------------------------------------------------------------------

_REBUILD = """
    with op.batch_alter_table("authors") as batch:
        batch.alter_column("name", type_=sa.String(80), nullable=False)
"""


def _two_tables(project: ProjectFolder) -> None:
    project.revision(
        "r1",
        upgrade="""
            op.execute("CREATE TABLE authors (id integer PRIMARY KEY, name varchar(20))")
            op.execute("CREATE TABLE books (id integer PRIMARY KEY, "
                       "author_id integer REFERENCES authors (id) ON DELETE CASCADE)")
            op.execute("INSERT INTO authors VALUES (1, 'Ada')")
            op.execute("INSERT INTO books VALUES (1, 1)")
        """,
    )


@pytest.mark.asyncio
async def test_a_table_is_rebuilt_without_touching_rows_that_refer_to_it(
    project: ProjectFolder, file: Path
) -> None:
    _two_tables(project)
    project.revision("r2", "r1", upgrade=_REBUILD)
    engine = create_async_engine(f"sqlite+aiosqlite:///{file}")

    @event.listens_for(engine.sync_engine, "connect")
    def enforce(connection: Any, _: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")

    async with engine.connect() as connection, Migrator(project.ini, connection=connection) as migrator:
        await migrator.upgrade()
        rows = (await connection.execute(text("SELECT author_id FROM books"))).all()
        assert rows == [(1,)], "dropping the old table deleted what refers to it"
        enforced = (await connection.execute(text("PRAGMA foreign_keys"))).scalar_one()
        assert enforced == 1, "the caller's connection is as it was"
    await engine.dispose()
    assert "VARCHAR(80) NOT NULL" in asked(file, "SELECT sql FROM sqlite_schema WHERE name = 'authors'")[0][0]


@pytest.mark.asyncio
async def test_a_revision_that_breaks_a_reference_is_rolled_back(project: ProjectFolder, file: Path) -> None:
    _two_tables(project)
    project.revision("r2", "r1", upgrade='op.execute("DELETE FROM authors")')
    async with migrating(project, file) as migrator:
        with pytest.raises(errors.StepFailedError, match="1 more row whose foreign key refers to nothing"):
            await migrator.upgrade()
    assert asked(file, "SELECT name FROM authors") == [("Ada",)]


# -- what only PostgreSQL has -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('op.execute("CREATE INDEX CONCURRENTLY i ON t (id)")', "only PostgreSQL has CONCURRENTLY"),
        ("op.execute(\"CREATE TYPE mood AS ENUM ('ok')\")", "only PostgreSQL has types"),
        ('op.execute("SELECT 1::text")', "only PostgreSQL has casts with ::"),
        (
            "from sqlalchemy.dialects import postgresql as p\nop.create_table('j', sa.Column('d', p.BIT))",
            "BIT",
        ),
        ("op.alter_column('t', 'id', nullable=False)", "SQLite refuses that ALTER TABLE"),
        ("op.create_unique_constraint('u', 't', ['id'])", "SQLite cannot do that"),
    ],
)
@pytest.mark.asyncio
async def test_what_only_postgresql_has_is_named_with_the_revision_and_the_way_out(
    project: ProjectFolder, file: Path, body: str, said: str
) -> None:
    project.revision("r1", upgrade="op.execute('CREATE TABLE t (id integer)')")
    project.revision("r2", "r1", upgrade=body)
    async with migrating(project, file) as migrator:
        with pytest.raises(errors.StepFailedError) as failure:
            await migrator.upgrade()
    assert "revision r2" in failure.value.message
    assert said in failure.value.message
    assert "dialect.name" in str(failure.value.hint)
    assert failure.value.line is not None


@pytest.mark.asyncio
async def test_a_revision_that_creates_an_extension_is_refused_before_anything_runs(
    project: ProjectFolder, file: Path
) -> None:
    project.tables("users")
    project.revision("r2", "r1", upgrade='op.execute("CREATE EXTENSION vector")')
    async with migrating(project, file) as migrator:
        with pytest.raises(errors.CapabilityError, match="r2 creates the extension vector"):
            await migrator.upgrade()
        assert tables(file) == set()


@pytest.mark.asyncio
async def test_a_revision_may_branch_and_what_is_not_transactional_elsewhere_is_whole_here(
    project: ProjectFolder, file: Path
) -> None:
    project.tables("users")
    path = project.revision(
        "r2",
        "r1",
        upgrade="""
            if op.get_context().dialect.name == "postgresql":
                op.execute("CREATE EXTENSION vector")
            op.create_index("i", "users", ["id"], postgresql_concurrently=True)
            with op.get_context().autocommit_block():
                op.execute("CREATE TABLE inside (id integer)")
            if op.get_context().opts.get("fail") or "fail" in context.get_x_argument(as_dictionary=True):
                raise RuntimeError("asked for")
        """,
    )
    path.write_text(path.read_text() + "\n\ntransactional = False\n")
    async with migrating(project, file, x_arguments=["fail=1"]) as migrator:
        with pytest.raises(errors.StepFailedError, match="asked for"):
            await migrator.upgrade()
        assert tables(file) == {"users"}, "the whole revision was rolled back"
    async with migrating(project, file) as migrator:
        await migrator.upgrade()
    assert tables(file) == {"users", "inside"}


# -- processes --------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_of_several_migrators_exactly_one_applies(project: ProjectFolder, file: Path) -> None:
    project.tables("users", "posts")
    migrators = [started(project, file, "upgrade", "--json") for _ in range(3)]
    ended = [process.communicate(timeout=_DEADLINE_S) for process in migrators]
    assert [process.returncode for process in migrators] == [0] * 3, ended
    assert sum('"revision": "r2"' in out for out, _ in ended) == 1, ended
    assert asked(file, "SELECT revision FROM migration_history") == [("r1",), ("r2",)]


_SLEEPING = """
    op.execute("CREATE TABLE half (id integer)")
    op.execute("INSERT INTO half VALUES (1)")
    import pathlib, time
    pathlib.Path("inside").write_text("")
    time.sleep(600)
"""


@pytest.mark.asyncio
async def test_who_waits_in_vain_is_told_who_works_and_a_killed_process_leaves_nothing_half_done(
    project: ProjectFolder, file: Path
) -> None:
    project.tables("users")
    project.revision("r2", "r1", upgrade=_SLEEPING)
    with started(project, file, "upgrade") as process:
        try:
            deadline = time.monotonic() + _DEADLINE_S
            while not (project.root / "inside").exists():
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            async with migrating(project, file) as migrator:
                assert (await migrator.pending()).current == ("r1",), "looking needs no lock"
                with pytest.raises(errors.LockBusyError) as failure:
                    await migrator.upgrade(options=RunOptions(lock_wait_s=0))
            assert failure.value.exit_code == 75
            assert failure.value.holder is not None
            assert failure.value.holder.pid == process.pid
            assert f"kill {process.pid}" in str(failure.value.hint)
        finally:
            process.kill()
            process.communicate(timeout=_DEADLINE_S)
    assert tables(file) == {"users"}
    project.revision("r2", "r1", upgrade="op.execute('CREATE TABLE whole (id integer)')")
    async with migrating(project, file) as migrator:
        assert (await migrator.pending()).current == ("r1",)
        await migrator.upgrade(options=RunOptions(lock_wait_s=0))
        outcomes = [entry.outcome for entry in await migrator.log(revision="r2")]
        assert outcomes == [Outcome.SUCCEEDED, Outcome.INTERRUPTED]
        assert await migrator.verify_log() == ()
    assert tables(file) == {"users", "whole"}


@pytest.mark.asyncio
async def test_a_cancelled_run_is_rolled_back_and_says_so(project: ProjectFolder, file: Path) -> None:
    project.tables("users")
    project.revision("r2", "r1", upgrade="op.execute('CREATE TABLE half (id)')")
    began = asyncio.Event()

    def hear(happened: object) -> None:
        if isinstance(happened, headway.StepStarted) and happened.revision == "r2":
            began.set()
            task.cancel()

    async with migrating(project, file, listeners=[hear]) as migrator:
        task = asyncio.create_task(migrator.upgrade())
        with pytest.raises(asyncio.CancelledError):
            await task
        assert began.is_set()
        assert (await migrator.pending()).current == ("r1",)
        assert (await migrator.log())[0].outcome is Outcome.SUCCEEDED, "it had not begun"
        await migrator.upgrade(options=RunOptions(lock_wait_s=0))


_GATED = """
    import time
    from pathlib import Path

    def gate():
        Path({inside!r}).touch()
        while not Path({go!r}).exists():
            time.sleep(0.01)
        return 1

    op.get_bind().connection.dbapi_connection.create_function("gate", 0, gate)
    op.execute("CREATE TABLE half (id integer)")
    op.execute("INSERT INTO half SELECT gate()")
"""


@pytest.mark.asyncio
async def test_a_run_cancelled_in_the_midst_of_a_statement_is_rolled_back_and_on_record(
    project: ProjectFolder, file: Path, tmp_path: Path
) -> None:
    inside, go = tmp_path / "inside", tmp_path / "go"
    project.revision("r1", upgrade=_GATED.format(inside=str(inside), go=str(go)))
    async with migrating(project, file) as migrator, asyncio.timeout(_DEADLINE_S):
        task = asyncio.create_task(migrator.upgrade())
        while not inside.exists():  # noqa: ASYNC110  # it is written in another thread
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0)
        go.touch()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert tables(file) == set()
        project.revision("r1", upgrade="op.execute('CREATE TABLE whole (id integer)')")
        await migrator.upgrade(options=RunOptions(lock_wait_s=0))
        outcomes = [entry.outcome for entry in await migrator.log()]
        assert outcomes == [Outcome.SUCCEEDED, Outcome.INTERRUPTED]
        assert await migrator.verify_log() == ()
    assert tables(file) == {"whole"}


@pytest.mark.asyncio
async def test_what_compares_postgresqls_catalogue_is_refused(project: ProjectFolder, file: Path) -> None:
    project.revision("r1", upgrade="op.execute('CREATE TABLE whole (id integer)')")
    async with migrating(project, file) as migrator:
        await migrator.upgrade()
        for refused in (migrator.verify, migrator.baseline, migrator.verify_baseline):
            with pytest.raises(errors.RefusedError, match="PostgreSQL's"):
                await refused()


# -- plain alembic, autogenerate, start-up ----------------------------------------------------------------

_MODELS = """
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(40)))
"""


@pytest.mark.asyncio
async def test_autogenerate_writes_batch_operations_and_check_is_content_afterwards(
    project: ProjectFolder, file: Path
) -> None:
    project.env("metadata", preamble=_MODELS)
    project.tables("users")
    async with migrating(project, file) as migrator:
        await migrator.upgrade()
        assert (await migrator.check()).differences
        report = await migrator.revision("add a name")
        (written,) = report.paths
        assert "with op.batch_alter_table('users'" in written.read_text()
        await migrator.upgrade()
        assert (await migrator.check()).differences == ()
        losses = await migrator.losses(await migrator.plan("-1", direction=headway.Direction.DOWNGRADE))
        assert [(loss.kind, loss.rows) for loss in losses] == [("column", 0)]
        await migrator.downgrade("-1")
        script = await migrator.sql("r1")
        assert script.startswith("BEGIN;")
        assert "CREATE TABLE users" in script
        assert "SERIAL" not in script, "that is PostgreSQL's"


@pytest.mark.asyncio
async def test_constraints_that_the_models_leave_unnamed_are_added_and_taken_back(
    project: ProjectFolder, file: Path
) -> None:
    more = """
sa.Table("posts", metadata, sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("writer", sa.ForeignKey("users.id")), sa.Column("slug", sa.String(9), unique=True))
"""
    project.env("metadata", preamble=_MODELS + more)
    project.tables("users", "posts")
    async with migrating(project, file) as migrator:
        await migrator.upgrade()
        (written,) = (await migrator.revision("more of posts")).paths
        assert "'uq_posts_slug'" in written.read_text()
        assert "'fk_posts_writer_users'" in written.read_text()
        await migrator.upgrade()
        assert (await migrator.check()).differences == ()
        await migrator.downgrade("-1")
        await migrator.upgrade()
        assert (await migrator.check()).differences == ()


def test_plain_alembic_goes_through_the_same_door(
    project: ProjectFolder, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{file}")
    project.tables("users", "posts")
    printed = io.StringIO()
    config = Config(project.ini, output_buffer=printed)
    command.upgrade(config, "head")
    assert asked(file, "SELECT version FROM schema_migrations") == [("r1",), ("r2",)]
    project.revision("r3", "r2", upgrade="op.execute('CREATE TABLE half (i)')\nraise RuntimeError('no')")
    with pytest.raises(errors.StepFailedError, match="revision r3"):
        command.upgrade(config, "head")
    assert tables(file) == {"users", "posts"}
    command.upgrade(config, "r2", sql=True)
    assert "CREATE TABLE users" in printed.getvalue()
    assert "SERIAL" not in printed.getvalue(), "that is PostgreSQL's"


@pytest.mark.asyncio
async def test_an_application_in_development_brings_its_file_to_head(
    project: ProjectFolder, file: Path
) -> None:
    project.tables("users")
    async with migrating(project, file) as migrator, migrator.startup() as startup:
        assert startup.report is not None
        assert startup.report.state is State.AT_HEAD
    async with migrating(project, file.with_name("other.db"), environment="production") as migrator:
        with pytest.raises(errors.NotAtHeadError):
            async with migrator.startup():
                pass
        assert any("SQLite file" in note for note in migrator.notes)


# -- connections of the caller's ---------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_database_in_memory_is_migrated_on_the_connection_that_has_it(project: ProjectFolder) -> None:
    project.tables("users")
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)
    async with Migrator(project.ini, connection=engine) as migrator:
        with pytest.raises(errors.RefusedError, match="in memory"):
            await migrator.upgrade()
    async with engine.connect() as connection, Migrator(project.ini, connection=connection) as migrator:
        await migrator.upgrade()
        assert (await connection.execute(text("SELECT count(*) FROM users"))).scalar_one() == 0
    await engine.dispose()


@pytest.mark.asyncio
async def test_an_engine_that_says_begin_itself_and_a_file_in_wal_mode_are_fine(
    project: ProjectFolder, file: Path
) -> None:
    project.tables("users", "posts")
    asked(file, "PRAGMA journal_mode = wal")
    engine = create_async_engine(f"sqlite+aiosqlite:///{file}")

    @event.listens_for(engine.sync_engine, "connect")
    def keep_out(connection: Any, _: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    async with engine.connect() as reader:
        await reader.execute(text("SELECT 1 FROM sqlite_schema"))
        async with Migrator(project.ini, connection=engine) as migrator:
            await migrator.upgrade()
    async with engine.connect() as connection, Migrator(project.ini, connection=connection) as migrator:
        await migrator.downgrade("-1")
    await engine.dispose()
    assert tables(file) == {"users"}


# -- what cannot be a database ------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_file_that_is_no_database_and_a_folder_that_is_missing_are_said_so(
    project: ProjectFolder, file: Path, tmp_path: Path
) -> None:
    project.tables("users")
    file.write_text("no database, but long enough to look like one" * 40)
    for path, said in [
        (file, "is not an SQLite database"),
        (tmp_path / "nowhere" / "app.db", "there is no folder"),
        (tmp_path, "is a folder"),
    ]:
        async with migrating(project, path) as migrator:
            for method in (migrator.pending, migrator.upgrade, migrator.status):
                with pytest.raises(errors.ConfigurationError, match=said) as failure:
                    await method()
                assert failure.value.variable == "--url"


@pytest.mark.asyncio
async def test_a_file_that_cannot_be_written_is_refused_before_anything_is(
    project: ProjectFolder, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.tables("users")
    asked(file, "CREATE TABLE mine (id)")
    # Root may write everything, so the answer of the operating system is given in its place.
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != file)
    async with migrating(project, file) as migrator:
        assert (await migrator.pending()).state is State.UNVERSIONED
        with pytest.raises(errors.CapabilityError, match="cannot be written") as failure:
            await migrator.upgrade()
        assert failure.value.capability == "writable"
        assert not (await migrator.doctor()).migratable
    assert not Path(f"{file}{SUFFIX}").exists()


@pytest.mark.asyncio
async def test_a_lock_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(errors.CapabilityError, match="cannot be taken"):
        await FileLatch(tmp_path / "nowhere" / "app.db", "somebody").knock()


@pytest.mark.asyncio
async def test_a_writer_that_does_not_end_is_named_as_the_reason(project: ProjectFolder, file: Path) -> None:
    project.tables("users")
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        url = f"sqlite+aiosqlite:///{file}?timeout=600"
        async with Migrator(project.ini, url=url) as migrator, asyncio.timeout(_DEADLINE_S):
            with pytest.raises(errors.DatabaseError) as failure:
                await migrator.upgrade(options=RunOptions(lock_timeout_ms=50))
    assert failure.value.sqlstate == "SQLITE_BUSY"


@pytest.mark.asyncio
async def test_what_takes_a_server_is_said_not_to_be_in_force(project: ProjectFolder, file: Path) -> None:
    project.tables("users")
    heard: list[object] = []
    asked_for = RunOptions(statement_timeout_ms=1000, cancel_blockers=headway.CancelBlockers.ALL)
    async with migrating(project, file, listeners=[heard.append]) as migrator:
        await migrator.upgrade(options=asked_for)
    said = [happened.message for happened in heard if isinstance(happened, headway.Warned)]
    assert [message.partition(";")[0] for message in said] == [
        "SQLite has nothing like --statement-timeout",
        "SQLite has nothing like --cancel-blockers",
    ]


@pytest.mark.asyncio
async def test_doctor_tells_of_the_file(project: ProjectFolder, file: Path) -> None:
    project.tables("users")
    async with migrating(project, file) as migrator:
        report = await migrator.doctor()
    assert report.reached
    assert report.migratable
    assert {"version", "writable", "session", "revisions"} == {check.name for check in report.checks}
