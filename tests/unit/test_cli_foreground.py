"""Signals: the first cancels and waits for the clean-up, the second changes nothing."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from headway.cli.failure import InternalError
from headway.cli.foreground import Foreground, Stopped


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_and_the_clean_up_is_finished(number: signal.Signals) -> None:
    seen: list[str] = []

    async def work() -> None:
        os.kill(os.getpid(), number)
        try:
            await asyncio.sleep(30)
        finally:
            seen.append("rolling back")
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.01)
            seen.append("rolled back")

    async def close() -> None:
        seen.append("closed")

    with Foreground() as foreground:
        with pytest.raises(Stopped) as caught:
            foreground.run(work())
        foreground.finish(close())
    assert caught.value.signum == number
    assert seen == ["rolling back", "rolled back", "closed"]


def test_the_second_signal_says_what_is_awaited(capfd: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(30)

    with pytest.raises(Stopped), Foreground() as foreground:
        foreground.run(work())
    assert "still stopping" in capfd.readouterr().err


def test_an_error_raised_because_of_the_cancellation_counts_as_stopped() -> None:
    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            raise RuntimeError("translated") from None

    with pytest.raises(Stopped), Foreground() as foreground:
        foreground.run(work())


def test_a_signal_between_two_runs_ends_the_command() -> None:
    with pytest.raises(Stopped), Foreground():
        os.kill(os.getpid(), signal.SIGINT)


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Foreground() as foreground:
        assert signal.getsignal(signal.SIGTERM) != before[1]
        foreground.run(asyncio.sleep(0))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_results_and_errors_come_through_and_the_loop_stays_for_the_next_run() -> None:
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    async def fail() -> None:
        raise ValueError("as it is")

    with Foreground() as foreground:
        first = foreground.run(loop())
        with pytest.raises(ValueError, match="as it is"):
            foreground.run(fail())
        assert foreground.run(loop()) is first


def test_a_broken_pipe_to_the_server_is_not_taken_for_a_reader_that_left() -> None:
    async def fail() -> None:
        raise BrokenPipeError

    with Foreground() as foreground, pytest.raises(InternalError):
        foreground.run(fail())
