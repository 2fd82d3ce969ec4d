"""Work that would hold up the event loop, in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Run ``work`` in a thread and return what it does.

    The thread is none of those that an application's own synchronous endpoints share (anyio lets 40 run at a
    time): whether a database is ready must not depend on how busy they are.
    """
    import anyio.to_thread

    return await anyio.to_thread.run_sync(work, limiter=anyio.CapacityLimiter(1))
