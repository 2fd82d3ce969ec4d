"""A backup that comes first: it must succeed, it finds the database, and it tells no secret."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

import headway
from commandline import CommandLine
from headway import Backup, BackupFailedError, BackupFinished, BackupStarted, Migrator, RefusedError

if TYPE_CHECKING:
    from conftest import ProjectFolder
    from headway import Event

_DEADLINE_S = 30


@pytest.fixture
def tool(project: ProjectFolder, database_url: str) -> CommandLine:
    """In a project of r1 (users), on an empty database."""
    project.tables("users")
    return CommandLine(project.root, database_url)


def _tables(database_url: str) -> list[str]:
    query = "SELECT relname FROM pg_class WHERE relname IN ('users', 'alembic_version') ORDER BY 1"
    with psycopg.connect(database_url) as connection:
        return [row[0] for row in connection.execute(query)]


def _python(script: str) -> str:
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(script)}"


def test_it_comes_first_finds_the_database_and_goes_on_record(
    project: ProjectFolder, tool: CommandLine, database_url: str
) -> None:
    """A client of PostgreSQL's that is told nothing but by its environment sees the schema as it was."""
    look = _python(
        "import psycopg; connection = psycopg.connect('')"
        "; found = connection.execute(\"SELECT current_database(), to_regclass('users')\")"
        "; open('seen', 'w').write(repr(found.fetchone()))"
    )
    done = tool("upgrade", "--backup-command", f"{look} # password=hunter2")
    assert done.returncode == 0, done.stderr
    name = headway.DatabaseURL.parse(database_url).name
    assert (project.root / "seen").read_text(encoding="utf-8") == repr((name, None))
    assert "backing up first: " in done.stderr
    assert done.stderr.index("backed up in") < done.stderr.index("r1 create users")
    with psycopg.connect(database_url) as connection:
        [[kept]] = connection.execute("SELECT versions ->> 'backup' FROM migration_history").fetchall()
    assert kept.endswith("# password=***")
    assert "hunter2" not in done.stderr + done.stdout


def test_where_it_fails_nothing_is_changed_and_no_secret_is_told(
    tool: CommandLine, database_url: str
) -> None:
    done = tool("upgrade", "--backup-command", 'echo "no room for $PGUSER:$PGPASSWORD"; exit 7')
    assert done.returncode == 1
    assert "the backup failed with exit code 7, and so no revision was run" in done.stderr
    assert "no room for postgres:***" in done.stderr
    assert _tables(database_url) == []


@pytest.mark.asyncio
async def test_it_is_not_run_where_there_is_nothing_to_do(project: ProjectFolder, database_url: str) -> None:
    project.tables("users")
    migrator = Migrator(project.ini, url=database_url)
    await migrator.upgrade()
    assert (await migrator.upgrade(backup=Backup("exit 1"))).steps == ()


@pytest.mark.asyncio
async def test_what_it_says_too_long_is_cut_and_too_slow_is_ended(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("users")
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=database_url, listeners=[heard.append])
    with pytest.raises(BackupFailedError) as caught:
        await migrator.upgrade(backup=Backup("seq 1 100000; exit 1"))
    lines = caught.value.output.splitlines()
    assert (len(lines), lines[-1]) == (20, "100000")
    with pytest.raises(BackupFailedError, match="was not done within 100 ms"):
        await migrator.upgrade(backup=Backup("sleep 3600", timeout_s=0.1))
    assert [type(each) for each in heard if isinstance(each, BackupStarted | BackupFinished)] == [
        BackupStarted,
        BackupStarted,
    ]
    assert _tables(database_url) == []
    assert len((await migrator.downgrade("base", backup=Backup("exit 1"))).steps) == 0


@pytest.mark.asyncio
async def test_a_cancelled_run_ends_all_that_the_command_has_started(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("users")
    migrator = Migrator(project.ini, url=database_url)
    pids = project.root / "pids"
    command = (
        f"trap '' TERM; sleep 3600 & echo $$ $! > {shlex.quote(str(pids))}.part; mv {pids}.part {pids}; wait"
    )
    running = asyncio.create_task(migrator.upgrade(backup=Backup(command)))
    deadline = time.monotonic() + _DEADLINE_S
    while not pids.exists():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    for pid in map(int, pids.read_text(encoding="ascii").split()):
        while _lives(pid):
            assert time.monotonic() < deadline + _DEADLINE_S
            await asyncio.sleep(0.02)
    assert _tables(database_url) == []


def _lives(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] != "Z"


def test_ctrl_c_ends_it_and_the_run(project: ProjectFolder, database_url: str) -> None:
    project.tables("users")
    there = project.root / "there"
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {"PYTHONPATH": str(Path(headway.__file__).parent.parent), "DATABASE_URL": database_url}
    with subprocess.Popen(
        [sys.executable, "-m", "headway", "upgrade", "--backup-command", f"touch {there}; sleep 3600"],
        cwd=project.root,
        env=environment,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            deadline = time.monotonic() + _DEADLINE_S
            while not there.exists():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            assert process.wait(_DEADLINE_S) == 130
        finally:
            process.kill()
    assert _tables(database_url) == []


@pytest.mark.asyncio
async def test_a_file_has_no_server_that_a_command_could_find(project: ProjectFolder, tmp_path: Path) -> None:
    project.tables("users")
    migrator = Migrator(project.ini, url=f"sqlite+aiosqlite:///{tmp_path / 'app.db'}")
    with pytest.raises(RefusedError, match="is told by a PostgreSQL URL where its database is"):
        await migrator.upgrade(backup=Backup("true"))
