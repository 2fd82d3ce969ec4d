"""Each fault at each statement boundary, up and down; then the same command again, and a third time."""

from __future__ import annotations

import os

import injuries
import pytest
from laboratory import Fault, Laboratory, strike
from wire import Moment

WHOLE = os.environ.get("HEADWAY_FAULTS") == "whole"
_PARTS = 4 if WHOLE else 1
_SAMPLE = int(os.environ.get("HEADWAY_FAULTS_EVERY", "1" if WHOLE else "53"))

FAULTS = (
    injuries.KILL,
    injuries.TERM,
    injuries.INT,
    injuries.TERMINATED,
    injuries.CANCELLED,
    injuries.CUT,
)


@pytest.mark.parametrize("part", range(_PARTS))
@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize(
    ("fault", "moment"),
    [pytest.param(fault, moment, id=f"{fault.name}-{moment}") for fault in FAULTS for moment in fault.moments],
)
def test_survives_at_every_boundary(
    laboratory: Laboratory, fault: Fault, moment: Moment, way: str, part: int
) -> None:
    numbers = range(part, len(laboratory.boundaries[way]), _PARTS)[:: _SAMPLE]
    done = [strike(laboratory, fault, way, moment, number) for number in numbers]
    assert any(record.boundary for record in done), "no fault has struck"
    wrong = [f"{record.number} at {record.boundary}: {record.violations}" for record in done if record.violations]
    assert not wrong, f"{len(wrong)} of {len(done)}:\n" + "\n".join(wrong)
