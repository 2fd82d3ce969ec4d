"""Each fault at each statement boundary, up and down; then the same command again, and a third time."""

from __future__ import annotations

import injuries
import pytest
from extent import WHOLE, boundaries
from laboratory import Laboratory, strike

_PARTS = 4 if WHOLE else 1
_PLACES = [(fault, moment) for fault in injuries.AT_BOUNDARIES for moment in fault.moments]


@pytest.mark.parametrize("part", range(_PARTS))
@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize(
    "place", range(len(_PLACES)), ids=[f"{fault.name}-{moment}" for fault, moment in _PLACES]
)
def test_survives_at_every_boundary(laboratory: Laboratory, place: int, way: str, part: int) -> None:
    fault, moment = _PLACES[place]
    numbers = boundaries(len(laboratory.boundaries[way]), seed=place, every=fault.every)[part::_PARTS]
    done = [strike(laboratory, fault, way, moment, number) for number in numbers]
    assert any(record.boundary for record in done), "no fault has struck"
    wrong = [
        f"{record.number} at {record.boundary}: {record.violations}" for record in done if record.violations
    ]
    assert not wrong, f"{len(wrong)} of {len(done)}:\n" + "\n".join(wrong)
