"""An answer that many ask for and few questions bring."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class Remembered(Generic[T]):
    """Asks one question at a time, and not again for a while, however many want to know.

    Args:
        ask: the question; must not raise, for an error would be forgotten.
        for_s: how long an answer is good for, in seconds since it came; 0 always asks anew.
    """

    def __init__(self, ask: Callable[[], Awaitable[T]], *, for_s: float) -> None:
        self._ask = ask
        self._for_s = for_s
        self._asking: asyncio.Task[T] | None = None
        self._answered_at = 0.0

    async def get(self) -> T:
        """The answer; whoever stops waiting for it takes it from nobody else."""
        return await asyncio.shield(self._latest())

    def forget(self) -> None:
        """Ask anew when somebody wants to know."""
        self._asking = None

    def _latest(self) -> asyncio.Task[T]:
        task = self._asking
        # A test may run one application on several loops, one after the other.
        stale = task is None or task.get_loop() is not asyncio.get_running_loop()
        if task is None or stale or (task.done() and time.monotonic() - self._answered_at >= self._for_s):
            task = self._asking = asyncio.create_task(self._answer(), name="headway probe")
        return task

    async def _answer(self) -> T:
        try:
            return await self._ask()
        finally:
            self._answered_at = time.monotonic()
