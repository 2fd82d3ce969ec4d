"""How far a start-up is, as its events tell."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from headway.events import (
    LockWaiting,
    StartupBegan,
    StartupFailed,
    StartupFinished,
    StepFailed,
    StepFinished,
    StepStarted,
    Waiting,
)

if TYPE_CHECKING:
    from headway.events import Event


class Progress:
    """Listens to a Migrator.

    Attributes:
        starting: whether a start-up is under way.
        failure: how the latest start-up failed; ``None`` when it did not.
    """

    def __init__(self) -> None:
        self.starting = False
        self.failure: StartupFailed | None = None
        self._step: StepStarted | None = None
        self._step_began = 0.0
        self._failed: StepFailed | None = None
        self._doing = ""

    def __call__(self, event: Event) -> None:
        """Take one event."""
        match event:
            case StartupBegan():
                self.starting, self.failure, self._failed = True, None, None
                self._doing = "looking where the database stands"
            case StartupFinished():
                self.starting = False
            case StartupFailed():
                self.starting, self.failure, self._step = False, event, None
            case Waiting():
                self._doing = "waiting for the database"
            case LockWaiting():
                self._doing = "waiting for another migrator"
            case StepStarted():
                self._step, self._step_began, self._failed = event, time.monotonic(), None
                self._doing = f"migrating: revision {event.number} of {event.total}"
            case StepFinished():
                self._step = None
            case StepFailed():
                self._step, self._failed = None, event
            case _:
                pass

    @property
    def step(self) -> dict[str, Any] | None:
        """The revision that is being run, as JSON; ``None`` when none is."""
        step = self._step
        if step is None:
            return None
        return {
            "revision": step.revision,
            "description": step.description,
            "direction": step.direction.value,
            "number": step.number,
            "total": step.total,
            "running_s": round(time.monotonic() - self._step_began, 3),
        }

    @property
    def reason(self) -> str | None:
        """What the start-up is doing, or why it failed; ``None`` when neither is so.

        A failure's own words may name addresses and show statements: they are for the log.
        """
        if self.starting:
            return self._doing
        if self.failure is None:
            return None
        if self._failed is None:
            return f"the start-up failed ({self.failure.error_type}); the log says more"
        code = f", SQLSTATE {self._failed.sqlstate}" if self._failed.sqlstate else ""
        return f"revision {self._failed.revision} failed ({self.failure.error_type}{code}); the log says more"
