"""One question for many who want to know."""

from __future__ import annotations

import asyncio

import pytest

from headway.asgi.remembered import Remembered


class Question:
    """Counts how often it is asked; answers when let."""

    def __init__(self) -> None:
        self.asked = 0
        self.let = asyncio.Event()

    async def __call__(self) -> int:
        self.asked += 1
        number = self.asked
        await self.let.wait()
        return number


@pytest.mark.asyncio
async def test_a_hundred_who_ask_at_once_bring_one_question() -> None:
    question = Question()
    remembered = Remembered(question, for_s=3600)
    waiting = [asyncio.create_task(remembered.get()) for _ in range(100)]
    await asyncio.sleep(0)
    question.let.set()
    assert await asyncio.gather(*waiting) == [1] * 100
    assert await remembered.get() == 1
    assert question.asked == 1


@pytest.mark.asyncio
async def test_an_old_answer_is_asked_for_anew() -> None:
    question = Question()
    question.let.set()
    remembered = Remembered(question, for_s=0)
    assert [await remembered.get(), await remembered.get()] == [1, 2]


@pytest.mark.asyncio
async def test_an_answer_counts_from_when_it_came_and_not_from_when_it_was_asked_for() -> None:
    question = Question()
    remembered = Remembered(question, for_s=3600)
    first = asyncio.create_task(remembered.get())
    await asyncio.sleep(0)
    second = asyncio.create_task(remembered.get())
    question.let.set()
    assert [*await asyncio.gather(first, second)] == [1, 1]


@pytest.mark.asyncio
async def test_who_stops_waiting_takes_the_answer_from_nobody() -> None:
    question = Question()
    remembered = Remembered(question, for_s=3600)
    impatient, patient = asyncio.create_task(remembered.get()), asyncio.create_task(remembered.get())
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    question.let.set()
    assert await patient == 1


@pytest.mark.asyncio
async def test_what_is_forgotten_is_asked_for_anew() -> None:
    question = Question()
    question.let.set()
    remembered = Remembered(question, for_s=3600)
    assert await remembered.get() == 1
    remembered.forget()
    assert await remembered.get() == 2


def test_a_question_that_another_event_loop_left_behind_is_asked_anew() -> None:
    asked = 0

    async def ask() -> int:
        nonlocal asked
        asked += 1
        return asked

    remembered = Remembered(ask, for_s=3600)
    assert asyncio.run(remembered.get()) == 1
    assert asyncio.run(remembered.get()) == 2
