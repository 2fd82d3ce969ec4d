"""``check`` in a scratch database: it needs no other, tells what differs, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

import headway
from commandline import CommandLine
from conftest import ProjectFolder
from headway import (
    CheckReport,
    DatabaseError,
    DatabaseURL,
    HeadwayError,
    Migrator,
    StepFailedError,
    StepStarted,
    embedded,
)
from servers import create_role, sibling

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.vector

UNREACHABLE = "postgresql://nobody@127.0.0.1:1/nothing"
MODELS = """
import sqlalchemy as sa
from pgvector.sqlalchemy import Vector
metadata = sa.MetaData()
sa.Table("users", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("age", sa.BigInteger, server_default=sa.text("7")),
    sa.Column("place", Vector(3)),
    sa.Index("ix_users_name", "name"),
    sa.UniqueConstraint("age", name="uq_users_age"),
)
sa.Table("orders", metadata, sa.Column("id", sa.Integer, primary_key=True), schema=SCHEMA)
"""
HISTORY = """
op.execute("CREATE EXTENSION vector")
op.execute("CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL, age integer, place vector(3),"
           " old date)")
op.execute("CREATE TABLE gone (id integer)")
op.execute("INSERT INTO gone VALUES (1)")
assert op.get_bind().exec_driver_sql("SELECT id FROM gone").scalar_one() == 1
"""
EXPECTED = {
    ("added", "table", None, "orders", None, None),
    ("removed", "table", None, "gone", None, None),
    ("removed", "column", None, "users", "old", None),
    ("changed", "column", None, "users", "age", "type"),
    ("changed", "column", None, "users", "age", "default"),
    ("added", "index", None, "users", "ix_users_name", None),
    ("added", "unique constraint", None, "users", "uq_users_age", None),
}


def a_project(folder: Path) -> ProjectFolder:
    project = ProjectFolder(folder)
    project.revision("r1", upgrade=HISTORY)
    project.env("metadata, include_schemas=True", MODELS.replace("SCHEMA", "None"))
    return project


def told(report: CheckReport) -> set[tuple[str | None, ...]]:
    return {
        (item.change.value, item.kind, item.schema, item.table, item.name, item.attribute)
        for item in report.changes
    }


@pytest.fixture
def own_url(database_url: str) -> Iterator[str]:
    """The database as a role of this test's own, by which its scratch databases are told from others'."""
    url = DatabaseURL.parse(database_url)
    role = sql.Identifier(url.name)
    with psycopg.connect(database_url, autocommit=True) as connection:
        create_role(connection, url)
        connection.execute(sql.SQL("ALTER ROLE {} SUPERUSER").format(role))
        yield sibling(database_url, user=url.name)
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


def scratch_databases(url: str) -> Sequence[str]:
    """Those of the URL's role."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT datname FROM pg_database"
            " WHERE datname ~ '^headway_scratch' AND pg_get_userbyid(datdba) = current_user"
        )
        return [row[0] for row in rows]


def a_server(folder: Path) -> list[Path]:
    return [path for path in (folder / ".headway").rglob("*") if path.name != ".gitignore"]


def test_without_any_database_the_command_tells_each_difference_on_an_embedded_server_that_is_gone_afterwards(
    checkout: Path,
) -> None:
    a_project(checkout / "project")
    command = CommandLine(checkout / "project", UNREACHABLE)

    done = command("check", "--scratch", "--json", variables={"APP_ENVIRONMENT": "production"})

    assert done.returncode == 4, done.stderr
    document = json.loads(done.stdout)
    assert document["format_version"] == 1
    assert document["clean"] is False
    keys = ("change", "kind", "schema", "table", "name", "attribute")
    assert {tuple(item[key] for key in keys) for item in document["changes"]} == EXPECTED
    age = {item["attribute"]: item for item in document["changes"] if item["name"] == "age"}
    assert (age["type"]["old"], age["type"]["new"]) == ("INTEGER", "BIGINT")
    assert (age["default"]["old"], age["default"]["new"]) == ("none", "7")
    assert "creating the embedded PostgreSQL in .headway/scratch/" in done.stderr
    assert "r1" in done.stderr
    assert not (checkout / "project" / ".headway").exists()


def test_what_a_killed_check_left_is_removed_by_the_next_one(checkout: Path) -> None:
    project = a_project(checkout / "project")
    project.revision("r2", "r1", upgrade="print('here', flush=True)\nimport time\ntime.sleep(600)")
    environment = {"PYTHONPATH": str(Path(headway.__file__).parents[1]), "PATH": os.environ["PATH"]}
    child = subprocess.Popen(
        [sys.executable, "-m", "headway", "check", "--scratch"],
        cwd=project.root,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stderr is not None
        for line in child.stderr:
            if line.strip() == "here":
                break
        child.kill()
    assert child.wait() == -signal.SIGKILL
    assert a_server(project.root)
    (project.versions / "r2.py").unlink()

    (left,) = (project.root / ".headway" / "scratch").iterdir()
    deadline = time.monotonic() + 60
    while embedded.status(left).running and time.monotonic() < deadline:
        time.sleep(0.05)  # it ends by itself, for its only user is gone

    report = asyncio.run(Migrator(project.ini, url=UNREACHABLE).check(scratch="embedded"))

    assert told(report) == EXPECTED
    assert not a_server(project.root)


@pytest.mark.asyncio
async def test_on_a_server_of_ones_own_the_scratch_database_is_made_and_dropped(
    tmp_path: Path, own_url: str
) -> None:
    project = a_project(tmp_path / "project")

    report = await Migrator(project.ini, url=UNREACHABLE).check(scratch=own_url)

    assert told(report) == EXPECTED
    assert report.database.startswith("postgresql://")
    assert "headway_scratch_" in report.database
    assert scratch_databases(own_url) == []
    with psycopg.connect(own_url) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relname IN ('users', 'alembic_version')"
        )
        assert tables.fetchall() == []


@pytest.mark.asyncio
async def test_it_is_dropped_after_a_failure_and_a_cancellation_too(tmp_path: Path, own_url: str) -> None:
    project = a_project(tmp_path / "project")
    failing = project.revision("r2", "r1", upgrade="op.execute('SELECT 1 / 0')")
    with pytest.raises(StepFailedError):
        await Migrator(project.ini, url=UNREACHABLE).check(scratch=own_url)
    assert scratch_databases(own_url) == []

    failing.write_text(failing.read_text().replace("1 / 0", "pg_sleep(600)"))
    begun = asyncio.Event()
    task = asyncio.ensure_future(
        Migrator(
            project.ini,
            url=UNREACHABLE,
            listeners=[lambda event: begun.set() if isinstance(event, StepStarted) else None],
        ).check(scratch=own_url)
    )
    await asyncio.wait_for(begun.wait(), 60)
    assert len(scratch_databases(own_url)) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert scratch_databases(own_url) == []


@pytest.mark.asyncio
async def test_one_that_a_killed_process_left_is_dropped_by_a_later_check_and_a_young_or_used_one_is_not(
    tmp_path: Path, own_url: str
) -> None:
    project = a_project(tmp_path / "project")
    old, used, foreign = "headway_scratch_1_aa", "headway_scratch_2_bb", "headway_scratch_mine"
    young = f"headway_scratch_{int(time.time()) + 3000}_cc"
    with psycopg.connect(own_url, autocommit=True) as connection:
        for name in (old, used, foreign, young):
            connection.execute(f"CREATE DATABASE {name}".encode())
    server = DatabaseURL.parse(own_url)
    try:
        with psycopg.connect(dataclasses.replace(server, database=used).render()):
            await Migrator(project.ini, url=UNREACHABLE).check(scratch=own_url)
            assert sorted(scratch_databases(own_url)) == sorted([used, foreign, young])
    finally:
        with psycopg.connect(own_url, autocommit=True) as connection:
            for name in (old, used, foreign, young):
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


@pytest.mark.asyncio
async def test_a_role_that_may_create_no_database_is_told_what_to_do(
    tmp_path: Path, database_url: str
) -> None:
    project = a_project(tmp_path / "project")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE humble LOGIN")
    try:
        humble = database_url.replace("//postgres", "//humble")
        with pytest.raises(DatabaseError) as caught:
            await Migrator(project.ini, url=UNREACHABLE).check(scratch=humble)
    finally:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("DROP ROLE humble")
    assert caught.value.sqlstate == "42501"
    assert "an embedded one is started" in str(caught.value)


@pytest.mark.asyncio
async def test_all_of_several_heads_are_replayed_and_options_of_env_py_count(
    tmp_path: Path, database_url: str
) -> None:
    project = a_project(tmp_path / "project")
    project.revision("s1", upgrade="op.execute('CREATE SCHEMA shop; ')")
    project.revision("s2", "s1", upgrade="op.execute('CREATE TABLE shop.orders (id serial PRIMARY KEY)')")
    project.env("metadata, include_schemas=True, version_table='applied'", MODELS.replace("SCHEMA", "'shop'"))

    report = await Migrator(project.ini, url=UNREACHABLE).check(scratch=database_url)

    assert told(report) == {item for item in EXPECTED if item[3] != "orders"}


@pytest.mark.asyncio
async def test_a_scratch_url_that_leads_nowhere_is_an_error_of_ours(tmp_path: Path) -> None:
    project = a_project(tmp_path / "project")
    with pytest.raises(HeadwayError, match="cannot connect"):
        await Migrator(project.ini, url=UNREACHABLE).check(scratch=UNREACHABLE)
