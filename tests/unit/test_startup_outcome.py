"""What is told of a start-up that did not go well, without a database."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from headway import (
    Event,
    NotAtHeadError,
    PendingReport,
    RunOptions,
    RunReport,
    StartupFailed,
    StartupMode,
    State,
)
from headway.startup import Startup, Wish, started

pytestmark = pytest.mark.asyncio

BEHIND = PendingReport("d", State.BEHIND, ("r1",), ("r2",), ("r2",))


class Database:
    """Answers the question with a report, or raises."""

    def __init__(self, answer: PendingReport | Exception) -> None:
        self._answer = answer

    async def pending(self) -> PendingReport:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    async def upgrade(self, target: str, *, options: RunOptions | None) -> RunReport:
        raise NotImplementedError


def startup_of(answer: PendingReport | Exception, heard: list[Event]) -> Startup:
    wish = Wish(mode=StartupMode.CHECK, timeout_s=0, strict=False, options=None)
    return Startup(wish, Database(answer), heard.append)


async def test_a_refusal_is_told_with_what_to_do_next() -> None:
    heard: list[Event] = []
    with pytest.raises(NotAtHeadError):
        await startup_of(BEHIND, heard).run()
    failed = heard[-1]
    assert isinstance(failed, StartupFailed)
    assert (failed.error_type, failed.error) == ("NotAtHeadError", "d is behind: missing r2")
    assert failed.hint == "Run `headway upgrade` before this code starts."


async def test_of_an_error_that_is_not_headways_the_class_alone_is_told() -> None:
    heard: list[Event] = []
    with pytest.raises(LookupError):
        await startup_of(LookupError("password=s3cr3t"), heard).run()
    assert "s3cr3t" not in repr(heard)
    failed = heard[-1]
    assert isinstance(failed, StartupFailed)
    assert (failed.error_type, failed.error, failed.hint) == ("LookupError", "LookupError", None)


async def test_in_the_background_a_refusal_is_nothing_that_the_loop_complains_of() -> None:
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    async with started(startup_of(BEHIND, []), background=True) as startup:
        with pytest.raises(NotAtHeadError):
            await startup.wait()
    del startup
    gc.collect()
    assert unhandled == []


async def test_in_the_background_a_defect_reaches_whoever_watches_the_loop() -> None:
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    async with started(startup_of(LookupError("a defect"), []), background=True) as startup:
        with pytest.raises(LookupError):
            await startup.wait()
    assert [type(context["exception"]) for context in unhandled] == [LookupError]


async def test_one_that_is_cancelled_as_it_enters_leaves_nothing_running() -> None:
    forever = asyncio.Event()

    class Slow(Database):
        async def pending(self) -> PendingReport:
            await forever.wait()
            raise NotImplementedError

    wish = Wish(mode=StartupMode.CHECK, timeout_s=3600, strict=False, options=None)
    entering = asyncio.create_task(
        started(Startup(wish, Slow(BEHIND), lambda _: None), background=True).__aenter__()
    )
    await asyncio.sleep(0)  # it has made its task and waits for it to begin
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert asyncio.all_tasks() == {asyncio.current_task()}
