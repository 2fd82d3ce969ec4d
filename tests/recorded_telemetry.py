"""OpenTelemetry's SDK with everything kept in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from headway.telemetry import OpenTelemetryListener

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.metrics.export import Metric
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Tracer


class Recorded:
    """A listener, and what it made: finished spans and measurements."""

    def __init__(self) -> None:
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self._traces = TracerProvider(shutdown_on_exit=False)
        self._traces.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self.listener = OpenTelemetryListener(self._traces, self._meters)
        self.tracer: Tracer = self._traces.get_tracer("the application")

    def spans(self, name: str | None = None) -> list[ReadableSpan]:
        """In the order in which they ended."""
        return [span for span in self._exporter.get_finished_spans() if name in {None, span.name}]

    def span(self, name: str) -> ReadableSpan:
        (span,) = self.spans(name)
        return span

    def points(self, metric: str) -> list[Any]:
        """A metric's data points; none when nothing was measured."""
        return [
            point for found in self._metrics() if found.name == metric for point in found.data.data_points
        ]

    def metrics(self) -> set[str]:
        """The names of all that was measured."""
        return {found.name for found in self._metrics()}

    def _metrics(self) -> list[Metric]:
        data = self._reader.get_metrics_data() or MetricsData([])
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        return [found for scope in scopes for found in scope.metrics]

    def close(self) -> None:
        self._traces.shutdown()
        self._meters.shutdown()

    def texts(self) -> str:
        """All that was recorded, in one text."""
        data = self._reader.get_metrics_data()
        return "\n".join([*(span.to_json() for span in self.spans()), data.to_json() if data else ""])


def attributes(span: ReadableSpan) -> Mapping[str, Any]:
    """A span's attributes."""
    return span.attributes or {}


def parent(span: ReadableSpan) -> int | None:
    """The id of the span that it is a child of."""
    return span.parent.span_id if span.parent else None


def span_id(span: ReadableSpan) -> int:
    """Its own id."""
    assert span.context is not None
    return int(span.context.span_id)
