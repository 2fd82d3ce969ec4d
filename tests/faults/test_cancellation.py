"""A run inside an application that is cancelled at each await; then the same again, and a third time.

The application awaits the migrator on its own event loop. At the n-th time that it gives way to the loop, its
task is cancelled, as a timeout or a lifespan that ends does; every n is tried. How often a run gives way
depends on what it must wait for, so that a few of the last are not reached by every run.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import looks
import probed_chain
import pytest
from command import DEADLINE_S, HUNG, Ended
from extent import EVERY, WHOLE
from invariants import Evidence, span, violations
from laboratory import Laboratory, quiet, watching
from records import Record
from wire import Proxy

from headway import HeadwayError, Migrator

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

_PARTS = 16 if WHOLE else 1
_CANCELLED = 130
"""Stands for a run that ended with ``CancelledError``."""


class Counted:
    """An awaitable that cancels the task which awaits it, when it gives way for the n-th time.

    Args:
        work: what is awaited.
        number: when it is cancelled, counted from 0; never when ``None``.

    Attributes:
        count: how often it has given way.
    """

    def __init__(self, work: Coroutine[Any, Any, object], number: int | None) -> None:
        self._work = work
        self._number = number
        self.count = 0

    def __await__(self) -> Generator[Any, Any, object]:
        inner = self._work.__await__()
        sent, thrown = None, None
        while True:
            try:
                waited_for = inner.send(sent) if thrown is None else inner.throw(thrown)
            except StopIteration as ended:
                return ended.value
            if self.count == self._number:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            self.count += 1
            sent, thrown = None, None
            try:
                sent = yield waited_for
            except BaseException as error:  # noqa: BLE001  # it is for what is awaited to deal with
                thrown = error


def _run(laboratory: Laboratory, way: str, url: str, number: int | None = None) -> tuple[Ended, Counted]:
    """Run it in this process; what a command would end with."""
    since = time.monotonic()
    migrator = Migrator(laboratory.folder / "alembic.ini", url=url)
    work = migrator.upgrade() if way == "up" else migrator.downgrade("base")
    counted = Counted(work, number)

    async def application() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await counted

    said, code = "", 0
    try:
        asyncio.run(application())
    except asyncio.CancelledError:
        code = _CANCELLED
    except TimeoutError:
        code = HUNG
    except HeadwayError as error:
        said, code = str(error), int(error.exit_code)
    return Ended((f"in process, {way}",), code, "", said, time.monotonic() - since), counted


def _cancelled_at(laboratory: Laboratory, way: str, number: int) -> bool:
    """Cancel one run; whether it came so far."""
    with laboratory.database(way) as url, watching(url) as admin:
        evidence = Evidence(
            way,
            probed_chain.HEAD if way == "up" else None,
            laboratory.truth,
            looks.look(admin),
            codes=frozenset({_CANCELLED}),
            secrets=laboratory.secrets,
        )
        done, counted = _run(laboratory, way, url, number)
        evidence.runs.append(done)
        evidence.leaked += quiet(admin)
        evidence.after = looks.look(admin)
        evidence.runs.append(_run(laboratory, way, url)[0])
        evidence.leaked += quiet(admin)
        evidence.again = looks.look(admin)
        with Proxy(url) as proxy:
            evidence.runs.append(_run(laboratory, way, proxy.url)[0])
            evidence.spans += span(proxy.statements)
        evidence.third_statements = proxy.statements
        evidence.leaked += quiet(admin)
        evidence.third = looks.look(admin)
    wrong = violations(evidence)
    laboratory.records.add(Record("task cancelled", "", way, "an await", number, done.code, wrong))
    assert wrong == {}, number
    return counted.count > number


@pytest.fixture(scope="session")
def awaits(laboratory: Laboratory) -> dict[str, int]:
    """How often a run without a fault gives way."""
    found = {}
    for way in ("up", "down"):
        with laboratory.database(way) as url:
            done, counted = _run(laboratory, way, url)
            assert done.code == 0, done.err
            found[way] = counted.count
    return found


@pytest.mark.parametrize("part", range(_PARTS))
@pytest.mark.parametrize("way", ["up", "down"])
def test_cancelling_is_safe_at_every_await(
    laboratory: Laboratory, awaits: dict[str, int], way: str, part: int
) -> None:
    numbers = range(part, awaits[way], _PARTS * EVERY) if WHOLE else [awaits[way] * 2 // 3]
    reached = []
    for number in numbers:
        if laboratory.records.is_late:
            laboratory.records.leave_out()
        else:
            reached.append(_cancelled_at(laboratory, way, number))
    assert not reached or any(reached)
