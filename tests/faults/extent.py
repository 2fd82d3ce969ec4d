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


def around(kinds: list[str], wanted: Iterable[str], *, seed: int, each: int) -> list[int]:
    """Which statements a fault strikes that takes long: some of each kind that is wanted.

    Args:
        kinds: of all statements.
        wanted: kinds.
        seed: which one a sample takes.
        each: how many of a kind, in the whole run; first and last among them.
    """
    found = []
    for kind in wanted:
        places = [number for number, its in enumerate(kinds) if its == kind]
        steps = max(1, each - 1)
        found += sorted({places[step * (len(places) - 1) // steps] for step in range(each)} if places else ())
    return found[::EVERY] if WHOLE else [found[(seed * _SPREAD) % len(found)]]


def sample(cases: Iterable[T], *, every: int = 5) -> list[T]:
    """All cases in the whole run, every fifth (or as is said) otherwise."""
    return [*cases][:: EVERY if WHOLE else every]
