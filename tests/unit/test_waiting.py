"""Waiting: what is waited out, what ends it at once, and what is said at the deadline."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import anyio
import pytest

from headway import (
    ConnectionFailedError,
    Event,
    NotAtHeadError,
    PendingReport,
    State,
    UnknownRevisionsError,
    Waiting,
    waiting,
)
from headway.waiting import wait_for_revision, wait_for_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

pytestmark = pytest.mark.asyncio

_BEHIND = PendingReport("d", State.BEHIND, ("r1",), ("r2",), ("r2",))
_AT_HEAD = PendingReport("d", State.AT_HEAD, ("r2",), ("r2",), ())
_DIVERGED = PendingReport("d", State.DIVERGED, ("ffff",), ("r2",), ("r1", "r2"), ("ffff",))


def _refused(sqlstate: str | None = None) -> ConnectionFailedError:
    return ConnectionFailedError("cannot connect to d: refused", sqlstate=sqlstate, hint="Look there.")


def _answering(
    *answers: PendingReport | ConnectionFailedError,
) -> tuple[Callable[[], Awaitable[PendingReport]], Iterator[PendingReport | ConnectionFailedError]]:
    """Gives one answer after the other, and keeps to the last."""
    left = iter(answers)
    last = answers[-1]

    async def ask() -> PendingReport:
        answer = next(left, last)
        if isinstance(answer, ConnectionFailedError):
            raise answer
        return answer

    return ask, left


async def _wait(
    *answers: PendingReport | ConnectionFailedError,
    timeout_s: float = 30.0,
    events: list[Event] | None = None,
) -> PendingReport:
    ask, _ = _answering(*answers)
    return await wait_for_revision(
        ask,
        target="head",
        reached=lambda report: report.at_head,
        timeout_s=timeout_s,
        emit=(lambda _: None) if events is None else events.append,
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that goes on only while somebody sleeps; gives how long each slept, in seconds."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(anyio, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: sum(slept))
    return slept


async def test_a_database_at_head_is_not_waited_for() -> None:
    events: list[Event] = []
    assert await _wait(_AT_HEAD, events=events) is _AT_HEAD
    assert events == []


async def test_it_is_waited_for_server_and_revision_alike() -> None:
    events: list[Event] = []
    assert await _wait(_refused(), _refused("57P03"), _BEHIND, _AT_HEAD, events=events) is _AT_HEAD
    assert [event.reason for event in events if isinstance(event, Waiting)] == [
        "cannot connect to d: refused",
        "cannot connect to d: refused",
        "d is behind and has not reached head: missing r2",
    ]


async def test_at_the_deadline_it_says_what_is_missing_and_how_long_it_waited(clock: list[float]) -> None:
    with pytest.raises(NotAtHeadError, match=r"d is behind .* missing r2 \(waited 0\.3 s\)") as caught:
        await _wait(_BEHIND, timeout_s=0.3)
    assert sum(clock) == pytest.approx(0.3)
    assert (type(caught.value), caught.value.state) == (NotAtHeadError, "behind")
    assert caught.value.pending == ("r2",)
    assert "headway upgrade" in str(caught.value.hint)


@pytest.mark.usefixtures("clock")
async def test_a_server_that_was_never_there_is_told_apart_from_a_missing_revision() -> None:
    with pytest.raises(ConnectionFailedError, match=r"refused \(waited 0\.3 s\)") as caught:
        await _wait(_refused("57P03"), timeout_s=0.3)
    assert (caught.value.sqlstate, caught.value.hint) == ("57P03", "Look there.")


@pytest.mark.parametrize("sqlstate", ["28P01", "28000", "3D000"])
async def test_an_answer_that_will_not_change_ends_the_wait_at_once(sqlstate: str) -> None:
    answer = _refused(sqlstate)
    with pytest.raises(ConnectionFailedError) as caught:
        await _wait(answer, _AT_HEAD)
    assert caught.value is answer


async def test_revisions_unknown_here_while_others_are_missing_end_the_wait_at_once() -> None:
    with pytest.raises(UnknownRevisionsError, match="unknown here: ffff"):
        await _wait(_DIVERGED, _AT_HEAD)


async def test_a_revision_that_is_half_way_is_waited_out() -> None:
    events: list[Event] = []
    dirty = PendingReport("d", State.DIRTY, ("ffff",), ("r2",), (), ("ffff",), dirty="gggg")
    assert await _wait(dirty, _AT_HEAD, events=events) is _AT_HEAD
    assert [event.reason for event in events if isinstance(event, Waiting)] == [
        "d is dirty and has not reached head: gggg was interrupted, or is being applied right now"
    ]


async def test_no_time_still_means_one_look() -> None:
    assert await _wait(_AT_HEAD, timeout_s=0) is _AT_HEAD
    with pytest.raises(NotAtHeadError):
        await _wait(_BEHIND, _AT_HEAD, timeout_s=0)


async def test_a_host_that_swallows_packets_does_not_outlast_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "_SHORTEST_TRY_S", 0.1)

    async def swallowed() -> None:
        await asyncio.Event().wait()

    with pytest.raises(ConnectionFailedError, match="did not answer in time"):
        await wait_for_server(swallowed, timeout_s=0.2, emit=print)


async def test_pauses_grow_to_two_seconds_and_end_with_the_deadline(clock: list[float]) -> None:
    with pytest.raises(NotAtHeadError):
        await _wait(_BEHIND, timeout_s=8.0)
    assert clock == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 0.9])


async def test_the_wait_can_be_cancelled() -> None:
    task = asyncio.create_task(_wait(_BEHIND))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_server_is_waited_for_by_itself() -> None:
    answers = iter([_refused(), None])

    async def connect() -> None:
        answer = next(answers)
        if answer is not None:
            raise answer

    events: list[Event] = []
    await wait_for_server(connect, timeout_s=30, emit=events.append)
    assert len(events) == 1
