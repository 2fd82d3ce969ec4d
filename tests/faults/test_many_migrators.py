"""Many migrators at once, and what stands in the way of one: a long reader, an idle transaction, autovacuum."""

from __future__ import annotations

import contextlib
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import chain
import command
import looks
import psycopg
import pytest
from extent import WHOLE
from invariants import Evidence, span, violations
from laboratory import UP, WAYS, Laboratory, application, later_runs, quiet, watching
from records import Record
from wire import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

_ATTEMPT_S = 1.5
"""The longest ``lock_timeout`` that an attempt gets by itself (``headway.retry.RetryPolicy``)."""
_SLACK_S = 3.5
"""For a machine that is busy with other things."""


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("count", [2, 8, 32] if WHOLE else [2])
def test_many_at_once_do_the_work_once(laboratory: Laboratory, way: str, count: int) -> None:
    with laboratory.database(way) as url, watching(url) as admin, ExitStack() as stack:
        evidence = _evidence(laboratory, way, admin)
        proxies = [stack.enter_context(Proxy(url)) for _ in range(count)]
        commands = [
            stack.enter_context(command.started(laboratory.folder, proxy.url, *WAYS[way])) for proxy in proxies
        ]
        evidence.runs += [it.ended() for it in commands]
        for proxy in proxies:
            evidence.spans += span(proxy.statements)
        evidence.leaked += quiet(admin)
        evidence.after = looks.look(admin)
        assert {run.code for run in evidence.runs} == {0}
        later_runs(laboratory, evidence, url, admin)
    for run in evidence.runs[:count]:
        laboratory.records.add(Record(f"{count} migrators at once", "", way, None, 0, run.code, violations(evidence)))
    assert violations(evidence) == {}


def _evidence(laboratory: Laboratory, way: str, admin: psycopg.Connection) -> Evidence:
    target = chain.HEAD if way == "up" else None
    before = looks.look(admin)
    return Evidence(
        way, target, laboratory.truth, before, codes=frozenset({0}), secrets=laboratory.secrets
    )


@contextlib.contextmanager
def _reader(url: str) -> Iterator[None]:
    """A query that runs for two seconds on what ``r6`` alters."""
    with watching(url) as connection:
        query = threading.Thread(
            target=connection.execute, args=("SELECT count(*), pg_sleep(2) FROM (SELECT FROM bystander LIMIT 1) b",)
        )
        query.start()
        yield
        query.join()


@contextlib.contextmanager
def _idle(url: str) -> Iterator[None]:
    """A transaction that has read it, and sits idle for two seconds."""
    with psycopg.connect(url, application_name=looks.BYSTANDER) as connection:
        connection.execute("SELECT FROM bystander LIMIT 1")
        release = threading.Timer(2, connection.rollback)
        release.start()
        yield
        release.join()


@contextlib.contextmanager
def _vacuum(url: str) -> Iterator[None]:
    """A vacuum of it that takes its time."""
    with watching(url) as connection:
        connection.execute("SET vacuum_cost_delay = 100")
        connection.execute("SET vacuum_cost_limit = 1")
        vacuum = threading.Thread(target=connection.execute, args=("VACUUM (FREEZE) bystander",))
        vacuum.start()
        yield
        vacuum.join()


@pytest.mark.parametrize("blocker", [_reader, _idle, _vacuum], ids=["long reader", "idle transaction", "vacuum"])
def test_what_is_in_the_way_is_waited_for_in_short_bites(
    laboratory: Laboratory, blocker: object, request: pytest.FixtureRequest
) -> None:
    assert callable(blocker)
    with laboratory.database("up") as url, watching(url) as admin:
        evidence = _evidence(laboratory, "up", admin)
        evidence.harm_s = _ATTEMPT_S + _SLACK_S
        with application(url) as app, blocker(url):
            evidence.runs.append(command.run(laboratory.folder, url, *UP))
        evidence.latencies, evidence.app_errors = app.latencies, app.errors
        evidence.leaked += quiet(admin)
        evidence.after = looks.look(admin)
        later_runs(laboratory, evidence, url, admin)
    name = request.node.callspec.id
    laboratory.records.add(Record(f"{name} in the way", "", "up", "DDL of a revision", 0, 0, violations(evidence)))
    assert violations(evidence) == {}


def test_without_a_lock_timeout_the_same_reader_harms_the_application(laboratory: Laboratory) -> None:
    """The proof that the check of I6 sees the harm that the engine's ``lock_timeout`` keeps away."""
    with laboratory.database("up") as url:
        with application(url) as app, _reader(url):
            time.sleep(0.1)  # the reader is at it, and the run takes less than it does
            command.run(laboratory.folder, url, *UP, "--lock-timeout", "0")
        assert max(app.latencies) > 0.8
