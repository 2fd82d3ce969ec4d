"""Revisions written in SQL: run as they are written, by headway and by Alembic; failures point at them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click
import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from commandline import CommandLine
from headway import (
    CapabilityError,
    ConfigurationError,
    DatabaseURL,
    Direction,
    GraphError,
    Migrator,
    RefusedError,
    ResolutionError,
    State,
    StepFailedError,
    load_project,
)
from headway.cli.failure import draw
from headway.integrity import Fingerprint, content_of

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import ProjectFolder
    from headway import Plan

A, B, C = "20260101000000", "20260102000000", "20260103000000"
# What no layer between the file and the server may read anything into.
VERBATIM = ":name :other %s %% %(x)s {} {x} \\n $1"
FILL = "INSERT INTO t VALUES (%d, '" + VERBATIM.replace("%", "%%") + "')"  # noqa: S608  # ours, all of it


def pair(folder: Path, name: str, up: str, down: str | None = "") -> Path:
    path = folder / f"{name}.up.sql"
    path.write_text(up, encoding="utf-8")
    if down is not None:
        (folder / f"{name}.down.sql").write_text(down, encoding="utf-8")
    return path


def ask(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def relations(url: str) -> set[object]:
    named = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')"
    )
    return {row[0] for row in ask(url, named)} & {"t", "u", "t_id", "once", "v"}


def upgrade(project: ProjectFolder, url: str, target: str | Plan = "head") -> list[str]:
    return [step.revision for step in asyncio.run(Migrator(project.ini, url=url).upgrade(target)).steps]


def failure(project: ProjectFolder, url: str) -> StepFailedError:
    with pytest.raises(StepFailedError) as caught:
        upgrade(project, url)
    return caught.value


def mixed(project: ProjectFolder) -> None:
    """SQL, SQL without a transaction, Python, SQL."""
    function = "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END"
    pair(
        project.versions,
        f"{A}_make_t",
        f"CREATE TABLE t (id int, word text); {FILL % 1};\n{function};\n"
        "SELECT word FROM t; DO $$ BEGIN PERFORM 1; END $$;",
        "DROP FUNCTION f(); DROP TABLE t",
    )
    pair(
        project.versions,
        f"{B}_index",
        "-- headway: transactional=no\n"
        "CREATE INDEX CONCURRENTLY t_id ON t (id) WHERE word LIKE '%s%%';\n"
        f"{FILL % 2};",
        "DELETE FROM t WHERE id = 2; DROP INDEX CONCURRENTLY t_id",
    )
    project.revision(
        "p1", B, upgrade="op.execute('CREATE TABLE u ()')", downgrade="op.execute('DROP TABLE u')"
    )
    pair(project.versions, f"{C}_last", "-- headway: parent=p1\nCREATE TABLE v ()", "DROP TABLE v")


@pytest.mark.asyncio
async def test_both_kinds_go_up_and_down_in_one_graph(project: ProjectFolder, database_url: str) -> None:
    mixed(project)
    migrator = Migrator(project.ini, url=database_url)
    report = await migrator.upgrade()
    assert [step.revision for step in report.steps] == [A, B, "p1", C]
    assert ask(database_url, "SELECT word FROM t ORDER BY id") == [(VERBATIM,), (VERBATIM,)]
    assert relations(database_url) == {"t", "t_id", "u", "v"}
    assert [item.revision for item in await migrator.history()] == [C, "p1", B, A]
    logged = {entry.revision: entry for entry in await migrator.log()}
    kept = Fingerprint.read(logged[A].checksum or "")
    assert kept is not None
    assert (kept.content, kept.parents) == (content_of(project.versions / f"{A}_make_t.up.sql"), ())
    assert [line.statement for line in logged[B].journal][:1] == [
        "CREATE INDEX CONCURRENTLY t_id ON t (id) WHERE word LIKE '%s%%'"
    ]
    plan = await migrator.plan("base", direction=Direction.DOWNGRADE)
    losses = [(loss.revision, loss.kind, loss.what) for loss in await migrator.losses(plan)]
    assert losses == [
        (C, "table", "v"),
        ("p1", "table", "u"),
        (B, "statement", "DELETE FROM t WHERE id = 2"),
        (A, "table", "t"),
    ]
    await migrator.downgrade(plan)
    assert relations(database_url) == set()
    offline = await migrator.sql()
    assert f"{FILL % 1};\n" in offline
    assert "COMMIT;\n\nCREATE INDEX CONCURRENTLY t_id ON t (id) WHERE word LIKE '%s%%';\n" in offline


def test_plain_alembic_runs_them_by_headways_env_py(
    project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed(project)
    monkeypatch.setenv("DATABASE_URL", database_url)
    config = Config(str(project.ini))
    command.upgrade(config, "head")
    assert relations(database_url) == {"t", "t_id", "u", "v"}
    assert [entry.revision for entry in asyncio.run(Migrator(project.ini, url=database_url).log())] == [
        C,
        "p1",
        B,
        A,
    ]
    command.downgrade(config, "base")
    assert relations(database_url) == set()
    pair(project.versions, "20260104000000_copy", "COPY v FROM stdin")
    with pytest.raises((CommandError, GraphError), match="COPY wants its rows"):
        command.upgrade(config, "head")
    assert relations(database_url) == set()


@pytest.mark.parametrize(
    ("script", "line", "column", "caret"),
    [
        ("SELECT 1;\n\n  SELECT 'é' -- x\n , nope;", 4, 4, " , nope;\n   ^"),
        ("SELECT 1;\n/* so */ SELEC 2;", 2, 10, "/* so */ SELEC 2;\n         ^"),
        ("CREATE TABLE once (id int PRIMARY KEY);\n INSERT INTO once VALUES (1), (1)", 2, 2, None),
        ("DO $$ BEGIN\n  PERFORM nope();\nEND $$", 1, 1, "DO $$ BEGIN\n^"),
        ("-- headway: transactional=no\nCREATE TABLE IF NOT EXISTS once ();\nDROP TABLE nope", 3, 1, None),
        ("-- headway: transactional=no\nREINDEX TABLE CONCURRENTLY nope;", 2, 1, None),
    ],
)
def test_a_failure_points_at_the_character(
    project: ProjectFolder, database_url: str, script: str, line: int, column: int, caret: str | None
) -> None:
    path = pair(project.versions, f"{A}_wrong", script)
    error = failure(project, database_url)
    assert (error.path, error.line, error.column) == (path, line, column)
    assert error.excerpt is not None
    assert caret is None or error.excerpt == caret
    assert f"{path}:{line}:{column}" in str(error)
    drawn = click.unstyle(draw(error, command="headway upgrade"))
    assert f"{path.name}:{line}:{column}\n" in drawn
    assert f"{' ' * 12}{error.excerpt.splitlines()[-1]}\n" in drawn


def test_no_place_is_told_where_none_is_to_blame_nor_a_line_that_may_hold_a_secret(
    project: ProjectFolder, database_url: str
) -> None:
    path = pair(
        project.versions,
        f"{A}_wrong",
        "CREATE TABLE t (id int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO t VALUES (1), (1);",
    )
    error = failure(project, database_url)  # in COMMIT
    assert (error.sqlstate, error.path, error.line, error.excerpt) == ("23505", path, None, None)
    path.write_text("SELECT 1;\nCREATE ROLE nobody PASSWORD 'S3CRET' NOPE")
    error = failure(project, database_url)
    assert (error.line, error.column, error.excerpt) == (2, 38, None)


@pytest.mark.asyncio
async def test_nothing_is_run_when_a_file_that_comes_later_cannot_be(
    project: ProjectFolder, database_url: str
) -> None:
    pair(project.versions, f"{A}_fine", "CREATE TABLE t ()", None)
    path = pair(project.versions, f"{B}_copy", "SELECT 1;\n COPY t FROM stdin;\n1\n\\.\n")
    migrator = Migrator(project.ini, url=database_url)
    with pytest.raises(GraphError) as caught:
        await migrator.upgrade()
    assert f"{path.name}:4:1: a backslash outside quotes is psql's" in str(caught.value)
    path.write_text("SELECT 1;\n COPY t FROM stdin;")
    with pytest.raises(GraphError, match=r"2:2: COPY wants.*\n.* COPY t FROM stdin;\n +\^"):
        await migrator.upgrade()
    with pytest.raises(GraphError):
        await migrator.sql()
    assert relations(database_url) == set()
    assert await migrator.log() == ()
    path.write_text("SELECT 1")
    await migrator.upgrade()
    with pytest.raises(RefusedError, match=f"there is no {A}_fine.down.sql beside it"):
        await migrator.downgrade("base")
    assert (await migrator.pending()).state is State.AT_HEAD
    findings = [check.finding for check in (await migrator.doctor()).checks if check.name == "revisions"]
    assert findings == [
        f"the files form a graph of 2; head: {B}; without a .down.sql, so that it cannot be undone: {A}"
    ]


@pytest.mark.asyncio
async def test_without_a_transaction_it_resumes_where_it_stopped_and_replaces_its_own_invalid_index(
    project: ProjectFolder, database_url: str
) -> None:
    pair(
        project.versions,
        f"{A}_index",
        "-- headway: transactional=no\nCREATE TABLE t (id int);\nINSERT INTO t VALUES (1), (1);\n"
        "CREATE UNIQUE INDEX CONCURRENTLY t_id ON t (id);\n",
        "-- headway: transactional=yes\nDROP TABLE t",
    )
    migrator = Migrator(project.ini, url=database_url)
    with pytest.raises(StepFailedError) as caught:
        await migrator.upgrade()
    assert (caught.value.line, caught.value.column) == (4, 1)
    assert (await migrator.pending()).state is State.DIRTY
    ask(database_url, "DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t)")
    await migrator.upgrade()
    assert ask(database_url, "SELECT id FROM t") == [(1,)]
    assert ask(database_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_id'::regclass") == [
        (True,)
    ]
    await migrator.downgrade("base")
    newest = (await migrator.log(limit=1))[0]
    assert (newest.operation.value, newest.transactional) == ("downgrade", True)


@pytest.mark.asyncio
async def test_a_connection_on_which_strings_end_elsewhere_is_refused(
    project: ProjectFolder, database_url: str
) -> None:
    pair(project.versions, f"{A}_t", r"CREATE TABLE t (word text DEFAULT 'a\'); SELECT 1")
    name = DatabaseURL.parse(database_url).name
    ask(database_url, f"ALTER DATABASE {name} SET standard_conforming_strings = off")
    with pytest.raises(StepFailedError, match="standard_conforming_strings is off") as caught:
        await Migrator(project.ini, url=database_url).upgrade()
    assert "ALTER ROLE" in str(caught.value.hint)
    ask(database_url, f"ALTER DATABASE {name} RESET standard_conforming_strings")
    await Migrator(project.ini, url=database_url).upgrade()
    assert relations(database_url) == {"t"}


@pytest.mark.asyncio
async def test_psycopg_sends_them_as_they_are_written_too(project: ProjectFolder, database_url: str) -> None:
    mixed(project)
    pair(project.versions, "20260104000000_wrong", "SELECT '%s',\n  nope")
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_async_engine(url, poolclass=NullPool)
    with pytest.raises(StepFailedError) as caught:
        await Migrator(project.ini, connection=engine).upgrade()
    assert (caught.value.line, caught.value.column) == (2, 3)
    assert ask(database_url, "SELECT word FROM t ORDER BY id") == [(VERBATIM,), (VERBATIM,)]
    assert "~~ '%s%%'" in str(ask(database_url, "SELECT pg_get_indexdef('t_id'::regclass)"))


@pytest.mark.asyncio
async def test_an_extension_that_the_server_lacks_is_found_before_anything_is_run(
    project: ProjectFolder, database_url: str
) -> None:
    pair(project.versions, f"{A}_fine", "CREATE TABLE t ()")
    pair(project.versions, f"{B}_extension", "SELECT 1; /* x */ create extension if not exists Nobodys_own;")
    with pytest.raises(CapabilityError, match="nobodys_own"):
        await Migrator(project.ini, url=database_url).upgrade()
    assert relations(database_url) == set()


@pytest.mark.asyncio
async def test_two_heads_in_sql_are_merged_and_time_limits_hold(
    project: ProjectFolder, database_url: str
) -> None:
    pair(project.versions, f"{A}_a", "CREATE TABLE t (id int)")
    pair(
        project.versions,
        f"{B}_b",
        "-- headway: statement_timeout=77s\n"
        "CREATE TABLE u AS SELECT current_setting('statement_timeout') AS had",
    )
    pair(project.versions, f"{C}_c", f"-- headway: parent={A}\nCREATE TABLE v ()")
    migrator = Migrator(project.ini, url=database_url)
    report = await migrator.merge()
    written = await migrator.revision("After: the merge", sql=True)
    assert [path.suffixes for path in written.paths] == [[".up", ".sql"], [".down", ".sql"]]
    assert written.revision is not None
    await migrator.upgrade()
    assert (await migrator.pending()).current == (written.revision,)
    assert (await migrator.history())[0].parents == (report.revision,)
    assert ask(database_url, "SELECT had FROM u") == [("77s",)]


def test_a_file_that_comes_too_late_to_be_run_is_refused(
    project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its timestamp puts it below what the version table says is applied."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    pair(project.versions, f"{A}_a", "CREATE TABLE t ()", "DROP TABLE t")
    assert asyncio.run(Migrator(project.ini, url=database_url).stamp("head")).after == (A,)
    assert upgrade(project, database_url) == []  # stamped, not run: nothing to find fault with
    pair(project.versions, f"{C}_c", "CREATE TABLE v ()", "DROP TABLE v")
    assert upgrade(project, database_url) == [C]
    late = pair(project.versions, f"{B}_b", "CREATE TABLE u ()", "DROP TABLE u")
    with pytest.raises(GraphError, match=f"{B}_b.up.sql:1: is older than {C}") as caught:
        upgrade(project, database_url)
    assert "a timestamp of now" in str(caught.value.hint)
    with pytest.raises(GraphError, match="never run"):
        asyncio.run(Migrator(project.ini, url=database_url).ensure_head())
    for direction in (command.upgrade, command.downgrade):
        with pytest.raises(GraphError, match="never run"):
            direction(Config(str(project.ini)), f"{A}" if direction is command.downgrade else "head")
    late.rename(project.versions / "20260104000000_b.up.sql")
    (project.versions / f"{B}_b.down.sql").rename(project.versions / "20260104000000_b.down.sql")
    assert upgrade(project, database_url) == ["20260104000000"]
    assert relations(database_url) == {"u", "v"}


def test_a_folder_of_sql_files_is_a_project(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    headway = CommandLine(tmp_path, database_url)
    done = headway("revision", "-m", "Make t", "--directory", "migrations")
    assert done.returncode == 0
    up, down = (tmp_path / line for line in done.stdout.split())
    up.write_text(up.read_text() + "CREATE TABLE t (id int);\n")
    down.write_text(down.read_text() + "DROP TABLE t;\n")
    done = headway("up", "head")
    assert done.returncode == 0
    assert "1 revision applied" in done.stderr
    assert relations(database_url) == {"t"}
    assert headway("revision", "--autogenerate", "-m", "x").returncode == 2

    monkeypatch.chdir(tmp_path)
    migrator = Migrator(url=database_url)
    with pytest.raises(ConfigurationError, match="no models to compare with"):
        asyncio.run(migrator.check())
    down.rename(tmp_path / "kept")
    with pytest.raises(RefusedError, match="cannot be undone: there is no"):
        asyncio.run(migrator.downgrade())
    (tmp_path / "kept").rename(down)
    asyncio.run(Migrator("migrations", url=database_url).downgrade())
    assert relations(database_url) == set()


@pytest.mark.asyncio
async def test_a_folder_of_sql_files_is_merged_in_sql(tmp_path: Path, database_url: str) -> None:
    folder = tmp_path / "db"
    migrator = Migrator(load_project(directory=folder), url=database_url)
    await migrator.revision("First")
    with pytest.raises(ResolutionError, match="There is one head"):
        await migrator.merge()
    await migrator.revision("Second", head="base", rev_id="second", branch_label="other")
    await migrator.revision("Third", head="second", splice=True, depends_on=["other"])
    with pytest.raises(ResolutionError, match="is not a head"):
        await migrator.revision("Fourth", head="second")
    report = await migrator.merge()
    assert len(list(folder.iterdir())) == 8
    assert (await migrator.upgrade()).after == (report.revision,)
