"""Each fault at each statement boundary, up and down; then the same command again, and a third time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import injuries
import pytest
from extent import WHOLE, boundaries, sample
from laboratory import Fault, Laboratory, strike

if TYPE_CHECKING:
    from wire import Moment

_PARTS = 16 if WHOLE else 1
_PLACES = [
    (fault, moments)
    for fault in injuries.AT_BOUNDARIES
    for moments in ([fault.moments] if fault.rotates else [(moment,) for moment in fault.moments])
]
_WAYS = ("up", "down")


@pytest.mark.parametrize("part", range(_PARTS))
@pytest.mark.parametrize(
    ("place", "way"),
    [
        pytest.param(number, way, id=f"{fault.name} {' or '.join(moments)}, {way}")
        for number, (fault, moments) in enumerate(_PLACES)
        for way in (_WAYS if WHOLE else _WAYS[number % 2 :][:1])
    ],
)
def test_survives_at_every_boundary(laboratory: Laboratory, place: int, way: str, part: int) -> None:
    fault, moments = _PLACES[place]
    numbers = boundaries(len(laboratory.boundaries[way]), seed=place)[part::_PARTS]
    _judge(laboratory, [(fault, way, moments[number % len(moments)], number) for number in numbers])


@pytest.mark.parametrize("part", range(_PARTS))
@pytest.mark.parametrize("way", _WAYS if WHOLE else _WAYS[:1])
def test_survives_inside_every_message(laboratory: Laboratory, way: str, part: int) -> None:
    """Between any two statements of a step that goes in one message, and after its COMMIT."""
    places = [
        (number, fault)
        for number, statements in enumerate(laboratory.messages[way])
        for position in range(statements + 1)
        for fault in injuries.inside(position)
    ]
    chosen = sample(places, every=61)[part::_PARTS]
    _judge(laboratory, [(fault, way, fault.moments[0], number) for number, fault in chosen])


def _judge(laboratory: Laboratory, places: list[tuple[Fault, str, Moment, int]]) -> None:
    done = []
    for place in places:
        if laboratory.records.is_late:
            laboratory.records.leave_out()
        else:
            done.append(strike(laboratory, *place))
    assert not done or any(record.boundary for record in done), "no fault has struck"
    wrong = [
        f"{record.number} at {record.boundary}: {record.violations}" for record in done if record.violations
    ]
    assert not wrong, f"{len(wrong)} of {len(done)}:\n" + "\n".join(wrong)
