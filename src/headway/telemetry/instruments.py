"""The instruments that runs are measured with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram, Meter

# A revision takes milliseconds or hours; OpenTelemetry's own bounds are made for milliseconds.
_BOUNDS_S = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)


class Instruments:
    """What a meter made for headway; durations are in seconds.

    Attributes:
        run_duration: of whole runs, by how they ended.
        step_duration: of single steps, by how they ended.
        lock_wait: how long runs that had to wait for the migrator lock waited until they had it.
        retries: attempts that were rolled back and repeated, by SQLSTATE.
    """

    def __init__(self, meter: Meter) -> None:
        self.run_duration = _histogram(meter, "headway.run.duration", "How long a run took.")
        self.step_duration = _histogram(meter, "headway.step.duration", "How long a step took.")
        self.lock_wait = _histogram(
            meter, "headway.lock.wait.duration", "How long a run waited for the migrator lock."
        )
        self.retries = meter.create_counter(
            "headway.step.retries", "{retry}", "Attempts that were rolled back and repeated, by SQLSTATE."
        )


def _histogram(meter: Meter, name: str, description: str) -> Histogram:
    return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=_BOUNDS_S)
