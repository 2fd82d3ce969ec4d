"""What is done when a test's event loop ends, whatever framework runs it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

_PATIENCE_S = 5.0


class LoopGuards:
    """Finishes what was begun on each loop, on that loop, when it ends or the test does.

    ``loop.shutdown_asyncgens`` finishes our generator, so nothing is needed of a test framework but that it
    ends its loops.

    Args:
        finish: closes what was opened on a loop; awaited on it.
        cut: ends at once what was opened on a loop that is running and cannot be waited for.
    """

    def __init__(
        self,
        finish: Callable[[asyncio.AbstractEventLoop], Awaitable[None]],
        cut: Callable[[asyncio.AbstractEventLoop], None],
    ) -> None:
        self._finish = finish
        self._cut = cut
        self._guards: dict[asyncio.AbstractEventLoop, AsyncGenerator[None]] = {}

    async def watch(self) -> None:
        """Guard the loop that runs; once is enough."""
        loop = asyncio.get_running_loop()
        if loop not in self._guards:
            guard = self._guards[loop] = self._guard(loop)
            await anext(guard)

    def close(self) -> None:
        """Finish what is open, each thing on its own loop, unless that has ended and done so."""
        for loop, guard in list(self._guards.items()):
            if loop.is_closed():
                continue
            if _running_here() is loop:
                self._cut(loop)  # nothing can be awaited
            elif loop.is_running():
                asyncio.run_coroutine_threadsafe(_finished(guard), loop).result(_PATIENCE_S)
            else:
                loop.run_until_complete(_finished(guard))

    async def _guard(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._guards.pop(loop, None)
            await self._finish(loop)


def _running_here() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _finished(guard: AsyncGenerator[None]) -> None:
    await guard.aclose()
