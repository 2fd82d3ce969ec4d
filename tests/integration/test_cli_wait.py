"""``headway wait``, and the limits of a run, on the real command line."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

import headway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import ProjectFolder

    Start = Callable[..., subprocess.Popen[str]]

_DEADLINE_S = 120


@pytest.fixture
def start(project: ProjectFolder, database_url: str) -> Iterator[Start]:
    """Starts ``headway`` in a project of two revisions on an empty database; ``url`` names another."""
    project.tables("users", "notes")
    started: list[subprocess.Popen[str]] = []
    source = str(Path(headway.__file__).parent.parent)

    def begin(*words: str, url: str = database_url) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "headway", *words],
            cwd=project.root,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": source,
                "PYTHONUTF8": "1",
                "DATABASE_URL": url,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def _finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    said, told = process.communicate(timeout=_DEADLINE_S)
    assert "Traceback" not in told
    return process.returncode, said, told


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_wait_returns_once_somebody_else_has_migrated(start: Start) -> None:
    waiting = start("wait", "--timeout", "1h")
    assert waiting.stderr is not None
    first = waiting.stderr.readline()
    assert "waiting: " in first
    assert "missing r1, r2" in first
    assert _finish(start("upgrade"))[0] == 0
    code, said, told = _finish(waiting)
    assert (code, said) == (0, "")
    assert "at head (r2)" in told


@pytest.mark.slow
def test_wait_for_one_revision_does_not_ask_for_the_next(start: Start) -> None:
    assert _finish(start("upgrade", "r1"))[0] == 0
    code, said, _ = _finish(start("wait", "--revision", "r1", "--json"))
    document = json.loads(said)
    assert (code, document["current"], document["at_head"]) == (0, ["r1"], False)
    code, _, told = _finish(start("wait", "--revision", "r2", "--timeout", "300ms"))
    assert code == 4
    assert "missing r2" in told


def test_wait_exits_4_when_revisions_are_still_missing(start: Start) -> None:
    code, said, told = _finish(start("wait", "--timeout", "300ms"))
    assert (code, said) == (4, "")
    assert "missing r1, r2 (waited " in told
    assert "hint: " in told


@pytest.mark.slow
def test_wait_refuses_a_diverged_database_at_once(start: Start, database_url: str) -> None:
    assert _finish(start("upgrade", "r1"))[0] == 0
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO alembic_version VALUES ('ffff')")
    code, _, told = _finish(start("wait", "--timeout", "1h"))
    assert code == 7
    assert "unknown here: ffff" in told


def test_wait_goes_on_while_a_revision_is_half_way(start: Start, project: ProjectFolder) -> None:
    body = "op.execute('CREATE TABLE half()')\nop.execute('SELECT 1/0')\nop.execute('CREATE TABLE whole()')"
    path = project.revision("r3", "r2", upgrade=body)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("down_", "transactional = False\ndown_", 1), encoding="utf-8")
    assert _finish(start("upgrade"))[0] != 0
    code, _, told = _finish(start("wait", "--revision", "r2", "--timeout", "0"))
    assert code == 4
    assert "r3 was interrupted, or is being applied right now" in told


def test_wait_exits_1_when_the_server_was_never_there(start: Start) -> None:
    url = f"postgresql://u:s3cr%40et@127.0.0.1:{_free_port()}/d"
    code, _, told = _finish(start("wait", "--server", "--timeout", "300ms", url=url))
    assert code == 1
    assert "cannot connect" in told
    assert "(waited " in told
    assert "s3cr" not in told


def test_wait_for_the_server_asks_for_no_revision(start: Start) -> None:
    code, said, told = _finish(start("wait", "--server"))
    assert (code, said) == (0, "")
    assert "the server answers" in told


def test_wait_does_not_wait_for_a_database_that_does_not_exist(start: Start, database_url: str) -> None:
    url = database_url.replace("/headway_t_", "/headway_nowhere_", 1)
    code, _, told = _finish(start("wait", "--timeout", "1h", url=url))
    assert code == 1
    assert "does not exist" in told


@pytest.mark.parametrize(
    "words",
    [("wait", "--server", "--revision", "r1"), ("wait", "--timeout", "soon"), ("wait", "--timeout", "2m")],
)
def test_wait_refuses_what_it_cannot_mean(start: Start, words: tuple[str, ...]) -> None:
    code, _, told = _finish(start(*words))
    assert code == 2
    assert "hint: headway wait --help" in told


def test_wait_for_a_revision_that_does_not_exist_is_refused_at_once(start: Start) -> None:
    code, _, told = _finish(start("wait", "--revision", "nowhere", "--timeout", "1h"))
    assert code == 2
    assert "nowhere" in told


def test_a_blocked_upgrade_names_the_blocker_and_goes_on_after_it(
    start: Start, project: ProjectFolder, database_url: str
) -> None:
    project.revision("r3", "r2", upgrade="op.execute('ALTER TABLE users ADD name text')")
    assert _finish(start("upgrade", "r2"))[0] == 0
    with psycopg.connect(database_url, application_name="reports") as reader:
        reader.execute("SELECT * FROM users")
        upgrading = start("upgrade", "--lock-timeout", "60s")
        assert upgrading.stderr is not None
        line = ""
        while "waits for a lock" not in line:
            line = upgrading.stderr.readline()
            assert line, "it ended before it was blocked"
        assert f"held by pid {reader.info.backend_pid} (reports, " in line
        reader.rollback()
        code, _, told = _finish(upgrading)
    assert code == 0
    assert "✓ r3" in told


def test_an_upgrade_that_may_not_wait_for_the_migrator_exits_75_and_names_it(
    start: Start, project: ProjectFolder, database_url: str
) -> None:
    project.revision("r3", "r2", upgrade="op.execute('SELECT pg_sleep(600)')")
    slow = start("upgrade")
    try:
        assert slow.stderr is not None
        line = ""
        while "r2" not in line:
            line = slow.stderr.readline()
            assert line, "it ended before it slept"
        code, _, told = _finish(start("upgrade", "--lock-wait", "0"))
    finally:
        slow.terminate()
        assert _finish(slow)[0] == 143
    assert code == 75
    assert "migrator lock" in told
    assert "--lock-wait" in told
