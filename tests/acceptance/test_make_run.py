"""``make run``: the very command that the Makefile holds, on a database of the test's own."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from servers import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DEADLINE_S = 120.0


def command(arguments: str) -> list[str]:
    """What the target's recipe runs, with this Python's environment in place of .venv."""
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("run:"))
    recipe = lines[at + 1].strip().removeprefix("@exec ")
    words = shlex.split(recipe.replace("$(ARGS)", arguments))
    return [word.replace("$(BIN)", str(Path(sys.executable).parent)) for word in words]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def running(port: int, database_url: str, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    log = tmp_path / "run.log"
    environment = {**os.environ, "DATABASE_URL": database_url, "PYTHONPATH": str(ROOT / "src")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(f"--port {port}"), cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    yield process, log
    if process.poll() is None:
        process.kill()
        process.wait()


@pytest.mark.vector
def test_make_run_brings_the_database_to_head_says_where_it_listens_and_ends_in_order(
    running: tuple[subprocess.Popen[bytes], Path], port: int, database_url: str
) -> None:
    process, log = running

    def listens() -> bool:
        assert process.poll() is None, log.read_text()
        return f"Uvicorn running on http://127.0.0.1:{port}" in log.read_text()

    wait_until(listens, "it listens", timeout=DEADLINE_S)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=30) as answer:
        assert answer.status == 200
    said = log.read_text()
    assert "Initial schema applied" in said
    assert "start-up: done in" in said
    assert "the database is at head" in said
    process.send_signal(signal.SIGINT)
    process.wait(DEADLINE_S)
    assert "Application shutdown complete." in log.read_text()
    assert "Traceback" not in log.read_text()
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM migration_history").fetchone() == (2,)
