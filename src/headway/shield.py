"""Work that goes on to its end although the caller is cancelled meanwhile."""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextlib import AbstractContextManager

T = TypeVar("T")


async def shielded(work: Coroutine[Any, Any, T], *, grace_s: float) -> T:
    """Await ``work``; a cancellation that comes meanwhile is raised when it is done, or out of time.

    anyio's own shield holds off its cancel scopes only. ``Task.cancel()``, which ``asyncio.timeout``, a task
    group and a web server use, goes through it; here it is held off too.

    Args:
        work: a coroutine; it runs in a task of its own.
        grace_s: how long, in seconds from the first cancellation, ``work`` may still take; then it is
            cancelled itself.

    Raises:
        asyncio.CancelledError: the caller was cancelled. What ``work`` returned or raised is then lost, so
            work that acquires something must itself note down that it did.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    deadline: float | None = None
    with _held_off():
        while not task.done():
            remaining = None if deadline is None or task.cancelling() else max(deadline - loop.time(), 0)
            try:
                done, _ = await asyncio.wait([task], timeout=remaining)
            except asyncio.CancelledError as error:
                cancelled = error
                deadline = deadline or loop.time() + grace_s
                continue
            if not done:
                task.cancel()
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # looked at, or asyncio would report it as never retrieved
        raise cancelled
    return task.result()


def _held_off() -> AbstractContextManager[object]:
    """A shield against the scopes of anyio; there are none around us where nobody has loaded it.

    To load it for that takes as long as connecting.
    """
    if "anyio" not in sys.modules:
        return nullcontext()
    import anyio

    return anyio.CancelScope(shield=True)
