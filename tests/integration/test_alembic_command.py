"""The `alembic` command at the door: what it waits for and how long, and what a signal does to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy.ext.asyncio import create_async_engine

from headway import DatabaseURL
from headway.lock import lock_key
from headway.project import VersionTable
from servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import ProjectFolder

WAIT_S = 120
SETTINGS_AS_SEEN = (
    "op.execute(\"CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS lock_timeout, "
    "current_setting('statement_timeout') AS statement_timeout\")"
)
LIMITS = {"HEADWAY_LOCK_TIMEOUT": "3s", "HEADWAY_STATEMENT_TIMEOUT": "2min"}


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def start(
    project: ProjectFolder, url: str, program: str = "alembic", **variables: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", program, "-c", str(project.ini), "upgrade", "head"],
        env={**os.environ, "DATABASE_URL": url, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def held_by_somebody_else(url: str) -> Iterator[None]:
    key = lock_key(DatabaseURL.parse(url).name, VersionTable("alembic_version", "public"))
    with psycopg.connect(url, autocommit=True, application_name="another migrator") as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [key])
        yield


def test_it_says_what_it_waits_for_and_then_plans_anew(project: ProjectFolder, database_url: str) -> None:
    project.tables("a", "b")
    with held_by_somebody_else(database_url):
        waiting = start(project, database_url)
        assert waiting.stderr is not None
        said = waiting.stderr.readline()
        query(database_url, "CREATE TABLE a (id int)")
        query(database_url, "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY)")
        query(database_url, "INSERT INTO alembic_version VALUES ('r1')")
    out, rest = waiting.communicate(timeout=WAIT_S)
    assert waiting.returncode == 0, rest
    assert said.startswith("waiting for the migrator lock: held by pid ")
    assert "another migrator" in said
    assert out.splitlines() == ["Running upgrade r2, create b"]
    assert query(database_url, "SELECT revision, operation FROM migration_history ORDER BY id") == [
        ("r1", "baseline"),
        ("r2", "upgrade"),
    ]


@pytest.mark.parametrize("program", ["alembic", "headway"])
def test_how_long_it_waits_is_set_by_a_variable_that_headway_reads_too(
    project: ProjectFolder, database_url: str, program: str
) -> None:
    project.tables("a")
    with held_by_somebody_else(database_url):
        waiting = start(project, database_url, program, HEADWAY_LOCK_WAIT="0")
        said = "".join(waiting.communicate(timeout=WAIT_S))
    assert waiting.returncode not in {0, None}
    assert "another migrator is at work" in said
    assert "HEADWAY_LOCK_WAIT" in said


@pytest.mark.parametrize("program", ["alembic", "headway"])
@pytest.mark.sampled(2)
def test_timeouts_of_the_environment_hold_for_its_steps(
    project: ProjectFolder, database_url: str, program: str
) -> None:
    project.revision("r1", upgrade=SETTINGS_AS_SEEN)
    upgrade = start(project, database_url, program, **LIMITS)
    said = upgrade.communicate(timeout=WAIT_S)
    assert upgrade.returncode == 0, said
    assert query(database_url, "TABLE seen") == [("3s", "2min")]


def test_they_hold_on_a_connection_that_is_handed_over_too(
    project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncpg

    project.revision("r1", upgrade=SETTINGS_AS_SEEN)
    (project.root / ".env").write_text(
        "".join(f"{name}={value}\n" for name, value in LIMITS.items()), encoding="utf-8"
    )
    arguments = DatabaseURL.parse(database_url).connect_arguments()
    config = Config(project.ini)
    config.attributes["connection"] = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(**arguments)
    )
    command.upgrade(config, "head")
    assert query(database_url, "TABLE seen") == [("3s", "2min")]


@pytest.mark.parametrize(
    ("signum", "ends"), [(signal.SIGINT, {130, -signal.SIGINT}), (signal.SIGTERM, {143})], ids=["INT", "TERM"]
)
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.sampled(2)
def test_a_signal_rolls_back_closes_the_ledger_and_lets_go_of_the_lock(
    project: ProjectFolder, database_url: str, signum: signal.Signals, ends: set[int], times: int
) -> None:
    project.revision("r1", upgrade="op.execute('CREATE TABLE t()')\nop.execute('SELECT pg_sleep(600)')")
    victim = start(project, database_url)
    at_work = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND state = 'active' "
    at_work += "AND datname = current_database()"
    wait_until(lambda: query(database_url, at_work) != [], "the revision is at work")
    for _ in range(times):
        victim.send_signal(signum)
    said = victim.communicate(timeout=WAIT_S)
    assert victim.returncode in ends, said
    assert query(database_url, "SELECT outcome, error FROM migration_history") == [
        ("interrupted", "cancelled")
    ]
    assert query(database_url, "SELECT to_regclass('t')") == [(None,)]
    wait_until(
        lambda: query(database_url, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory'") == [],
        "the lock is free",
    )


def test_a_handler_of_the_callers_own_is_left_alone(
    project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def own(*_: object) -> None:
        """What the host does on SIGTERM."""

    monkeypatch.setenv("DATABASE_URL", database_url)
    project.revision("r1", upgrade="import signal\nassert signal.getsignal(signal.SIGTERM).__name__ == 'own'")
    before = signal.signal(signal.SIGTERM, own)
    try:
        command.upgrade(Config(project.ini), "head")
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)
    assert query(database_url, "SELECT outcome FROM migration_history") == [("succeeded",)]


def test_the_usual_handlers_are_back_afterwards(
    project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    project.tables("a")
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    command.upgrade(Config(project.ini), "head")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
