"""Events as OpenTelemetry's spans and metrics."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress
from contextvars import copy_context
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import pytest
from opentelemetry.trace import SpanKind, StatusCode, use_span

from headway import (
    Direction,
    LockWaiting,
    Peer,
    RunFailed,
    RunFinished,
    RunStarted,
    StartupBegan,
    StartupFailed,
    StartupFinished,
    StartupMode,
    State,
    StatementFinished,
    StepBlocked,
    StepFailed,
    StepFinished,
    StepRetrying,
    StepStarted,
    Warned,
)
from headway.telemetry.attributes import database_attributes
from recorded_telemetry import Recorded, attributes, parent, span_id
from sample_events import DATABASE, PRIVATE, SAMPLE, STATEMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway import Event

OF_DATABASE = {
    "db.system.name": "postgresql",
    "db.namespace": "shop",
    "server.address": "db.example.org",
    "server.port": 5433,
}


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    made = Recorded()
    yield made
    made.close()


def tell(recorded: Recorded, *events: Event) -> None:
    for event in events:
        recorded.listener(event)


def run(*within: Event, id_: str = "run") -> list[Event]:
    return [RunStarted(id_, "upgrade", DATABASE, 1), *within, RunFinished(id_, "upgrade", 1, 1500.0)]


def step(*within: Event, id_: str = "run") -> list[Event]:
    about = (id_, "r1", Direction.UPGRADE, "create t", 1, 1)
    return [StepStarted(*about), *within, StepFinished(*about, 12.5)]


def failed(*, sqlstate: str | None = "42P01", kind: str = "StepFailedError") -> list[Event]:
    return [
        RunStarted("run", "upgrade", DATABASE, 1),
        StepStarted("run", "r1", Direction.UPGRADE, "create t", 1, 1),
        StepFailed("run", "r1", Direction.UPGRADE, kind, f"no such table\n{STATEMENT}", sqlstate),
        RunFailed("run", "upgrade", 0, 1500.0, kind, f"no such table\n{STATEMENT}"),
    ]


def test_a_run_is_a_span_with_its_steps_inside_it(recorded: Recorded) -> None:
    tell(recorded, *run(*step(), *step()))
    first, second, whole = recorded.spans()
    assert (whole.name, whole.kind, parent(whole)) == ("headway upgrade", SpanKind.INTERNAL, None)
    assert attributes(whole) == {
        **OF_DATABASE,
        "headway.operation": "upgrade",
        "headway.run_id": "run",
        "headway.run.steps": 1,
        "headway.run.steps_done": 1,
        "headway.outcome": "succeeded",
    }
    for inner in (first, second):
        assert (inner.name, inner.kind, parent(inner)) == ("headway step", SpanKind.CLIENT, span_id(whole))
    assert attributes(first) == {
        **OF_DATABASE,
        "headway.operation": "upgrade",
        "headway.run_id": "run",
        "headway.revision": "r1",
        "headway.description": "create t",
        "headway.direction": "upgrade",
        "headway.step.number": 1,
        "headway.outcome": "succeeded",
    }
    assert [span.status.status_code for span in recorded.spans()] == [StatusCode.UNSET] * 3


def test_the_scope_is_headway_with_its_version(recorded: Recorded) -> None:
    tell(recorded, *run())
    scope = recorded.span("headway upgrade").instrumentation_scope
    assert scope is not None
    assert scope.name == "headway"
    with suppress(PackageNotFoundError):  # run from its source tree
        assert scope.version == version("headway")


def test_where_headway_is_not_installed_there_are_spans_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.telemetry.otel._NAME", "nothing that is installed")
    from_source = Recorded()
    tell(from_source, *run())
    assert [span.name for span in from_source.spans()] == ["headway upgrade"]
    from_source.close()


def test_the_parent_is_the_callers_current_span(recorded: Recorded) -> None:
    with recorded.tracer.start_as_current_span("deploy"):
        tell(recorded, *run())
    assert parent(recorded.span("headway upgrade")) == span_id(recorded.span("deploy"))


def test_no_span_is_made_the_current_one(recorded: Recorded) -> None:
    tell(recorded, *run()[:1])
    with recorded.tracer.start_as_current_span("somebody else's"):
        pass
    assert parent(recorded.span("somebody else's")) is None


def test_a_failure_is_the_spans_status_and_type(recorded: Recorded) -> None:
    tell(recorded, *failed())
    inner, whole = recorded.spans()
    for span in (inner, whole):
        assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "no such table")
        assert attributes(span)["headway.outcome"] == "failed"
    assert attributes(inner)["error.type"] == attributes(inner)["db.response.status_code"] == "42P01"
    assert attributes(whole)["error.type"] == "StepFailedError"


def test_a_failure_without_a_sqlstate_has_the_class_of_the_error_as_its_type(recorded: Recorded) -> None:
    tell(recorded, *failed(sqlstate=None, kind="LockLostError"))
    inner, _ = recorded.spans()
    assert attributes(inner)["error.type"] == "LockLostError"
    assert "db.response.status_code" not in attributes(inner)


def test_a_step_that_says_nothing_more_ends_with_its_run(recorded: Recorded) -> None:
    started, begun, _, end = failed(kind="KeyboardInterrupt")
    tell(recorded, started, begun, end)
    assert [attributes(span)["error.type"] for span in recorded.spans()] == ["KeyboardInterrupt"] * 2


def test_a_run_that_waited_for_the_lock_begins_with_the_wait(recorded: Recorded) -> None:
    tell(recorded, LockWaiting("run", DATABASE, Peer(12), 0.0), LockWaiting("run", DATABASE, None, 90.0))
    tell(recorded, LockWaiting("late", DATABASE, None, 90.0), *run(id_="late"), *run(), *run(id_="free"))
    late, waited, free = recorded.spans()
    assert attributes(late)["headway.lock.waited"] >= 90.0
    assert 0.0 <= attributes(waited)["headway.lock.waited"] < 90.0
    assert "headway.lock.waited" not in attributes(free)
    assert late.start_time is not None
    assert late.end_time is not None
    assert late.end_time - late.start_time >= 90e9
    (point,) = recorded.points("headway.lock.wait.duration")
    assert point.count == 2
    assert point.attributes == {**OF_DATABASE, "headway.operation": "upgrade"}


def test_waits_that_were_given_up_are_not_kept_for_ever(recorded: Recorded) -> None:
    for number in range(1000):
        tell(recorded, LockWaiting(f"run {number}", DATABASE, None, 0.0))
    tell(recorded, *run(id_="run 0"), *run(id_="run 999"))
    assert ["headway.lock.waited" in attributes(span) for span in recorded.spans()] == [False, True]


def test_what_happens_within_a_step_is_an_event_of_its_span(recorded: Recorded) -> None:
    peers = (Peer(12, query=STATEMENT), Peer(13))
    within: list[Event] = [
        StepBlocked("run", "r1", peers, 2.0),
        StepBlocked("run", "r1", (), 3.0),
        StepRetrying("run", "r1", 1, "55P03", 0.5, peers),
        StatementFinished("run", "r1", STATEMENT, 3, 12.5),
        Warned("run", "r1", "an earlier attempt committed part of it"),
    ]
    tell(recorded, *run(*step(*within), Warned("run", None, "the lock was gone")))
    events = {event.name: dict(event.attributes or {}) for event in recorded.span("headway step").events}
    assert events == {
        "headway.blocked": {"headway.waited": 2.0, "headway.blocker.pids": (12, 13)},
        "headway.unblocked": {"headway.waited": 3.0},
        "headway.retry": {
            "db.response.status_code": "55P03",
            "headway.attempt": 1,
            "headway.delay": 0.5,
            "headway.blocker.pids": (12, 13),
        },
        "headway.statement": {"headway.statement.number": 3, "headway.statement.duration": 0.0125},
        "headway.warning": {"headway.message": "an earlier attempt committed part of it"},
    }
    (event,) = recorded.span("headway upgrade").events
    assert dict(event.attributes or {}) == {"headway.message": "the lock was gone"}


def test_runs_steps_and_retries_are_measured(recorded: Recorded) -> None:
    tell(recorded, *run(*step(StepRetrying("run", "r1", 1, "55P03", 0.5, ()))), *failed())
    common = {**OF_DATABASE, "headway.operation": "upgrade"}
    good, bad = recorded.points("headway.run.duration")
    assert (good.count, good.sum) == (1, 1.5)
    assert good.attributes == {**common, "headway.outcome": "succeeded"}
    assert bad.attributes == {**common, "headway.outcome": "failed", "error.type": "StepFailedError"}
    good, bad = recorded.points("headway.step.duration")
    assert good.attributes == {**common, "headway.direction": "upgrade", "headway.outcome": "succeeded"}
    assert bad.attributes == {
        **common,
        "headway.direction": "upgrade",
        "headway.outcome": "failed",
        "error.type": "42P01",
        "db.response.status_code": "42P01",
    }
    (retries,) = recorded.points("headway.step.retries")
    assert (retries.value, retries.attributes) == (1, {**common, "db.response.status_code": "55P03"})


def test_a_histogram_tells_a_long_revision_from_a_longer_one(recorded: Recorded) -> None:
    tell(recorded, RunStarted("a", "upgrade", DATABASE, 1), RunFinished("a", "upgrade", 1, 200_000.0))
    tell(recorded, RunStarted("b", "upgrade", DATABASE, 1), RunFinished("b", "upgrade", 1, 2_000_000.0))
    (point,) = recorded.points("headway.run.duration")
    assert sorted(point.bucket_counts)[-2:] == [1, 1]


def test_runs_inside_a_start_up_are_inside_its_span(recorded: Recorded) -> None:
    tell(recorded, StartupBegan(StartupMode.UPGRADE), *run())
    tell(recorded, StartupFinished(StartupMode.UPGRADE, State.AT_HEAD, 12.5), *run(id_="later"))
    inner, startup, later = recorded.spans()
    assert (parent(inner), parent(startup), parent(later)) == (span_id(startup), None, None)
    assert startup.name == "headway startup"
    assert attributes(startup) == {
        "db.system.name": "postgresql",
        "headway.startup.mode": "upgrade",
        "headway.state": "at_head",
        "headway.outcome": "succeeded",
    }


def test_a_start_up_that_is_refused_is_a_span_in_error(recorded: Recorded) -> None:
    tell(recorded, StartupBegan(StartupMode.CHECK))
    tell(recorded, StartupFailed(StartupMode.CHECK, "NotAtHeadError", "r2 is missing", 12.5))
    span = recorded.span("headway startup")
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "r2 is missing")
    assert attributes(span)["error.type"] == "NotAtHeadError"


def test_start_ups_of_several_applications_on_one_loop_do_not_mix(recorded: Recorded) -> None:
    first, second = copy_context(), copy_context()
    for context in (first, second):
        context.run(tell, recorded, StartupBegan(StartupMode.UPGRADE))
    for name, context in (("a", first), ("b", second)):
        context.run(tell, recorded, *run(id_=name))
    for context in (first, second):
        context.run(tell, recorded, StartupFinished(StartupMode.UPGRADE, State.AT_HEAD, 1.0))
    a, b = recorded.spans("headway upgrade")
    of_a, of_b = recorded.spans("headway startup")
    assert (parent(a), parent(b)) == (span_id(of_a), span_id(of_b))


def test_runs_at_work_in_one_loop_keep_to_their_callers_and_themselves(recorded: Recorded) -> None:
    async def caller(name: str) -> None:
        with recorded.tracer.start_as_current_span(name):
            for event in run(*step(id_=name), id_=name):
                recorded.listener(event)
                await asyncio.sleep(0)

    async def callers() -> None:
        await asyncio.gather(*(caller(f"caller {number}") for number in range(8)))

    asyncio.run(callers())
    wholes = {attributes(span)["headway.run_id"]: span for span in recorded.spans("headway upgrade")}
    steps = {attributes(span)["headway.run_id"]: span for span in recorded.spans("headway step")}
    assert len(wholes) == len(steps) == 8
    for name, whole in wholes.items():
        assert parent(whole) == span_id(recorded.span(name))
        assert parent(steps[name]) == span_id(whole)


def test_no_statement_is_recorded(recorded: Recorded) -> None:
    before_the_end = [event for event in SAMPLE if not isinstance(event, RunFinished)]
    tell(recorded, *before_the_end, *failed())
    assert "headway.statement" in recorded.texts(), "the sample proves nothing"
    assert PRIVATE not in recorded.texts()


def test_events_of_unknown_runs_and_ends_without_beginnings_are_let_be(recorded: Recorded) -> None:
    tell(recorded, *[event for event in SAMPLE if not isinstance(event, RunStarted | StartupBegan)])
    assert recorded.spans() == []


def test_a_caller_whose_trace_is_not_sampled_has_no_spans_of_ours(recorded: Recorded) -> None:
    from opentelemetry.trace import NonRecordingSpan, SpanContext

    with use_span(NonRecordingSpan(SpanContext(trace_id=1, span_id=2, is_remote=True))):
        tell(recorded, *run(*step()))
    assert recorded.spans() == []


@pytest.mark.parametrize(
    ("database", "known"),
    [
        (DATABASE, {"db.namespace": "shop", "server.address": "db.example.org", "server.port": 5433}),
        (
            "postgresql+asyncpg://app@db.example.org/shop?prepared_statement_cache_size=0",
            {"db.namespace": "shop", "server.address": "db.example.org"},
        ),
        (
            "postgresql://app@[::1]:5432/shop%20two",
            {"db.namespace": "shop two", "server.address": "::1", "server.port": 5432},
        ),
        (
            "postgresql://postgres@/app?host=/run/postgresql",
            {"db.namespace": "app", "server.address": "/run/postgresql"},
        ),
        ("postgresql://app@one:5432,two:5432/shop", {"db.namespace": "shop"}),
        ("postgresql+asyncpg://app@/shop?host=one:5432&host=two:5432", {"db.namespace": "shop"}),
        ("postgresql:///", {}),
        ("app on the embedded PostgreSQL in .headway/postgres", {}),
        ("sqlite+aiosqlite:////srv/app.db", {"db.system.name": "sqlite", "db.namespace": "app.db"}),
    ],
)
def test_a_database_is_described_by_what_its_name_tells(database: str, known: dict[str, object]) -> None:
    assert database_attributes(database) == {"db.system.name": "postgresql", **known}


def test_without_opentelemetry_it_is_said_what_to_install() -> None:
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; sys.modules['opentelemetry'] = None\n"
        "from headway import ConfigurationError\n"
        "from headway.telemetry import LogListener\n"
        "try:\n    from headway.telemetry import OpenTelemetryListener\n"
        "except ConfigurationError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert "OpenTelemetry's API is not installed" in done.stdout
    assert 'pip install "headway[otel]"' in done.stdout
