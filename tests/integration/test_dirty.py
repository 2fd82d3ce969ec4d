"""A revision that was left half-way: who says so, what is refused, and how it is settled."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import pytest_asyncio

from commandline import forked
from headway import DirtyError, Migrator, State, StepFailedError
from headway.errors import ExitCode

if TYPE_CHECKING:
    import subprocess

    from conftest import ProjectFolder


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def run(project: ProjectFolder, url: str, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DATABASE_URL": url}
    return forked(program, ["-c", str(project.ini), *words], Path.cwd(), environment)


def half_way(project: ProjectFolder, *, upgrade: bool) -> Path:
    """r1 makes a table; r2 is not transactional and fails behind its first statement in one direction."""
    project.tables("a")
    body = "op.execute('CREATE TABLE b()')"
    undo = "op.execute('DROP TABLE b')"
    fail = "\nraise RuntimeError('no')"
    path = project.revision(
        "r2", "r1", upgrade=body + (fail if upgrade else ""), downgrade=undo + ("" if upgrade else fail)
    )
    source = path.read_text(encoding="utf-8")
    path.write_text(
        source.replace("down_revision =", "transactional = False\ndown_revision ="), encoding="utf-8"
    )
    return path


@pytest_asyncio.fixture
async def half_undone(project: ProjectFolder, database_url: str) -> Migrator:
    """A database at head whose downgrade failed half-way."""
    half_way(project, upgrade=False)
    migrator = Migrator(project.ini, url=database_url)
    await migrator.upgrade()
    with pytest.raises(StepFailedError):
        await migrator.downgrade()
    return migrator


@pytest_asyncio.fixture
async def half_applied(project: ProjectFolder, database_url: str) -> Migrator:
    """A database whose last upgrade failed half-way."""
    half_way(project, upgrade=True)
    migrator = Migrator(project.ini, url=database_url)
    with pytest.raises(StepFailedError):
        await migrator.upgrade()
    return migrator


@pytest.mark.asyncio
async def test_an_upgrade_with_nothing_to_do_is_no_success_while_a_downgrade_is_half_way(
    half_undone: Migrator,
) -> None:
    assert (await half_undone.status()).current == ("r2",)
    with pytest.raises(DirtyError, match="downgrade of r2") as caught:
        await half_undone.upgrade()
    assert caught.value.exit_code is ExitCode.DIRTY
    assert "headway stamp" in str(caught.value.hint)


@pytest.mark.asyncio
async def test_nor_is_one_to_where_the_database_stands_while_an_upgrade_is_half_way(
    half_applied: Migrator,
) -> None:
    with pytest.raises(DirtyError):
        await half_applied.upgrade("r1")


@pytest.mark.asyncio
async def test_the_alembic_command_says_so_too_and_looks_as_before(
    project: ProjectFolder, database_url: str, half_undone: Migrator
) -> None:
    assert (await half_undone.status()).state is State.DIRTY
    done = run(project, database_url, "alembic", "upgrade", "head")
    assert done.returncode != 0
    assert "downgrade of r2 was interrupted" in done.stdout + done.stderr
    assert run(project, database_url, "alembic", "current").returncode == 0


@pytest.mark.asyncio
async def test_going_on_in_the_same_direction_settles_it(
    project: ProjectFolder, half_undone: Migrator
) -> None:
    path = project.versions / "r2.py"
    path.write_text(
        path.read_text(encoding="utf-8").replace("raise RuntimeError('no')", "pass"), encoding="utf-8"
    )
    await half_undone.downgrade()
    assert (await half_undone.status()).state is State.BEHIND


@pytest.mark.asyncio
@pytest.mark.parametrize("target", ["r1", "r2", "base"])
@pytest.mark.parametrize("purge", [False, True])
async def test_a_stamp_settles_it_wherever_the_database_is_said_to_stand(
    half_applied: Migrator, database_url: str, target: str, *, purge: bool
) -> None:
    await half_applied.stamp(target, purge=purge)
    status = await half_applied.status()
    assert status.state is not State.DIRTY
    assert (await half_applied.pending()).dirty is None
    assert status.current == (() if target == "base" else (target,))
    known = {row[0] for row in rows(database_url, "SELECT version FROM schema_migrations")}
    assert known == {"r1": {"r1"}, "r2": {"r1", "r2"}, "base": set()}[target]
    assert await half_applied.verify_log() == ()


@pytest.mark.asyncio
async def test_a_stamp_settles_a_half_undone_revision_where_it_is(half_undone: Migrator) -> None:
    await half_undone.stamp("r2")
    assert (await half_undone.status()).state is State.AT_HEAD
    assert (await half_undone.upgrade()).steps == ()


@pytest.mark.asyncio
async def test_a_stamp_by_the_alembic_command_settles_it(
    project: ProjectFolder, database_url: str, half_applied: Migrator
) -> None:
    done = run(project, database_url, "alembic", "stamp", "r2")
    assert done.returncode == 0, done.stderr
    assert (await half_applied.status()).state is State.AT_HEAD


@pytest.mark.asyncio
async def test_all_agree_when_the_file_of_the_half_way_revision_is_gone(
    project: ProjectFolder, database_url: str, half_applied: Migrator
) -> None:
    (project.versions / "r2.py").unlink()
    assert (await half_applied.status()).state is State.DIRTY
    assert (await half_applied.pending()).state is State.DIRTY
    with pytest.raises(DirtyError):
        await half_applied.upgrade()
    report = await half_applied.doctor()
    assert report.state is State.DIRTY
    assert [check.name for check in report.problems] == ["interrupted"]
    assert run(project, database_url, "headway", "upgrade").returncode == ExitCode.DIRTY
    await half_applied.stamp("r1")
    assert (await half_applied.upgrade()).steps == ()
    assert (await half_applied.doctor()).migratable


@pytest.mark.asyncio
async def test_the_doctor_says_so_and_lets_an_upgrade_go_on_with_it(half_applied: Migrator) -> None:
    report = await half_applied.doctor()
    assert report.state is State.DIRTY
    assert report.migratable
    assert any("r2 was interrupted" in check.finding for check in report.checks)
