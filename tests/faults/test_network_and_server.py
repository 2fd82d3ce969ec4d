"""A network that swallows or crawls, and a server that is stopped in the midst and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import command
import looks
import probed_chain
import psycopg
import pytest
from extent import WHOLE, around, boundaries
from invariants import Evidence, code_of, violations
from laboratory import WAYS, Fault, Laboratory, Struck, equipped, later_runs, quiet, strike, watching
from records import Record
from statement_kinds import IN_ONE
from wire import Aim, Moment, Proxy

import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wire import Wire

_EVERY = 8
_AROUND = ("begin", "DDL of a revision", IN_ONE, "concurrent index", "version write", "commit")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["up", "down"] if WHOLE else ["up"])
def test_a_line_that_crawls_is_only_slow(laboratory: Laboratory, way: str) -> None:
    def slow(struck: Struck) -> bool:
        struck.wire.crawl()
        return True

    fault = Fault("TCP in slices of 16 bytes", slow, frozenset({0}))
    for number in around(laboratory.boundaries[way], _AROUND, seed=3, each=6):
        record = strike(laboratory, fault, way, Moment.BEFORE, number)
        assert record.code == 0
        assert record.violations == {}


@pytest.mark.parametrize("way", ["up", "down"] if WHOLE else ["down"])
def test_out_of_a_black_hole_a_signal_leads_and_the_lock_names_who_holds_it(
    laboratory: Laboratory, way: str
) -> None:
    """Nobody is told: not us, not the server, whose session keeps the migrator lock until its TCP gives up.

    This is the fault that is not survived without help: the next run ends with 75 and the statement that ends
    the session; after that statement it goes on.
    """
    for number in around(laboratory.boundaries[way], _AROUND, seed=5, each=4):
        evidence, at = _swallowed(laboratory, way, number)
        wrong = violations(evidence)
        laboratory.records.add(
            Record("TCP black hole", "before send", way, at, number, evidence.runs[0].code, wrong)
        )
        assert wrong == {}


def _swallowed(laboratory: Laboratory, way: str, number: int) -> tuple[Evidence, str | None]:
    words = (*WAYS[way], "--idle-in-transaction-session-timeout", "1s")
    with laboratory.database(way) as url, watching(url) as admin:
        codes = frozenset({code_of(signal.SIGTERM), 1})
        evidence = Evidence(
            way,
            probed_chain.HEAD if way == "up" else None,
            laboratory.truth,
            looks.look(admin),
            codes=codes,
            secrets=laboratory.secrets,
        )
        holder: list[command.Command] = []

        def swallow(wire: Wire) -> bool:
            wire.mute = True
            holder[0].signal(signal.SIGTERM)
            return True

        aim = Aim(number, Moment.BEFORE, swallow)
        with Proxy(url, aim) as proxy:
            with command.started(laboratory.folder, proxy.url, *words) as it:
                holder.append(it)
                evidence.runs.append(it.ended())
            done = False
            if looks.locks(admin):
                busy = command.run(laboratory.folder, url, *WAYS[way], "--lock-wait", "0")
                done = busy.code == 0  # it was swallowed when all was done but to let go of the lock
                assert done or (busy.code == 75 and "pg_terminate_backend(" in busy.err), busy.err
                for pid, _ in looks.sessions(admin):
                    admin.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
        evidence.leaked += quiet(admin, 30)
        evidence.after = looks.look(admin)
        assert not done or evidence.after.version == evidence.target
        later_runs(laboratory, evidence, url, admin)
    return evidence, aim.kind


# -- a server that goes down -------------------------------------------------------------------------------


@dataclass
class _Server:
    """A server of our own, with fsync on, that may be stopped and started."""

    home: servers.Postgres
    words: list[str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def stop(self, how: int) -> None:
        """SIGINT is fast, SIGQUIT immediate (PostgreSQL manual, section 18.5)."""
        self.processes[-1].send_signal(how)
        self.processes[-1].wait(60)

    def start(self) -> None:
        log = (self.home.home / "log").open("ab")
        with log:
            self.processes.append(
                subprocess.Popen(self.words, stdout=log, stderr=log, **servers._where(self.home.home))
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.home.url, connect_timeout=5).close()
                return
            time.sleep(0.02)
        raise TimeoutError


@pytest.fixture(scope="module")
def own(
    laboratory: Laboratory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[_Server, Laboratory]]:
    with servers.postgres() as made:
        words = [str(made.bin / "postgres"), "-D", str(made.home / "data")]
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(made.port),
            "unix_socket_directories": str(made.home),
            "fsync": "on",
            "max_connections": "60",
        }
        words += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        server = _Server(made, words)
        _end(made.pid)
        server.start()
        try:
            folder = tmp_path_factory.mktemp("own") / "project"
            with equipped(made.url, folder, laboratory.records) as it:
                yield server, it
        finally:
            server.stop(signal.SIGINT)


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and Path(f"/proc/{pid}/stat").exists():
        if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
        time.sleep(0.01)


@pytest.mark.parametrize("way", ["up", "down"] if WHOLE else ["up"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT] if WHOLE else [signal.SIGINT])
def test_a_server_that_is_stopped_and_started_again(
    own: tuple[_Server, Laboratory], how: signal.Signals, way: str
) -> None:
    server, laboratory = own
    name = "server stopped fast" if how is signal.SIGINT else "server stopped at once"
    for number in boundaries(len(laboratory.boundaries[way]), seed=int(how), every=_EVERY):
        at, evidence = _stopped(server, laboratory, how, (way, number))
        wrong = violations(evidence)
        laboratory.records.add(Record(name, "after send", way, at, number, evidence.runs[0].code, wrong))
        assert wrong == {}, number


def _stopped(
    server: _Server, laboratory: Laboratory, how: signal.Signals, place: tuple[str, int]
) -> tuple[str | None, Evidence]:
    way, number = place
    with laboratory.database(way) as url:
        with watching(url) as admin:
            evidence = Evidence(
                way,
                probed_chain.HEAD if way == "up" else None,
                laboratory.truth,
                looks.look(admin),
                codes=frozenset({0, 1}),
                secrets=laboratory.secrets,
            )

        def stop(_: Wire) -> bool:
            server.stop(how)
            server.start()
            return True

        aim = Aim(number, Moment.SENT, stop)
        with Proxy(url, aim) as proxy:
            evidence.runs.append(command.run(laboratory.folder, proxy.url, *WAYS[way]))
        with watching(url) as admin:
            evidence.leaked += quiet(admin)
            evidence.after = looks.look(admin)
            later_runs(laboratory, evidence, url, admin)
    return aim.kind, evidence
