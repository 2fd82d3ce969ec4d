"""`headway dev`: the embedded PostgreSQL, reached by a person."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import headway
from headway.embedded.ownership import SUPERVISOR_LOCK
from headway.embedded.place import is_locked
from servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import ProjectFolder

    Tool = Callable[..., subprocess.CompletedProcess[str]]

_CONNECT = """
import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    print(connection.execute("SELECT 6 * 7").fetchone()[0])
assert os.environ["MIGRATION_DATABASE_URL"] == os.environ["DATABASE_URL"]
"""


@pytest.fixture
def dev(project: ProjectFolder) -> Tool:
    """Runs ``headway dev`` in an empty project with nothing configured."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(headway.__file__).parent.parent)}
    if "HEADWAY_POSTGRES_BIN" in os.environ:
        environment["HEADWAY_POSTGRES_BIN"] = os.environ["HEADWAY_POSTGRES_BIN"]

    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "headway", "dev", *words],
            cwd=project.root,
            env=environment | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        assert "Traceback" not in done.stderr.replace("Traceback of the command", "")
        return done

    return run


def test_a_server_s_life(dev: Tool, project: ProjectFolder) -> None:
    directory = project.root / ".headway" / "postgres"

    done = dev("status")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "server   not running")
    assert not directory.exists()

    done = dev("url")
    assert done.returncode == 0
    assert done.stdout.startswith("postgresql://")
    assert "runs only while something uses it" in done.stderr
    assert directory.exists()

    address = done.stdout.strip()
    done = dev("run", "--", sys.executable, "-m", "headway", "-c", str(project.root), "dev", "status")
    assert f"url      {address}\n" in done.stdout

    done = dev("run", "--", sys.executable, "-c", _CONNECT)
    assert (done.returncode, done.stdout) == (0, "42\n")

    done = dev("run", sys.executable, "-c", "raise SystemExit(9)")
    assert done.returncode == 9

    inside = [sys.executable, "-m", "headway", "dev", "status", "--json"]
    document = json.loads(dev("run", "--", *inside).stdout)
    assert (document["running"], document["users"]) == (True, 1)

    # It ends with its last user, but not before that one: until then there would be something to stop.
    wait_until(lambda: not is_locked(directory / SUPERVISOR_LOCK), "the server has ended")
    assert "not running" in dev("stop").stderr

    done = dev("reset")
    assert done.returncode == 3
    assert "--yes" in done.stderr
    assert dev("reset", "--yes").returncode == 0
    assert "none yet" in dev("status").stdout


def test_psql_takes_its_own_arguments(dev: Tool) -> None:
    done = dev("psql", "-A", "-t", "-c", "SELECT 6 * 7")
    if shutil.which("psql") is None and "There is no psql" in done.stderr:
        assert done.returncode == 1
    else:
        assert (done.returncode, done.stdout) == (0, "42\n")


def test_a_server_is_refused_outside_development(dev: Tool, project: ProjectFolder) -> None:
    done = dev("run", "--", "true", APP_ENVIRONMENT="production")
    assert done.returncode == 3
    assert "production" in done.stderr
    assert not (project.root / ".headway").exists()


def test_a_command_that_does_not_exist_is_a_usage_error(dev: Tool) -> None:
    done = dev("run", "--", "no-such-command-anywhere")
    assert done.returncode == 2
    assert "no-such-command-anywhere" in done.stderr
