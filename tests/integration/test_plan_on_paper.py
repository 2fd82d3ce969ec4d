"""A sealed plan runs as it was made, or not at all; looked over before the lock and under it."""

from __future__ import annotations

import dataclasses
import json
import secrets
import sqlite3
from typing import TYPE_CHECKING

import psycopg
import pytest
from pydantic import SecretStr

from commandline import CommandLine
from headway import DatabaseURL, Direction, Effort, LockWaiting, Migrator, PlanMovedError, SealedPlan
from headway.lock import lock_key
from headway.project import VersionTable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conftest import ProjectFolder
    from headway import Event


@pytest.fixture
def migrator(project: ProjectFolder, database_url: str) -> Migrator:
    """In a project of r1 (users) and r2 (notes), on an empty database."""
    project.tables("users", "notes")
    return Migrator(project.ini, url=database_url)


async def _sealed(
    migrator: Migrator, target: str = "head", direction: Direction = Direction.UPGRADE
) -> SealedPlan:
    plan = await migrator.plan(target, direction=direction)
    return await migrator.seal(plan, await migrator.preview(plan), target=target)


def _execute(database_url: str, *statements: str) -> None:
    with psycopg.connect(database_url) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.mark.asyncio
async def test_it_runs_as_it_was_made_there_and_back(migrator: Migrator) -> None:
    sealed = await _sealed(migrator)
    assert sealed == await _sealed(migrator), "there is nothing in it but the plan"
    assert sealed.steps[0].facts["statements"][0]["sql"].startswith("CREATE TABLE users")
    report = await migrator.upgrade(SealedPlan.read(sealed.render()))
    assert [step.revision for step in report.steps] == ["r1", "r2"]
    with pytest.raises(PlanMovedError) as caught:
        await migrator.upgrade(sealed)
    assert caught.value.moved[0] == "the database is at r2, where the plan leads: it was run already"
    back = await _sealed(migrator, "-1", Direction.DOWNGRADE)
    assert (await migrator.downgrade(back)).after == ("r1",)


@pytest.mark.asyncio
async def test_a_plan_with_nothing_to_do_does_nothing(migrator: Migrator) -> None:
    await migrator.upgrade()
    assert (await migrator.upgrade(await _sealed(migrator))).steps == ()


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("ALTER TABLE other ADD n int", "table public.other has changed"),
        ("CREATE INDEX ON other (id)", "table public.other has changed"),
        ("DROP TABLE other", "table public.other is gone from the database"),
        ("CREATE TYPE mood AS ENUM ('sad')", "enum public.mood is new in the database"),
        ("CREATE SCHEMA s CREATE TABLE t (id int)", "table s.t is new in the database"),
    ],
)
@pytest.mark.asyncio
async def test_a_change_of_the_schema_is_named_and_nothing_runs(
    migrator: Migrator, database_url: str, statement: str, line: str
) -> None:
    _execute(database_url, "CREATE TABLE other (id int)")
    sealed = await _sealed(migrator)
    _execute(database_url, statement)
    with pytest.raises(PlanMovedError) as caught:
        await migrator.upgrade(sealed)
    assert caught.value.moved == (line,)
    assert (await migrator.status()).current == ()


@pytest.mark.asyncio
async def test_rows_and_headways_own_tables_move_nothing(migrator: Migrator, database_url: str) -> None:
    _execute(database_url, "CREATE TABLE other (id serial)")
    sealed = await _sealed(migrator)
    _execute(database_url, "INSERT INTO other DEFAULT VALUES", "ANALYZE other")
    # A run that failed has made the ledger and the version table.
    await migrator.stamp("base")
    assert len((await migrator.upgrade(sealed)).steps) == 2


@pytest.mark.asyncio
async def test_another_database_is_told_apart_and_another_role_is_not(
    project: ProjectFolder, migrator: Migrator, database_url: str, database_urls: Sequence[str]
) -> None:
    sealed = await _sealed(migrator)
    with pytest.raises(PlanMovedError) as caught:
        await Migrator(project.ini, url=database_urls[0]).upgrade(sealed)
    assert caught.value.moved[0].startswith("this is another database: ")
    role = f"another_{secrets.token_hex(4)}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD 'x'".encode())
        try:
            url = dataclasses.replace(DatabaseURL.parse(database_url), user=role, password=SecretStr("x"))
            assert len((await Migrator(project.ini, url=url.render()).upgrade(sealed)).steps) == 2
        finally:
            connection.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER".encode())
            connection.execute(f"DROP ROLE {role}".encode())


@pytest.mark.asyncio
async def test_what_moves_while_it_waits_for_the_lock_is_found_under_it(
    project: ProjectFolder, migrator: Migrator, database_url: str
) -> None:
    sealed = await _sealed(migrator)
    key = lock_key(DatabaseURL.parse(database_url).name, VersionTable("alembic_version", "public"))
    with psycopg.connect(database_url, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [key])

        def let_go(event: Event) -> None:
            if isinstance(event, LockWaiting):
                holder.execute("CREATE TABLE IF NOT EXISTS late (id int)")
                holder.execute("SELECT pg_advisory_unlock_all()")

        migrator.listen(let_go)
        with pytest.raises(PlanMovedError) as caught:
            await migrator.upgrade(sealed)
    assert caught.value.moved == ("table public.late is new in the database",)
    assert (await migrator.status()).current == ()


def test_on_the_command_line(project: ProjectFolder, database_url: str) -> None:
    project.tables("users")
    tool = CommandLine(project.root, database_url)
    done = tool("plan", "--no-scratch", "--out", "plan.json", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"][0]["revision"] == "r1"
    assert "sealed: headway upgrade --plan plan.json" in done.stderr
    path = project.root / "plan.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "downgrade" in tool("downgrade", "--plan", "plan.json", "--yes").stderr
    assert tool("upgrade", "r1", "--plan", "plan.json").returncode == 2
    assert "--plan: absent.json cannot be read" in tool("upgrade", "--plan", "absent.json").stderr
    assert "CREATE TABLE users" in tool("upgrade", "--dry-run", "--plan", "plan.json", "--no-scratch").stdout
    path.write_text(
        path.read_text(encoding="ascii").replace("CREATE TABLE", "CREATE  TABLE"), encoding="ascii"
    )
    done = tool("upgrade", "--plan", "plan.json")
    assert done.returncode == 3
    assert "plan.json is not as it was written" in done.stderr
    tool("plan", "--no-scratch", "--out", "plan.json")
    project.revision("r1", upgrade="op.create_table('others')")
    done = tool("upgrade", "--plan", "plan.json", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["moved"] == ["revision r1 was edited"]


@pytest.mark.asyncio
async def test_an_sqlite_file_has_sealed_plans_too(project: ProjectFolder, tmp_path: Path) -> None:
    project.tables("users", "notes")
    migrator = Migrator(project.ini, url=f"sqlite+aiosqlite:///{tmp_path / 'app.db'}")
    await migrator.upgrade("r1")
    sealed = await _sealed(migrator)
    assert [*sealed.database.objects] == ["table users"]
    with sqlite3.connect(tmp_path / "app.db") as connection:
        connection.execute("CREATE TABLE other (id int)")
    connection.close()
    with pytest.raises(PlanMovedError, match="table other is new in the database"):
        await migrator.upgrade(sealed)
    assert len((await migrator.upgrade(await _sealed(migrator))).steps) == 1


@pytest.mark.asyncio
async def test_a_traced_plan_has_facts_live_sizes_and_who_is_in_the_way_and_seals_alike(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("users")
    migrator = Migrator(project.ini, url=database_url)
    await migrator.upgrade()
    project.revision("r2", "r1", upgrade="op.execute('ALTER TABLE users ALTER id TYPE bigint')")
    plan = await migrator.plan()
    with psycopg.connect(database_url, application_name="idler") as idler:
        idler.execute("INSERT INTO users SELECT generate_series(1, 1000)")
        preview = await migrator.preview(plan, scratch=database_url)
    assert (preview.oracle or "").startswith("PostgreSQL ")
    [statement] = preview.steps[0].statements
    assert (statement.traced, statement.effort) == (True, Effort.REWRITE)
    assert (preview.size_of(statement) or 0) > 30_000
    assert [(it.relation, it.peer.application_name) for it in preview.obstacles] == [("users", "idler")]
    sealed = await migrator.seal(plan, preview, target="head")
    again = await migrator.preview(plan, scratch=database_url)
    assert (await migrator.seal(plan, again, target="head")).render() == sealed.render()
    assert again.obstacles == ()
    assert (await migrator.upgrade(sealed)).after == ("r2",)
