"""The fixtures' cheap mode: a migrated SQLite file for each test, in suites of somebody else's."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from suites import outcomes, run

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import ProjectFolder

USERS = "op.create_table('users', sa.Column('id', sa.Integer, primary_key=True), sa.Column('name', sa.Text))"
NAMED = "op.execute(\"UPDATE users SET name = 'nobody' WHERE name IS NULL\")"
SUITE = """
    import sqlite3
    import pytest
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import AsyncSession

    COUNT = text("SELECT count(*), max(id) FROM users")
    ADD = text("INSERT INTO users (name) VALUES ('Ada')")

    @pytest.mark.parametrize("turn", range(2))
    def test_a_row_is_seen_by_its_own_test_alone(headway_database, turn):
        connection = sqlite3.connect(headway_database.dsn)
        connection.execute("INSERT INTO users (name) VALUES ('Ada')")
        connection.commit()
        assert connection.execute("SELECT id, name FROM users").fetchall() == [(1, "Ada")]
        connection.close()

    @pytest.mark.parametrize("turn", range(2))
    async def test_a_commit_is_real_and_does_not_last(headway_session, headway_engine, turn):
        await headway_session.execute(ADD)
        await headway_session.commit()
        async with AsyncSession(headway_engine) as other:
            assert (await other.execute(COUNT)).one() == (1, 1)
        await headway_session.execute(ADD)  # left open

    @pytest.mark.headway(revision="r1")
    async def test_a_migration_of_data(headway_migrator, headway_session):
        await headway_session.execute(text("INSERT INTO users (name) VALUES (NULL)"))
        await headway_session.commit()
        await headway_migrator.upgrade("head")
        assert await headway_session.scalar(text("SELECT name FROM users")) == "nobody"

    async def test_a_migrator_alone_has_an_empty_database(headway_migrator):
        assert (await headway_migrator.pending()).pending == ("r1", "r2")

    async def test_shared_ones(headway_module_engine, headway_suite_database, headway_database):
        async with headway_module_engine.begin() as connection:
            assert (await connection.execute(COUNT)).one() == (0, None)
        assert len({headway_suite_database.url, headway_database.url}) == 2
"""


def a_suite(project: ProjectFolder, tests: str = SUITE, ini: str = "") -> Path:
    project.revision("r1", upgrade=USERS)
    project.revision("r2", "r1", upgrade=NAMED)
    (project.root / "test_it.py").write_text(textwrap.dedent(tests), encoding="utf-8")
    own = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    (project.root / "pytest.ini").write_text(own + ini, encoding="utf-8")
    return project.root


def test_each_test_has_a_migrated_file_of_its_own_and_nothing_is_left(
    project: ProjectFolder, tmp_path: Path
) -> None:
    there = tmp_path / "temporary"
    there.mkdir()
    folder = a_suite(project, ini="headway_provider = sqlite\n")
    done = run(folder, more={"TMPDIR": str(there)})
    assert outcomes(done) == {"passed": 7}, done.stdout
    assert "headway: SQLite, a file for each test (headway_provider=sqlite)" in done.stdout
    assert not [path for path in there.iterdir() if path.name.startswith("headway-tests")]


def test_workers_of_xdist_share_nothing(project: ProjectFolder) -> None:
    done = run(a_suite(project), "-n", "2", "--headway-database-url", "sqlite+aiosqlite://")
    assert outcomes(done) == {"passed": 7}, done.stdout


def test_what_is_of_postgresql_alone_is_said_and_a_failed_migration_told_once(project: ProjectFolder) -> None:
    folder = a_suite(
        project,
        """
        import pytest

        @pytest.mark.headway(isolation="savepoint")
        def test_savepoints(headway_database): ...

        def test_migrated(headway_database): ...

        def test_migrated_too(headway_database): ...
        """,
    )
    project.revision("r3", "r2", upgrade="op.execute('SELECT nothing')")
    done = run(folder, "--headway-provider=sqlite")
    assert outcomes(done) == {"error": 3} or outcomes(done) == {"errors": 3}, done.stdout
    assert "@pytest.mark.headway: savepoint is for PostgreSQL; on SQLite each test has a copy" in done.stdout
    assert "upgrade of revision r3 (r3) failed" in done.stdout
    assert "as above: " in done.stdout


def test_the_file_of_a_failing_test_is_kept_on_request(project: ProjectFolder, tmp_path: Path) -> None:
    there = tmp_path / "temporary"
    there.mkdir()
    folder = a_suite(project, "def test_it(headway_database): assert headway_database.dsn == ''")
    kept = ("--headway-provider=sqlite", "--headway-keep")
    done = run(folder, *kept, more={"TMPDIR": str(there)})
    (file,) = there.glob("headway-tests-*-kept/*_it.db")
    assert f"sqlite3 {file}" in done.stdout
    assert f"headway: kept, until --headway-drop-kept: {file}" in done.stdout
    run(folder, "--headway-provider=sqlite", "--headway-drop-kept", more={"TMPDIR": str(there)})
    assert not file.exists()
