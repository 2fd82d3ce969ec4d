"""Each invariant's check is able to fail: an engine, or a state, that is broken on purpose trips it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import broken
import command
import invariants
import looks
import psycopg
import pytest
from invariants import INVARIANTS, Evidence, violations
from laboratory import UP, Fault, Laboratory, judged, watching
from statement_kinds import IN_ONE
from wire import Moment, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NOTHING = Fault("nothing", lambda _: True, frozenset({0}))


@pytest.fixture
def sound(laboratory: Laboratory) -> Evidence:
    """What a sound engine leaves."""
    return judged(laboratory, _NOTHING, "up", Moment.BEFORE, 0)[1]


def test_a_sound_engine_violates_nothing(sound: Evidence) -> None:
    assert violations(sound) == {}
    assert sound.after is not None
    assert sound.after.version == "r6"


@pytest.mark.parametrize(
    ("engine", "tripped"),
    [
        (broken.forgets_to_migrate, {"I1 truth", "I3 once"}),
        (broken.repeats_what_is_done, {"I3 once"}),
        (broken.does_nothing, {"I2 convergence", "I7 honest exit"}),
        (broken.refuses_too_late, {"I8 pure refusal"}),
        (broken.is_indiscreet, {"I7 honest exit"}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_broken_engine_is_noticed(
    laboratory: Laboratory, engine: Callable[[], None], tripped: set[str]
) -> None:
    _, evidence = judged(laboratory, _NOTHING, "up", Moment.BEFORE, 0, broken=engine)
    if not evidence.secrets:  # a server that asks for no password: the URL itself stands for it
        evidence.secrets = ("postgresql://",)
        evidence.runs = [replace(run, out="", err=run.err.split("database:")[0]) for run in evidence.runs]
    assert tripped <= set(violations(evidence))


def test_two_at_work_are_noticed(laboratory: Laboratory, sound: Evidence) -> None:
    """One is held up in the midst of its work; another one that takes no lock works meanwhile."""
    sound.spans = [*_overlapping(laboratory, broken.takes_no_lock)]
    assert set(violations(sound)) == {"I4 exclusion"}


@pytest.mark.slow
def test_with_the_lock_the_same_two_do_not_overlap(laboratory: Laboratory, sound: Evidence) -> None:
    sound.spans = [*_overlapping(laboratory, None)]
    assert violations(sound) == {}


@dataclass
class _Held:
    """Holds a migrator up at a statement."""

    reached: threading.Event
    released: threading.Event

    def __call__(self, _: Any) -> bool:
        self.reached.set()
        return self.released.wait(command.DEADLINE_S)


def _overlapping(laboratory: Laboratory, engine: Callable[[], None] | None) -> Iterator[tuple[float, float]]:
    from wire import Aim

    number = laboratory.boundaries["up"].index(IN_ONE) + 1
    held = _Held(threading.Event(), threading.Event())
    with laboratory.database("up") as url, Proxy(url, Aim(number, Moment.BEFORE, held)) as first:
        with command.started(laboratory.folder, first.url, *UP, broken=engine) as one:
            assert held.reached.wait(command.DEADLINE_S)
            with Proxy(url) as second:
                command.run(laboratory.folder, second.url, *UP, "--lock-wait", "0", broken=engine)
                held.released.set()
                one.ended()
                yield from invariants.span(second.statements)
        yield from invariants.span(first.statements)


def test_what_is_left_behind_is_noticed(laboratory: Laboratory, sound: Evidence) -> None:
    with (
        laboratory.database("down") as url,
        watching(url) as admin,
        psycopg.connect(url, autocommit=True) as leak,
    ):
        leak.execute("SELECT pg_advisory_lock(7)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            leak.execute("CREATE UNIQUE INDEX CONCURRENTLY twice ON book (shelf_id)")
        sound.again = looks.look(admin)
    found = "\n".join(violations(sound)["I5 no leak"])
    assert "lock " in found
    assert "session " in found
    assert "index twice" in found


@pytest.mark.slow
def test_a_slow_query_and_a_failed_one_are_noticed(sound: Evidence) -> None:
    slow = replace(sound, latencies=[sound.harm_s + 0.1])
    failed = replace(sound, app_errors=["DeadlockDetected: deadlock detected"])
    assert set(violations(slow)) == set(violations(failed)) == {"I6 bounded harm"}


def test_every_invariant_is_tried_here() -> None:
    assert [name.split()[0] for name in INVARIANTS] == [f"I{number}" for number in range(1, 9)]
