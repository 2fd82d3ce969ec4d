"""Signals that cancel a task, beside what they did before."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from headway.signals import Received, cancelling_on_signals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

pytestmark = pytest.mark.asyncio

_DEADLINE_S = 30.0


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """What a server's own handlers heard of SIGTERM and SIGINT, which they obey later, as uvicorn's do."""
    heard: list[int] = []

    def note(signum: int, _frame: FrameType | None) -> None:
        heard.append(signum)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    yield heard
    for number, handler in before.items():
        signal.signal(number, handler)


async def _cancelled_by(number: signal.Signals, *, times: int = 1) -> Received:
    task = asyncio.create_task(asyncio.sleep(_DEADLINE_S))
    with cancelling_on_signals(task) as received:
        for _ in range(times):
            os.kill(os.getpid(), number)
        with pytest.raises(asyncio.CancelledError):
            await task
    return received


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_cancels_the_task_and_is_heard_by_the_handler_before(
    heard: list[int], number: signal.Signals
) -> None:
    received = await _cancelled_by(number)
    assert received.signum is number
    assert not received.unheard
    assert heard == [number]


async def test_a_signal_is_heard_while_the_loop_has_nothing_to_do(heard: list[int]) -> None:
    task = asyncio.create_task(asyncio.sleep(_DEADLINE_S))
    with cancelling_on_signals(task):
        await asyncio.sleep(0)  # the task sleeps now
        before = time.monotonic()
        alarm = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
        alarm.start()
        with pytest.raises(asyncio.CancelledError):
            await task
        alarm.join()
    # Not when the loop wakes up by itself the next time, which is when the task ends.
    assert time.monotonic() - before < _DEADLINE_S / 2
    assert heard == [signal.SIGTERM]


async def test_the_first_of_several_signals_counts(heard: list[int]) -> None:
    task = asyncio.create_task(asyncio.sleep(_DEADLINE_S))
    with cancelling_on_signals(task) as received:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(asyncio.CancelledError):
            await task
    assert received.signum is signal.SIGTERM
    assert sorted(heard) == sorted([signal.SIGTERM, signal.SIGINT])
    assert task.cancelling() == 1


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.default_int_handler])
async def test_the_process_outlives_a_signal_that_would_have_ended_it_at_once(handler: object) -> None:
    before = signal.signal(signal.SIGINT, handler)  # type: ignore[arg-type]
    try:
        received = await _cancelled_by(signal.SIGINT)
        assert received.signum is signal.SIGINT
        assert received.unheard
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


async def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        task = asyncio.create_task(asyncio.sleep(0.01))
        with cancelling_on_signals(task) as received:
            os.kill(os.getpid(), signal.SIGINT)
            await task
        assert received.signum is None
    finally:
        signal.signal(signal.SIGINT, before)


async def test_handlers_are_put_back_unless_somebody_replaced_ours(heard: list[int]) -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    own = signal.getsignal(signal.SIGTERM)

    def somebody_elses(_signum: int, _frame: FrameType | None) -> None: ...

    with cancelling_on_signals(task):
        assert signal.getsignal(signal.SIGTERM) is not own
        signal.signal(signal.SIGINT, somebody_elses)
        await task
    assert signal.getsignal(signal.SIGTERM) is own
    assert signal.getsignal(signal.SIGINT) is somebody_elses
    assert heard == []


async def test_tasks_that_overlap_are_all_cancelled_and_leave_the_handler_that_was_there_before(
    heard: list[int],
) -> None:
    own = signal.getsignal(signal.SIGTERM)
    tasks = [asyncio.create_task(asyncio.sleep(_DEADLINE_S)) for _ in range(2)]
    first, second = (cancelling_on_signals(task) for task in tasks)
    first.__enter__()
    second.__enter__()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait(tasks)
    assert [task.cancelled() for task in tasks] == [True, True]
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert heard == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is own


async def test_a_handler_of_the_event_loop_is_called_too() -> None:
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, called.set)
    try:
        await _cancelled_by(signal.SIGTERM)
        async with asyncio.timeout(_DEADLINE_S):
            await called.wait()
        called.clear()
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(_DEADLINE_S):
            await called.wait()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _in_a_thread() -> signal.Signals | None:
    async def quiet() -> signal.Signals | None:
        with cancelling_on_signals(asyncio.create_task(asyncio.sleep(0))) as received:
            return received.signum

    return asyncio.run(quiet())


async def test_outside_the_main_thread_signals_are_left_alone(heard: list[int]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert await asyncio.to_thread(_in_a_thread) is None
    assert signal.getsignal(signal.SIGTERM) is before
    assert threading.current_thread() is threading.main_thread()
    assert heard == []
