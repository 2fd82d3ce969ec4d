"""The steps as SQL files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.baseline.steps import Step

UNCHECKED = "SET LOCAL check_function_bodies = false"
"""Lets routines speak of what is made after them, as pg_dump does."""
_ROUTINES = frozenset({"function", "procedure"})


def statements_of(steps: Sequence[Step]) -> tuple[list[str], list[str]]:
    """What makes it all, and what takes it back; each without a semicolon at its end."""
    made = [statement for step in steps for statement in step.make]
    if any(step.part.kind in _ROUTINES for step in steps):
        made.insert(0, UNCHECKED)
    return made, [step.drop for step in reversed(steps) if step.drop]


def sql_of(steps: Sequence[Step]) -> tuple[str, str]:
    """The bodies of both files; "" where there is nothing to make."""
    up, down = ("".join(f"{each};\n\n" for each in side).rstrip("\n") for side in statements_of(steps))
    return f"{up}\n" if up else "", f"{down}\n" if down else ""
