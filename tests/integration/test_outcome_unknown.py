"""A COMMIT of which nobody can say what became of it, as whoever runs ``headway upgrade`` meets it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

import headway
from servers import sibling
from tcpproxy import Fault, TcpProxy, Towards

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import ProjectFolder

_IMPATIENT = """
import sys
import headway.lost_commit
from headway.cli import main
headway.lost_commit.RECONNECT_S = 1
sys.exit(main())
"""  # the command itself, but it does not wait 75 seconds for a server that stays away

took_effect = pytest.mark.parametrize(
    ("fault", "took_effect"),
    [(Fault.CUT_AFTER, True), (Fault.CUT_BEFORE, False)],
    ids=["took effect", "never arrived"],
)


def _run(project: ProjectFolder, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    source = str(Path(headway.__file__).parent.parent)
    return subprocess.run(
        [sys.executable, "-c", _IMPATIENT, *words],
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": source, "PYTHONUTF8": "1", "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


def _rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def _break_commit(proxy: TcpProxy, fault: Fault, *, down: bool = False) -> None:
    proxy.rule(b"COMMIT;\x00", Towards.SERVER, fault, after=b"CREATE TABLE b()", down=down)


@pytest.fixture
def two(project: ProjectFolder) -> ProjectFolder:
    """A project whose second revision creates the table ``b``."""
    project.tables("a")
    project.revision("r2", "r1", upgrade="op.execute('CREATE TABLE b()')")
    return project


@pytest.fixture
def plain_role(database_url: str) -> Iterator[str]:
    """The URL of a role that owns the database, which keeps from it which server it is (as Aurora does)."""
    name = f"plain_{database_url.partition('?')[0].rpartition('_')[2]}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        owned = connection.info.dbname
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{connection.info.password}'".encode())
        connection.execute(f"ALTER DATABASE {owned} OWNER TO {name}".encode())
        connection.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        yield sibling(database_url, user=name)
        connection.execute(f"ALTER DATABASE {owned} OWNER TO CURRENT_USER".encode())
        connection.execute(f"DROP OWNED BY {name} CASCADE".encode())
        connection.execute(f"DROP ROLE {name}".encode())


def _assert_unknown(done: subprocess.CompletedProcess[str], url: str) -> None:
    """It ended at once with what to check, and no statement was sent a second time."""
    assert done.returncode == 1
    assert "outcome unknown: the connection broke while r2 was being committed" in done.stderr
    transaction = re.search(r"^ +xid +(\d+)$", done.stderr, re.MULTILINE)
    assert transaction is not None
    assert f"SELECT pg_xact_status('{transaction[1]}')" in done.stderr
    assert "`headway status`" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(_rows(url, "SELECT FROM migration_history WHERE revision = 'r2'")) == 1


def _assert_converges(two: ProjectFolder, url: str, *, took_effect: bool) -> None:
    """Status says where it stands, the next upgrade brings it to head, and the one after does nothing."""
    assert ("at_head" in _run(two, url, "status", "--json").stdout) is took_effect
    assert _run(two, url, "upgrade").returncode == 0
    assert _rows(url, "SELECT version_num, to_regclass('b') IS NOT NULL FROM alembic_version") == [
        ("r2", True)
    ]
    succeeded = "SELECT revision FROM migration_history WHERE outcome = 'succeeded' ORDER BY id"
    assert _rows(url, succeeded) == [("r1",), ("r2",)]
    done = _run(two, url, "upgrade")
    assert done.returncode == 0, done.stderr
    assert _rows(url, succeeded) == [("r1",), ("r2",)]


@pytest.mark.slow
@took_effect
def test_a_commit_lost_with_the_server_ends_in_what_to_check_and_the_next_run_converges(
    two: ProjectFolder, database_url: str, fault: Fault, *, took_effect: bool
) -> None:
    with TcpProxy(database_url) as proxy:
        _break_commit(proxy, fault, down=True)
        done = _run(two, proxy.url, "upgrade")
        assert proxy.struck.is_set()
        _assert_unknown(done, database_url)
        assert _run(two, proxy.url, "status").returncode == 1
        proxy.up()
        _assert_converges(two, proxy.url, took_effect=took_effect)


@pytest.mark.slow
@took_effect
def test_a_commit_lost_before_a_server_that_cannot_tell_ends_in_what_to_check_too(
    two: ProjectFolder, database_url: str, plain_role: str, fault: Fault, *, took_effect: bool
) -> None:
    with TcpProxy(plain_role) as proxy:
        _break_commit(proxy, fault)
        done = _run(two, proxy.url, "upgrade")
        assert proxy.struck.is_set()
        _assert_unknown(done, database_url)
        _assert_converges(two, proxy.url, took_effect=took_effect)
