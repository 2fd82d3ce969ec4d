"""How much of the suite runs: all of it with ``HEADWAY_FAULTS=whole`` (``make faults``), a sample without."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")
WHOLE = os.environ.get("HEADWAY_FAULTS") == "whole"
EVERY = int(os.environ.get("HEADWAY_FAULTS_EVERY", "1"))
"""Takes every n-th boundary only, of those that would be taken; for a slow machine."""
_SPREAD = 37


def boundaries(count: int, *, seed: int, every: int = 1) -> list[int]:
    """Which statements a fault strikes.

    Args:
        count: how many there are.
        seed: of the fault, so that each fault of a sample strikes at other places.
        every: one of how many is taken in the whole run.
    """
    if WHOLE:
        return [*range(seed % every, count, every * EVERY)]
    return [(seed * _SPREAD + count // 3) % count]


def sample(cases: Iterable[T], *, every: int = 5) -> list[T]:
    """All cases in the whole run, every fifth (or as is said) otherwise."""
    return [*cases][:: EVERY if WHOLE else every]
