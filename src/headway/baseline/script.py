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


def told(unspoken: Sequence[str]) -> list[str]:
    """Lines for a comment at the beginning: what the revision leaves out; none where it is whole."""
    if not unspoken:
        return []
    return [
        "Not in this revision, and to be written by hand where it is wanted:",
        *(f"- {each}" for each in unspoken),
    ]


def sql_of(steps: Sequence[Step], unspoken: Sequence[str] = ()) -> tuple[str, str]:
    """The bodies of both files; "" where there is nothing to make.

    Args:
        steps: in order.
        unspoken: what the revision leaves out, in words.
    """
    up, down = ("".join(f"{each};\n\n" for each in side).rstrip("\n") for side in statements_of(steps))
    remark = "".join(f"-- {_in_one_line(line)}\n" for line in told(unspoken))
    up = f"{remark}\n{up}".lstrip("\n") if remark else up
    return f"{up}\n" if up else "", f"{down}\n" if down else ""


def _in_one_line(words: str) -> str:
    return " ".join(words.split())
