"""Events as OpenTelemetry's spans and metrics."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, TypeAlias, assert_never

from headway.errors import ConfigurationError
from headway.events import (
    BackupFinished,
    BackupStarted,
    LockWaiting,
    RunFailed,
    RunFinished,
    RunStarted,
    ServerStarting,
    StartupBegan,
    StartupFailed,
    StartupFinished,
    StatementFinished,
    StepBlocked,
    StepFailed,
    StepFinished,
    StepProgress,
    StepRetrying,
    StepStarted,
    Waiting,
    Warned,
)
from headway.telemetry.attributes import (
    DB_RESPONSE_STATUS_CODE,
    DB_SYSTEM_NAME,
    ERROR_TYPE,
    database_attributes,
)
from headway.telemetry.discretion import without_statements
from headway.telemetry.instruments import Instruments

try:
    from opentelemetry import metrics, trace
except ModuleNotFoundError as error:
    raise ConfigurationError(
        "headway.telemetry.OpenTelemetryListener",
        "OpenTelemetry's API is not installed",
        example='pip install "headway[otel]"',
    ) from error

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider
    from opentelemetry.util.types import AttributeValue

    from headway.events import Event

Attributes: TypeAlias = "dict[str, AttributeValue]"
_Failed: TypeAlias = StepFailed | RunFailed | StartupFailed
_Noted: TypeAlias = StepBlocked | StepRetrying | StatementFinished | Warned
_Underway: TypeAlias = (
    _Noted | StepStarted | StepFinished | StepFailed | RunFinished | RunFailed | StepProgress
)

_NAME = "headway"
_OUTCOME = "headway.outcome"
_NS_PER_S = 1_000_000_000
_WAITS_KEPT = 256
"""Nothing is heard of a run that gave up waiting for the migrator lock: old waits make room for new ones."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A step at work; ``began`` as ``time.perf_counter()`` has it."""

    span: Span
    labels: Attributes
    began: float


@dataclass(slots=True)
class _Run:
    """A run at work; ``labels`` are what its spans and measurements have in common."""

    span: Span
    labels: Attributes
    step: _Step | None = None


class OpenTelemetryListener:
    """Makes a span of each run, with one for each step inside it, and measures both.

    A run's span is a child of the caller's current span, or of the start-up's where an application starts. No
    span is ever made the current one, so runs at work on one event loop do not mix. A run that never got the
    migrator lock has no span. docs/observability.md lists names and attributes; no statement is among them.

    Args:
        tracer_provider: makes the tracer; the global one when ``None``.
        meter_provider: makes the meter; the global one when ``None``.

    Raises:
        ConfigurationError: on import, when OpenTelemetry's API is not installed.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._tracer = trace.get_tracer(_NAME, _own_version(), tracer_provider)
        self._measured = Instruments(metrics.get_meter(_NAME, _own_version(), meter_provider))
        self._runs: dict[str, _Run] = {}
        self._waiting_since: dict[str, int] = {}
        # Which start-up a run belongs to is known by the task it runs in, and by nothing else.
        self._startup: ContextVar[Span | None] = ContextVar("headway_startup", default=None)

    def __call__(self, event: Event) -> None:
        """Take one event."""
        event = without_statements(event)
        match event:
            case StartupBegan():
                self._begin_startup(event)
            case StartupFinished() | StartupFailed():
                self._end_startup(event)
            case LockWaiting():
                self._wait(event)
            case RunStarted():
                self._begin_run(event)
            case Waiting() | ServerStarting() | BackupStarted() | BackupFinished():
                pass  # of use while it happens, and not afterwards
            case _:
                run = self._runs.get(event.run_id)
                if run is not None:
                    self._go_on(run, event)

    def _begin_startup(self, event: StartupBegan) -> None:
        attributes = {DB_SYSTEM_NAME: "postgresql", "headway.startup.mode": event.mode.value}
        self._startup.set(self._tracer.start_span("headway startup", attributes=attributes))

    def _end_startup(self, event: StartupFinished | StartupFailed) -> None:
        span = self._startup.get()
        if span is None:
            return
        self._startup.set(None)
        if isinstance(event, StartupFinished) and event.state is not None:
            span.set_attribute("headway.state", event.state.value)
        _end(span, event)

    def _wait(self, event: LockWaiting) -> None:
        began = time.time_ns() - int(event.waited_s * _NS_PER_S)
        self._waiting_since.setdefault(event.run_id, began)
        if len(self._waiting_since) > _WAITS_KEPT:
            del self._waiting_since[next(iter(self._waiting_since))]

    def _begin_run(self, event: RunStarted) -> None:
        labels: Attributes = {**database_attributes(event.database), "headway.operation": event.operation}
        waiting_since = self._waiting_since.pop(event.run_id, None)
        startup = self._startup.get()
        span = self._tracer.start_span(
            f"headway {event.operation}",
            context=trace.set_span_in_context(startup) if startup else None,
            attributes={**labels, "headway.run_id": event.run_id, "headway.run.steps": event.total},
            start_time=waiting_since,
        )
        if waiting_since is not None:
            waited_s = (time.time_ns() - waiting_since) / _NS_PER_S
            span.set_attribute("headway.lock.waited", waited_s)
            self._measured.lock_wait.record(waited_s, labels)
        self._runs[event.run_id] = _Run(span, labels)

    def _go_on(self, run: _Run, event: _Underway) -> None:
        match event:
            case StepStarted():
                run.step = self._begin_step(run, event)
            case StepFinished() | StepFailed():
                self._end_step(run, event)
            case RunFinished() | RunFailed():
                self._end_run(run, event)
            case StepBlocked() | StepRetrying() | StatementFinished() | Warned():
                self._note(run, event)
            case StepProgress():
                pass
            case _:
                assert_never(event)

    def _begin_step(self, run: _Run, event: StepStarted) -> _Step:
        labels: Attributes = {**run.labels, "headway.direction": event.direction.value}
        span = self._tracer.start_span(
            "headway step",
            context=trace.set_span_in_context(run.span),
            kind=trace.SpanKind.CLIENT,
            attributes={
                **labels,
                "headway.run_id": event.run_id,
                "headway.revision": event.revision,
                "headway.description": event.description,
                "headway.step.number": event.number,
            },
        )
        return _Step(span, labels, time.perf_counter())

    def _end_step(self, run: _Run, event: StepFinished | StepFailed | RunFinished | RunFailed) -> None:
        step, run.step = run.step, None
        if step is not None:
            outcome = _end(step.span, event)
            self._measured.step_duration.record(time.perf_counter() - step.began, {**step.labels, **outcome})

    def _end_run(self, run: _Run, event: RunFinished | RunFailed) -> None:
        del self._runs[event.run_id]
        self._end_step(run, event)  # where the process is being ended, its step says nothing any more
        run.span.set_attribute("headway.run.steps_done", event.steps)
        outcome = _end(run.span, event)
        self._measured.run_duration.record(event.duration_ms / 1000, {**run.labels, **outcome})

    def _note(self, run: _Run, event: _Noted) -> None:
        if isinstance(event, StepRetrying):
            self._measured.retries.add(1, {**run.labels, DB_RESPONSE_STATUS_CODE: event.sqlstate})
        span = run.step.span if run.step else run.span
        span.add_event(*_noted(event))


def _own_version() -> str:
    try:
        return version(_NAME)
    except PackageNotFoundError:  # run from its source tree
        return ""


def _end(span: Span, event: StartupFinished | StepFinished | RunFinished | _Failed) -> Attributes:
    """End a span; returns how it ended."""
    outcome: Attributes = {_OUTCOME: "succeeded"}
    if isinstance(event, _Failed):
        outcome = {_OUTCOME: "failed", ERROR_TYPE: event.error_type}
        span.set_status(trace.StatusCode.ERROR, event.error)
    if isinstance(event, StepFailed) and event.sqlstate is not None:
        outcome |= {ERROR_TYPE: event.sqlstate, DB_RESPONSE_STATUS_CODE: event.sqlstate}
    span.set_attributes(outcome)
    span.end()
    return outcome


def _noted(event: _Noted) -> tuple[str, Attributes]:
    """An event within a span: its name and attributes; other sessions are their processes."""
    match event:
        case StepBlocked(blockers=()):
            return "headway.unblocked", {"headway.waited": event.waited_s}
        case StepBlocked():
            pids = [peer.pid for peer in event.blockers]
            return "headway.blocked", {"headway.waited": event.waited_s, "headway.blocker.pids": pids}
        case StepRetrying():
            return "headway.retry", {
                DB_RESPONSE_STATUS_CODE: event.sqlstate,
                "headway.attempt": event.attempt,
                "headway.delay": event.delay_s,
                "headway.blocker.pids": [peer.pid for peer in event.blockers],
            }
        case StatementFinished():
            return "headway.statement", {
                "headway.statement.number": event.number,
                "headway.statement.duration": event.duration_ms / 1000,
            }
        case Warned():
            return "headway.warning", {"headway.message": event.message}
