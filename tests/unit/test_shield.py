from __future__ import annotations

import asyncio
import sys
import time

import anyio
import pytest

from headway.shield import shielded

pytestmark = pytest.mark.asyncio


async def test_work_that_nobody_disturbs_gives_its_result_or_its_error() -> None:
    async def result() -> int:
        return 7

    async def error() -> int:
        raise ZeroDivisionError

    assert await shielded(result(), grace_s=1) == 7
    with pytest.raises(ZeroDivisionError):
        await shielded(error(), grace_s=1)


@pytest.mark.parametrize("loaded", [True, False], ids=["with anyio", "without"])
@pytest.mark.parametrize("cancels", [1, 3])
async def test_a_cancelled_task_finishes_the_work_first(
    cancels: int, monkeypatch: pytest.MonkeyPatch, *, loaded: bool
) -> None:
    if not loaded:
        monkeypatch.delitem(sys.modules, "anyio")
    started, release, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        await release.wait()
        done.set()

    task = asyncio.create_task(shielded(work(), grace_s=60))
    await started.wait()
    for _ in range(cancels):
        task.cancel()
        await asyncio.sleep(0)
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()


async def test_a_cancelled_scope_finishes_the_work_first() -> None:
    done = False

    async def work() -> None:
        nonlocal done
        await asyncio.sleep(0.05)
        done = True

    with anyio.move_on_after(0.01) as scope:
        await shielded(work(), grace_s=60)
        await anyio.sleep(60)
    assert done
    assert scope.cancelled_caught


async def test_holding_off_a_scope_keeps_no_processor_busy() -> None:
    with anyio.move_on_after(0.01):
        before = time.thread_time()
        await shielded(asyncio.sleep(0.4), grace_s=60)
    assert time.thread_time() - before < 0.2


async def test_a_timeout_around_it_stays_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await shielded(asyncio.sleep(0.05), grace_s=60)


async def test_work_that_never_ends_is_given_up_after_its_grace() -> None:
    started, given_up = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.sleep(3600)
        finally:
            given_up.set()

    task = asyncio.create_task(shielded(work(), grace_s=0.05))
    await started.wait()
    task.cancel()
    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert given_up.is_set()


async def test_an_error_that_a_cancellation_hides_is_not_reported_as_never_retrieved(
    caplog: pytest.LogCaptureFixture,
) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        await release.wait()
        raise ZeroDivisionError

    task = asyncio.create_task(shielded(work(), grace_s=60))
    await started.wait()
    task.cancel()
    await asyncio.sleep(0)
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    assert caplog.text == ""
