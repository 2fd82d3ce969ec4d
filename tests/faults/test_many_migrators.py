"""Many migrators at once, and what stands in the way of one: a long query, an idle transaction, a vacuum."""

from __future__ import annotations

import contextlib
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import command
import looks
import probed_chain
import psycopg
import pytest
from extent import WHOLE
from invariants import Evidence, span, violations
from laboratory import UP, WAYS, Laboratory, application, later_runs, quiet, watching
from records import Record
from wire import Proxy

import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

_ATTEMPT_S = 1.5
"""The longest ``lock_timeout`` that an attempt gets by itself (``headway.retry.RetryPolicy``)."""
_SLACK_S = 3.5
"""For a machine that is busy with other things."""


@pytest.mark.parametrize("way", ["up", "down"] if WHOLE else ["up"])
@pytest.mark.parametrize("count", [2, 8, 32] if WHOLE else [2])
def test_many_at_once_do_the_work_once(laboratory: Laboratory, way: str, count: int) -> None:
    with laboratory.database(way) as url, watching(url) as admin, ExitStack() as stack:
        evidence = _evidence(laboratory, way, admin)
        proxies = [stack.enter_context(Proxy(url)) for _ in range(count)]
        commands = [
            stack.enter_context(command.started(laboratory.folder, proxy.url, *WAYS[way]))
            for proxy in proxies
        ]
        evidence.runs += [it.ended() for it in commands]
        for proxy in proxies:
            evidence.spans += span(proxy.statements)
        evidence.leaked += quiet(admin)
        evidence.after = looks.look(admin)
        # A downgrade that finds less to destroy than was agreed to is refused, and rightly.
        assert {run.code for run in evidence.runs} <= ({0} if way == "up" else {0, 3})
        assert 0 in {run.code for run in evidence.runs}, [run.err for run in evidence.runs]
        later_runs(laboratory, evidence, url, admin)
    # I7 and I8 are asked of the one that did the work.
    evidence.runs[:count] = sorted(evidence.runs[:count], key=lambda run: run.code)
    wrong = violations(evidence)
    laboratory.records.add(Record(f"{count} migrators at once", "", way, None, 0, 0, wrong))
    assert wrong == {}


def _evidence(laboratory: Laboratory, way: str, admin: psycopg.Connection) -> Evidence:
    target = probed_chain.HEAD if way == "up" else None
    before = looks.look(admin)
    return Evidence(way, target, laboratory.truth, before, codes=frozenset({0}), secrets=laboratory.secrets)


_BLOCKERS = {
    "a query that runs": "SELECT count(*) FROM bystander",
    "an idle transaction": "SELECT count(*) FROM bystander",
    "a vacuum's lock": "LOCK TABLE bystander IN SHARE UPDATE EXCLUSIVE MODE",
}
# Building an index concurrently waits for a query that runs, whatever it reads.
_WAITS = """
    SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE datname = current_database() AND NOT granted
"""
_BLOCKED_S = 1.5


@contextlib.contextmanager
def _blocked(url: str, name: str) -> Iterator[None]:
    """Something stands in the way until the migrator has met it, and one and a half seconds longer."""
    with psycopg.connect(url, application_name=looks.BYSTANDER) as holding, watching(url) as seeing:
        holding.execute(_BLOCKERS[name].encode())
        at_work = threading.Thread(target=_sleep, args=(holding,), daemon=True) if "runs" in name else None

        def let_go() -> None:
            servers.wait_until(lambda: seeing.execute(_WAITS).fetchone() is not None, "the migrator waits")
            time.sleep(_BLOCKED_S)  # it is the length of this that is tried
            seeing.execute("SELECT pg_cancel_backend(%s)", (holding.info.backend_pid,))
            if at_work is not None:
                at_work.join()
            holding.rollback()

        if at_work is not None:
            at_work.start()
        patience = threading.Thread(target=let_go, daemon=True)
        patience.start()
        yield
        patience.join()


def _sleep(connection: psycopg.Connection) -> None:
    with contextlib.suppress(psycopg.errors.QueryCanceled):
        connection.execute("SELECT pg_sleep(600)")


@pytest.mark.parametrize("name", _BLOCKERS)
@pytest.mark.sampled(3)
def test_what_is_in_the_way_is_waited_for_in_short_bites(laboratory: Laboratory, name: str) -> None:
    with laboratory.database("up") as url, watching(url) as admin:
        evidence = _evidence(laboratory, "up", admin)
        evidence.harm_s = _ATTEMPT_S + _SLACK_S
        with application(url) as app, _blocked(url, name):
            evidence.runs.append(command.run(laboratory.folder, url, *UP))
        evidence.latencies, evidence.app_errors = app.latencies, app.errors
        evidence.leaked += quiet(admin)
        evidence.after = looks.look(admin)
        later_runs(laboratory, evidence, url, admin)
    wrong = violations(evidence)
    laboratory.records.add(Record(f"{name} in the way", "", "up", "DDL of a revision", 0, 0, wrong))
    assert wrong == {}


def test_without_a_lock_timeout_the_same_reader_harms_the_application(laboratory: Laboratory) -> None:
    """The proof that the check of I6 sees the harm that the engine's ``lock_timeout`` keeps away."""
    with laboratory.database("up") as url:
        with application(url) as app, _blocked(url, "an idle transaction"):
            command.run(laboratory.folder, url, *UP, "--lock-timeout", "0")
        assert max(app.latencies) > _BLOCKED_S / 2
