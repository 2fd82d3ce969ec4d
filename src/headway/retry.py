"""When a step that was rolled back is tried again, how soon, and how long it then waits for locks."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headway.timeouts import Timeouts

RETRIED = frozenset({"55P03", "40P01", "40001"})
"""lock_not_available, deadlock_detected, serialization_failure (PostgreSQL manual, appendix A).

After these the server has rolled the transaction back, and says so. A COMMIT without an answer is none of
them.
"""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How stubborn a step is.

    While a statement waits for a strong lock every other query on that table queues behind it, so most
    attempts give up soon. A lock timeout below ``deadlock_timeout`` (1 s by default) however never makes
    autovacuum yield (design.md, fact 9), so now and then one is patient. With these figures the first patient
    attempt comes after 4.5 s or more, when a short reader has gone, and the last one after about two minutes.

    Attributes:
        attempts: at most so many, the first one included.
        total_s: no attempt begins later than this after the first, in seconds.
        short_ms: lock timeout of most attempts; the worst that other queries notice.
        patient_ms: lock timeout of every ``patient_every``-th attempt: ``deadlock_timeout`` and a margin.
        patient_every: 0 for never.
        explicit_ms: what the run or the revision asks for; it then holds for every attempt.
        first_delay_s: pause after the first attempt, in seconds; doubled after each.
        longest_delay_s: longest pause, in seconds.
        jitter: share of each pause that chance may take away, from 0 to 1.
    """

    attempts: int = 20
    total_s: float = 300.0
    short_ms: int = 200
    patient_ms: int = 1500
    patient_every: int = 5
    explicit_ms: int | None = None
    first_delay_s: float = 0.5
    longest_delay_s: float = 10.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ConfigurationError(
                "attempts", f"{self.attempts} is fewer than one", example="1 for no retry"
            )
        if not 0 <= self.jitter <= 1:
            raise ConfigurationError("jitter", f"{self.jitter} is no share of a pause", example="0.5")

    @classmethod
    def of(cls, timeouts: Timeouts) -> RetryPolicy:
        """The usual policy, with the lock timeout that the run or the revision asks for, if one does."""
        return cls(explicit_ms=timeouts.lock_timeout_ms)

    def lock_timeouts(self) -> Iterator[int]:
        """The lock timeout of each attempt, in milliseconds; as many as there are attempts."""
        for attempt in range(1, self.attempts + 1):
            patient = self.patient_every and attempt % self.patient_every == 0
            scheduled = self.patient_ms if patient else self.short_ms
            yield scheduled if self.explicit_ms is None else self.explicit_ms

    def decide(
        self,
        attempt: int,
        sqlstate: str | None,
        elapsed_s: float,
        *,
        chance: Callable[[], float] = random.random,
    ) -> float | None:
        """Whether to try again.

        Args:
            attempt: the one that failed, counted from 1.
            sqlstate: what it failed with; ``None`` when the connection broke, or Python failed.
            elapsed_s: since the first attempt began, in seconds.
            chance: a number from 0 to 1, for the jitter.

        Returns:
            How long to pause first, in seconds; ``None`` to give up.
        """
        if sqlstate not in RETRIED or attempt >= self.attempts:
            return None
        # Capped before it is raised to a power that no float holds.
        doublings = min(attempt - 1, 60)
        delay = min(self.first_delay_s * 2**doublings, self.longest_delay_s) * (1 - self.jitter * chance())
        return None if elapsed_s + delay > self.total_s else delay
