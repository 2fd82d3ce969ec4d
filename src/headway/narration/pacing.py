"""When a line is worth its place: what is repeated every second would bury the rest of a log."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

LINE_EVERY_S = 10.0
"""How often a line repeats what a terminal would redraw, in seconds: a log is read afterwards."""
_TOPICS_KEPT = 256
"""A run that was given up says nothing of it, so its topics are forgotten by their number."""


class Pace:
    """Remembers what was said about which topic, and when.

    Args:
        every_s: after how many seconds the same is worth saying again.
        clock: monotonic time in seconds.
    """

    def __init__(self, *, every_s: float = LINE_EVERY_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._every_s = every_s
        self._clock = clock
        self._said: OrderedDict[Hashable, tuple[Hashable, float]] = OrderedDict()

    def due(self, topic: Hashable, about: Hashable) -> bool:
        """Whether to speak now: it is about something new, or the last word is old; counts as said."""
        before = self._said.get(topic)
        if before is not None and before[0] == about and self._clock() - before[1] < self._every_s:
            return False
        self.said(topic, about)
        return True

    def said(self, topic: Hashable, about: Hashable) -> None:
        """Count it as said, though nobody did."""
        self._said[topic] = (about, self._clock())
        self._said.move_to_end(topic)
        if len(self._said) > _TOPICS_KEPT:
            self._said.popitem(last=False)

    def over(self, topic: Hashable) -> bool:
        """Forget a topic; whether anything had been said about it."""
        return self._said.pop(topic, None) is not None

    def clear(self) -> None:
        """Forget all of it."""
        self._said.clear()
