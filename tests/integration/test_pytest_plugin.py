"""The pytest plugin as other suites use it: each of them runs in a process of its own.

Which pytest that is says the environment: ``.ci/run`` runs this file on pytest 8 as well.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from headway import embedded
from headway.testing.server import cluster_directory
from suites import command, environment, outcomes, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import ProjectFolder

SERVER = "HEADWAY_TEST_DATABASE_URL"

USERS = """\
op.execute("CREATE TABLE users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL)")
"""
SPLIT = """\
op.execute("ALTER TABLE users ADD first text")
op.execute("UPDATE users SET first = split_part(name, ' ', 1)")
"""

# What every suite below has: a row written is there, and in no other test.
SYNC = """
    import psycopg
    import pytest

    @pytest.mark.parametrize("turn", range(2))
    def test_a_row_is_seen_by_its_own_test_alone(headway_database, turn):
        with psycopg.connect(headway_database.dsn) as connection:
            connection.execute("INSERT INTO users (name) VALUES ('Ada')")
            assert connection.execute("SELECT id, name FROM users").fetchall() == [(1, "Ada")]
"""
ASYNC = """
    import asyncio
    import pytest
    from sqlalchemy import text

    {mark}

    COUNT = text("SELECT count(*), max(id) FROM users")

    @pytest.mark.parametrize("turn", range(2))
    async def test_a_commit_is_real_and_does_not_last(headway_session, headway_engine, turn):
        await headway_session.execute(text("INSERT INTO users (name) VALUES ('Ada')"))
        await headway_session.commit()
        async with headway_engine.connect() as connection:
            assert (await connection.execute(COUNT)).one() == (1, 1)

    async def test_a_database_as_of_an_older_revision_is_upgraded_over_its_rows(headway_migrator):
        await headway_migrator.upgrade("r1")
        async with headway_migrator as migrator:
            assert (await migrator.pending()).pending == ("r2",)

    @pytest.mark.parametrize("turn", range(2))
    @pytest.mark.headway(isolation="clone")
    async def test_each_clone_is_its_own(headway_engine, turn):
        async with headway_engine.begin() as connection:
            await connection.execute(text("DROP TABLE users"))

    @pytest.mark.headway(isolation="savepoint")
    @pytest.mark.parametrize("turn", range(2))
    async def test_a_savepoint_is_rolled_back(headway_session, turn):
        await headway_session.execute(text("INSERT INTO users (name) VALUES ('Ada')"))
        await headway_session.commit()
        assert (await headway_session.execute(COUNT)).one()[0] == 1

    @pytest.mark.headway(revision="r1")
    async def test_rows_of_a_revision_before_the_last(headway_engine):
        async with headway_engine.connect() as connection:
            result = await connection.execute(text("SELECT * FROM users"))
            assert list(result.keys()) == ["id", "name"]
"""
OF_EACH_LIBRARY = {
    "asyncio-strict": ("pytestmark = pytest.mark.asyncio", ("-o", "asyncio_mode=strict")),
    "asyncio-auto": ("", ("-o", "asyncio_mode=auto")),
    "anyio": (
        """pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend():
        return 'asyncio'
    """,
        ("-p", "no:asyncio"),
    ),
}


@pytest.fixture
def suite(project: ProjectFolder) -> ProjectFolder:
    """A project of two revisions with an empty suite."""
    project.revision("r1", upgrade=USERS, downgrade="op.drop_table('users')", doc="create users")
    project.revision(
        "r2", "r1", upgrade=SPLIT, downgrade="op.drop_column('users', 'first')", doc="first names"
    )
    return project


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")


@pytest.mark.parametrize(
    "library",
    [
        pytest.param(name, marks=() if name == "asyncio-auto" else pytest.mark.slow)
        for name in OF_EACH_LIBRARY
    ],
)
def test_fixtures_serve_sync_and_async_tests_of(suite: ProjectFolder, server_url: str, library: str) -> None:
    mark, options = OF_EACH_LIBRARY[library]
    write(suite.root, test_sync=SYNC, test_async=ASYNC.replace("{mark}", mark))
    scope = () if library == "anyio" else ("-o", "asyncio_default_fixture_loop_scope=function")
    done = run(suite.root, *options, *scope, more={SERVER: server_url})
    assert outcomes(done) == {"passed": 10}, done.stdout + done.stderr


UNUSED = """
    import sys

    def test_nothing_heavy_was_loaded(pytestconfig):
        assert pytestconfig.pluginmanager.hasplugin("headway.pytest_plugin") or (
            pytestconfig.pluginmanager.hasplugin("headway"))
        heavy = {"sqlalchemy", "alembic", "asyncpg", "headway.testing", "headway.migrator", "asyncio"}
        assert heavy.intersection(sys.modules) == set()
"""


def test_a_suite_that_asks_for_no_database_loads_nothing(tmp_path: Path) -> None:
    write(tmp_path, test_unused=UNUSED)
    done = run(tmp_path, "-p", "no:asyncio", "-p", "no:anyio", "-p", "no:xdist", "-p", "no:Faker")
    assert outcomes(done) == {"passed": 1}, done.stdout + done.stderr


@pytest.mark.slow
def test_one_ini_line_adds_the_checks_to_the_suite_and_says_what_they_found(
    suite: ProjectFolder, server_url: str
) -> None:
    for name in ("r1", "r2"):
        path = suite.versions / f"{name}.py"
        path.rename(path.with_name(f"20260101_0000_{name}_.py"))
    suite.revision("r3", "r2", upgrade="op.execute('CREATE TABLE t (p users NOT NULL)')", doc="more")
    ini = "[pytest]\nheadway_checks = all\nasyncio_default_fixture_loop_scope = function\n"
    (suite.root / "pytest.ini").write_text(ini, encoding="utf-8")
    write(suite.root, test_own="def test_own(): pass")
    done = run(suite.root, "--strict-markers", "-n", "1", more={SERVER: server_url})
    told = done.stdout + done.stderr
    assert outcomes(done) == {"passed": 10, "failed": 3, "skipped": 1}, told
    assert "FAILED headway::upgrade_downgrade[r3]" in told
    assert "left over: relation public.t" in told
    assert "FAILED headway::whole_history" in told
    assert "FAILED headway::revision_files" in told
    assert "downgrade() does nothing, but upgrade() does" in told
    assert "env.py hands over no metadata" in told
    assert "Traceback" not in told


@pytest.mark.slow
def test_checks_are_left_out_of_a_run_of_single_files_and_chosen_by_name_or_marker(
    suite: ProjectFolder,
) -> None:
    (suite.root / "pytest.ini").write_text(
        "[pytest]\nheadway_checks = single_head offline_sql\n", encoding="utf-8"
    )
    write(suite.root, test_own="def test_own(): pass")
    quiet = ("-p", "no:asyncio", "--collect-only", "-q")
    every = ["headway::single_head", "headway::offline_sql[r1]", "headway::offline_sql[r2]"]
    for arguments, expected in {
        ("-m", "headway_checks"): every,
        ("--headway-checks=single_head", "test_own.py"): ["test_own.py::test_own", "headway::single_head"],
    }.items():
        listed = run(suite.root, *quiet, *arguments).stdout
        assert [line for line in listed.splitlines() if "::" in line] == expected
    (suite.root / "alembic.ini").unlink()
    lost = run(suite.root, *quiet)
    assert "ERROR collecting headway" in lost.stdout
    assert "no alembic.ini, no pyproject.toml with [tool.alembic]" in lost.stdout
    assert outcomes(run(suite.root, *quiet[:2], "test_own.py")) == {"passed": 1}
    wrong = run(suite.root, "--headway-checks=sinlge_head", *quiet)
    assert "headway_checks: no check is called sinlge_head; there are all, single_head" in wrong.stderr


MANY = """
    import os
    import psycopg
    import pytest

    @pytest.mark.parametrize("number", range(200))
    def test_one_of_many(headway_database, number, request):
        if number % 20 == 0:
            request.getfixturevalue("headway_engine")
        with psycopg.connect(headway_database.dsn) as connection:
            connection.execute("INSERT INTO users (name) VALUES ('Ada')")
            assert connection.execute("SELECT count(*) FROM users").fetchone() == (1,)
        if number == 100 and "STOP_AT" in os.environ:
            # Half-way: whoever runs us kills everybody now.
            open(os.environ["STOP_AT"], "w").close()
            import threading
            threading.Event().wait()
"""


@pytest.mark.slow
def test_two_hundred_tests_on_four_workers_leave_nothing_also_after_a_run_that_was_killed(
    suite: ProjectFolder, tmp_path: Path
) -> None:
    suite.root.chmod(0o755)
    write(suite.root, test_many=MANY)
    marked = tmp_path / "half-way"
    quiet = ("-q", "-n", "4", "-p", "no:asyncio", "--headway-isolation=reset")
    directory = cluster_directory(suite.root, embedded.locate().major)
    try:
        killed = subprocess.Popen(
            command(*quiet),
            cwd=suite.root,
            env=environment({"STOP_AT": str(marked), "OF_THIS_TEST": str(marked)}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(marked.exists)
        for pid in own_processes(marked):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed.wait()
        done = run(suite.root, *quiet, more={"OF_THIS_TEST": str(marked)})
        assert outcomes(done) == {"passed": 200}, done.stdout + done.stderr
        until(lambda: not own_processes(marked) and not processes_in(directory))
        assert not [*directory.rglob(".s.PGSQL.*[0-9]")]
        with (
            embedded.acquire(directory, database="postgres") as lease,
            psycopg.connect(lease.url) as connection,
        ):
            names = [name for (name,) in connection.execute("SELECT datname FROM pg_database").fetchall()]
        own = [name for name in names if "_t_" in name]
        assert own
        assert [name for name in own if "_template_" not in name] == []
    finally:
        for pid in own_processes(marked):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        embedded.reset(directory, force=True)


def own_processes(marked: Path) -> list[int]:
    """Those that inherited the environment of this test's runs, the server and its watcher aside."""
    return [
        pid
        for pid in pids()
        if f"OF_THIS_TEST={marked}".encode() in said(pid, "environ") and b"pytest" in said(pid, "cmdline")
    ]


def processes_in(directory: Path) -> list[int]:
    """Those that name a folder in their command line: the server, its watcher."""
    return [pid for pid in pids() if os.fsencode(directory) in said(pid, "cmdline")]


def pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def said(pid: int, what: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in two minutes"
        time.sleep(0.05)
