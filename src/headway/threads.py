"""Work that would hold up the event loop, in a thread."""

from __future__ import annotations

import asyncio
import sys
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Run ``work`` in a thread and return what it does.

    The thread is none of those that an application's own synchronous endpoints share (anyio lets 40 run at a
    time): whether a database is ready must not depend on how busy they are. A scope of anyio's waits for it;
    where nobody has loaded anyio there is none, and it is not loaded for this.
    """
    if "anyio" not in sys.modules:
        return await aside(partial(copy_context().run, _ended, work))
    import anyio.to_thread

    return await anyio.to_thread.run_sync(work, limiter=anyio.CapacityLimiter(1))


async def aside(look: Callable[[], T]) -> T:
    """Run in a thread of its own what only looks: a caller who is cancelled does not wait for it.

    It does without anyio: to import it takes longer than to read a hundred revisions.
    """
    from concurrent.futures import ThreadPoolExecutor

    alone = ThreadPoolExecutor(1)
    try:
        return await asyncio.get_running_loop().run_in_executor(alone, look)
    finally:
        alone.shutdown(wait=False)


def _ended(work: Callable[[], T]) -> T:
    """What ``work`` returns or raises; a StopIteration, which no future holds, as a coroutine raises it."""
    try:
        return work()
    except StopIteration as error:
        raise RuntimeError("StopIteration") from error
