"""Applications under the servers that people run them with: real processes, real signals, real requests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from headway import Migrator
from servers import AT_WORK_UNTIL_GO, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import ProjectFolder

DEADLINE_S = 120.0
BOUND_S = 5.0
"""Within which a request is answered while a revision runs, in seconds, on a machine with much else to do."""

APP = """
import logging, os
from fastapi import FastAPI
from headway import Migrator
from headway.asgi import Probes, lifespan

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")

async def own(app):
    print("own lifespan began in", os.getpid(), flush=True)
    yield
    print("own lifespan ended in", os.getpid(), flush=True)

migrator = Migrator(os.environ["APP_PROJECT"])
app = FastAPI(lifespan=lifespan(
    migrator, os.environ["APP_MODE"], background=bool(os.environ.get("APP_BACKGROUND")), wraps=own,
))
app.router.routes.extend(Probes(migrator, cache_s=0).routes())

@app.get("/who")
async def who() -> int:
    return os.getpid()
"""


class Served:
    """A web server that runs the application above."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self._port = port
        self._log = log

    def said(self) -> str:
        return self._log.read_text()

    def get(self, path: str, *, timeout: float = 30.0) -> tuple[int, Any]:
        """Status and document; status 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=timeout) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())
        except OSError:
            return 0, None

    def wait_for(self, path: str, status: int = 200) -> None:
        def there() -> bool:
            assert self.process.poll() is None, self.said()
            return self.get(path)[0] == status

        wait_until(there, f"{path} answers {status}", timeout=DEADLINE_S)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)


@contextmanager
def served(
    project: ProjectFolder, url: str, *words: str, mode: str = "upgrade", **more: str
) -> Iterator[Served]:
    """Run a server until the end of the block; ``{port}`` in its arguments is where it listens."""
    (project.root / "served.py").write_text(APP)
    port = free_port()
    log = project.root / "served.log"
    environment = {
        **os.environ,
        "APP_PROJECT": str(project.ini),
        "APP_MODE": mode,
        "APP_ENVIRONMENT": "production",
        "DATABASE_URL": url,
        "PYTHONWARNINGS": "default",
        **more,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *(word.format(port=port) for word in words)],
            cwd=project.root,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Served(process, port, log)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


UVICORN = ("uvicorn", "served:app", "--port", "{port}")
GUNICORN = ("gunicorn", "served:app", "-k", "uvicorn_worker.UvicornWorker", "-b", "127.0.0.1:{port}")


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def at_work(url: str) -> bool:
    return bool(
        rows(
            url,
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
            "AND query LIKE '%FROM go%' AND pid <> pg_backend_pid()",
        )
    )


@pytest.fixture
def long(project: ProjectFolder, database_url: str) -> ProjectFolder:
    """r1 makes a table; r2 is at work until there is a row in ``go``."""
    execute(database_url, "CREATE TABLE go (at int)")
    project.revision("r1", upgrade="op.execute('CREATE TABLE users (id int)')")
    project.revision("r2", "r1", upgrade=f'op.execute("""{AT_WORK_UNTIL_GO}""")')
    return project


@pytest.mark.parametrize(
    ("words", "workers"),
    [
        pytest.param(UVICORN, 1, id="uvicorn"),
        pytest.param((*UVICORN, "--workers", "4"), 4, id="uvicorn-4", marks=pytest.mark.slow),
        pytest.param((*GUNICORN, "--workers", "2"), 2, id="gunicorn-2", marks=pytest.mark.slow),
    ],
)
def test_of_all_workers_one_migrates_the_others_wait_and_all_serve(
    project: ProjectFolder, database_url: str, words: tuple[str, ...], workers: int
) -> None:
    project.revision(
        "r1", upgrade="op.execute('CREATE TABLE users (id int)')\nop.execute('SELECT pg_sleep(3)')"
    )
    with served(project, database_url, *words) as server:
        server.wait_for("/readyz")
        wait_until(
            lambda: server.said().count("own lifespan began") == workers,
            "all workers serve",
            timeout=DEADLINE_S,
        )
        assert server.said().count("upgrade finished: 1 revision in") == 1
        server.end()
        assert server.said().count("own lifespan ended") == workers
    assert rows(database_url, "SELECT revision, outcome FROM migration_history") == [("r1", "succeeded")]
    assert "Traceback" not in server.said()


@pytest.mark.slow
def test_four_workers_answer_liveness_throughout_while_one_migrates_in_the_background(
    long: ProjectFolder, database_url: str
) -> None:
    words = (*UVICORN, "--workers", "4")
    with served(long, database_url, *words, APP_BACKGROUND="1") as server:
        wait_until(
            lambda: server.said().count("own lifespan began") == 4, "all workers serve", timeout=DEADLINE_S
        )
        wait_until(lambda: at_work(database_url), "a revision runs", timeout=DEADLINE_S)
        over = time.monotonic() + 3.0
        seen = []
        while time.monotonic() < over:
            assert server.get("/livez", timeout=BOUND_S)[0] == 200
            status, document = server.get("/readyz")
            assert (status, document["status"]) == (503, "starting")
            seen.append(document["reason"])
        assert {*seen} <= {
            "migrating: revision 2 of 2",
            "waiting for another migrator",
            "looking where the database stands",
        }
        execute(database_url, "INSERT INTO go VALUES (1)")
        wait_until(
            lambda: {server.get("/readyz")[0] for _ in range(12)} == {200},
            "every worker is ready",
            timeout=DEADLINE_S,
        )
    assert rows(database_url, "SELECT revision, outcome FROM migration_history ORDER BY id") == [
        ("r1", "succeeded"),
        ("r2", "succeeded"),
    ]


def test_a_migration_in_the_background_does_not_block_the_event_loop(
    long: ProjectFolder, database_url: str
) -> None:
    with served(long, database_url, *UVICORN, APP_BACKGROUND="1") as server:
        wait_until(lambda: at_work(database_url), "a revision runs", timeout=DEADLINE_S)
        # The revision goes on only when told to: a loop that it blocked would never answer.
        for _ in range(20):
            assert server.get("/who", timeout=BOUND_S)[0] == 200
        assert at_work(database_url)
        execute(database_url, "INSERT INTO go VALUES (1)")
        server.wait_for("/readyz")


def test_a_failed_migration_in_the_background_keeps_the_process_alive_and_not_ready(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1", upgrade="op.execute('SELECT 1/0')")
    with served(project, database_url, *UVICORN, APP_BACKGROUND="1") as server:
        wait_until(
            lambda: server.get("/readyz")[1] is not None and "failed" in server.get("/readyz")[1]["reason"],
            "it failed",
            timeout=DEADLINE_S,
        )
        status, document = server.get("/readyz")
        assert (status, document["reason"]) == (
            503,
            "revision r1 failed (StepFailedError, SQLSTATE 22012); the log says more",
        )
        assert server.get("/livez")[0] == 200
        assert server.process.poll() is None
        assert "division by zero" in server.said()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.sampled(2)
def test_a_signal_during_a_migration_ends_the_server_at_once_and_leaves_nothing_behind(
    long: ProjectFolder, database_url: str, number: signal.Signals
) -> None:
    with served(long, database_url, *UVICORN) as server:
        wait_until(lambda: at_work(database_url), "a revision runs", timeout=DEADLINE_S)
        server.end(number)
        assert f"interrupted by {number.name}" in server.said()
        assert "own lifespan began" not in server.said()
    assert rows(database_url, "SELECT version_num FROM alembic_version") == [("r1",)]
    assert rows(database_url, "SELECT revision, outcome FROM migration_history ORDER BY id") == [
        ("r1", "succeeded"),
        ("r2", "interrupted"),
    ]
    assert not at_work(database_url)
    locks = rows(
        database_url,
        "SELECT FROM pg_locks WHERE locktype = 'advisory' "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    assert locks == []


def test_new_code_on_an_older_database_in_production_is_refused_and_the_server_ends(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("users", "notes")
    with served(project, database_url, *UVICORN, mode="auto") as server:
        assert server.process.wait(DEADLINE_S) == 3  # uvicorn's code for a lifespan that raises
        assert "is unversioned: missing r1, r2" in server.said()
        assert "Run `headway upgrade` before this code starts." in server.said()
    assert rows(database_url, "SELECT to_regclass('alembic_version')") == [(None,)]


def test_new_code_on_an_older_database_in_development_upgrades(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("users")
    with served(project, database_url, *UVICORN, mode="auto", APP_ENVIRONMENT="development") as server:
        server.wait_for("/readyz")
    assert rows(database_url, "SELECT version_num FROM alembic_version") == [("r1",)]


@pytest.mark.asyncio
async def test_old_code_on_a_newer_database_starts_with_a_warning(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("users", "notes")
    await Migrator(project.ini, url=database_url).upgrade()
    (project.versions / "r2.py").unlink()
    with served(project, database_url, *UVICORN, mode="auto") as server:
        server.wait_for("/readyz")
        assert "WARNING headway: " in server.said()
        assert "is ahead of this code: it holds r2, unknown here" in server.said()
