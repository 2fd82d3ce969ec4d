"""How the helper that cancels blockers ends; what it does is in the integration tests."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from headway.blockers import cancelling
from headway.results import CancelBlockers, RunOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.asyncio


def door(on_leaving: Callable[[], object], reached: asyncio.Event) -> Any:
    """A door whose second session takes a while to be closed."""

    @asynccontextmanager
    async def beside() -> AsyncIterator[None]:
        reached.set()
        try:
            yield
        finally:
            on_leaving()
            await asyncio.sleep(0)

    options = RunOptions(cancel_blockers=CancelBlockers.ALL)
    return SimpleNamespace(options=options, session=SimpleNamespace(beside=beside), run_id="", pid=1)


async def test_a_cancellation_that_comes_while_the_helper_ends_gets_through() -> None:
    def cancel() -> None:
        task.cancel()

    async def step() -> None:
        async with cancelling(door(cancel, reached), "r1", 60_000):
            await reached.wait()

    reached = asyncio.Event()
    task = asyncio.create_task(step())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_end_of_the_block_is_the_end_of_the_helper() -> None:
    left: list[bool] = []
    reached = asyncio.Event()
    async with cancelling(door(lambda: left.append(True), reached), "r1", 60_000):
        await reached.wait()
        assert not left
    assert left == [True]
    assert len(asyncio.all_tasks()) == 1
