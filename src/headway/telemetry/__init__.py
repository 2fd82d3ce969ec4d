"""What a run did, for whoever watches the application: log records, spans and metrics.

Both are listeners: ``Migrator(listeners=[LogListener(), OpenTelemetryListener()])``. Neither configures
anything: handlers, levels, providers and exporters are the application's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headway.telemetry.logs import LogListener

if TYPE_CHECKING:
    from headway.telemetry.otel import OpenTelemetryListener


def __getattr__(name: str) -> Any:
    if name != "OpenTelemetryListener":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Loaded when first used: whoever only logs needs no OpenTelemetry.
    from headway.telemetry.otel import OpenTelemetryListener

    return OpenTelemetryListener


__all__ = ["LogListener", "OpenTelemetryListener"]
