"""What happens while a plan runs, as typed values handed to listeners.

The runner emits them and knows nothing of who listens: the command line draws them, logging writes
them. A listener is called on the event loop, must return quickly and must not raise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from headway.results import Direction


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A plan is about to run. ``total`` steps; 0 when there is nothing to do."""

    run_id: str
    operation: str
    database: str
    total: int


@dataclass(frozen=True, slots=True)
class StepStarted:
    """One revision begins. ``number`` counts from 1 to ``total``."""

    run_id: str
    revision: str
    direction: Direction
    description: str
    number: int
    total: int


@dataclass(frozen=True, slots=True)
class StepFinished:
    """One revision is committed, version included. ``duration_ms`` is wall-clock time."""

    run_id: str
    revision: str
    direction: Direction
    description: str
    number: int
    total: int
    duration_ms: float


@dataclass(frozen=True, slots=True)
class StepFailed:
    """One revision failed and was rolled back. ``error`` is redacted."""

    run_id: str
    revision: str
    direction: Direction
    error: str
    sqlstate: str | None


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The plan is done. ``steps`` were completed."""

    run_id: str
    operation: str
    steps: int
    duration_ms: float


@dataclass(frozen=True, slots=True)
class ServerStarting:
    """The embedded PostgreSQL is being started; ``initialising`` when its data directory is new."""

    directory: str
    initialising: bool


Event: TypeAlias = RunStarted | StepStarted | StepFinished | StepFailed | RunFinished | ServerStarting
Listener: TypeAlias = Callable[[Event], None]
