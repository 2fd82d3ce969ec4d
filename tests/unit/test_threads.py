"""Work in a thread, whether or not anyio is loaded."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextvars import ContextVar

import pytest

from headway.threads import in_thread

pytestmark = pytest.mark.asyncio
_said: ContextVar[str] = ContextVar("said")


@pytest.fixture(params=["with anyio", "without"], autouse=True)
def _loaded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without":
        monkeypatch.delitem(sys.modules, "anyio")


async def test_it_runs_in_another_thread_with_the_caller_s_context() -> None:
    _said.set("by the caller")
    assert await in_thread(lambda: (_said.get(), threading.current_thread())) != (
        "by the caller",
        threading.current_thread(),
    )
    assert await in_thread(_said.get) == "by the caller"


@pytest.mark.parametrize("error", [ZeroDivisionError(), SystemExit(3)])
async def test_what_it_raises_is_raised(error: BaseException) -> None:
    def work() -> None:
        raise error

    with pytest.raises(type(error)):
        await in_thread(work)


async def test_an_iterator_that_has_ended_does_not_keep_the_caller_waiting() -> None:
    async with asyncio.timeout(60):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await in_thread(lambda: next(iter(())))


async def test_a_cancelled_caller_does_not_wait_for_the_thread() -> None:
    loop, started, release = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def work() -> bool:
        loop.call_soon_threadsafe(started.set)
        return release.wait(60)

    task = asyncio.create_task(in_thread(work))
    await started.wait()
    task.cancel()
    async with asyncio.timeout(30):
        with pytest.raises(asyncio.CancelledError):
            await task
    release.set()
