"""Measurements as tables of Markdown, for the terminal and for docs/performance.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from measurement import Goal, Measurement

_SMALL = 10
_MARKED = re.compile(r"(<!-- benchmark (?P<case>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def put(page: Path, case: str, text: str) -> None:
    """Put a case's text between its markers on a page; whatever else is there stays.

    Args:
        page: a Markdown file with ``<!-- benchmark CASE -->`` and ``<!-- end -->`` around each table.
        case: which.
        text: what comes between them.
    """

    def filled(found: re.Match[str]) -> str:
        return f"{found[1]}{text}{found[3]}" if found["case"] == case else found[0]

    page.write_text(_MARKED.sub(filled, page.read_text(encoding="utf-8")), encoding="utf-8")


def rendered(measured: Measurement, *, quick: bool) -> str:
    """All there is to say of a case: goals, figures, notes."""
    warning = "Quick run: it shows that the case works, and not how fast anything is.\n\n" if quick else ""
    goals = _table(("goal", "measured", "at most", ""), map(_goal, measured.goals)) if measured.goals else ""
    remarks = [*(f"Left out: {each}" for each in measured.left_out), *measured.notes]
    parts = [goals, _figures(measured), "".join(f"- {each}\n" for each in remarks)]
    return warning + "\n".join(part for part in parts if part)


def _goal(goal: Goal) -> Sequence[str]:
    digits = ".2f" if goal.unit == "times" else ".1f"
    measured, at_most = (f"{number:{digits}} {goal.unit}" for number in (goal.measured, goal.at_most))
    return goal.what, measured, at_most, "met" if goal.met else "**missed**"


def _figures(measured: Measurement) -> str:
    columns = [f"median, {measured.unit}", "quartiles", "times the first", "rounds"]
    rows = []
    for each in measured.series:
        low, high = map(_number, each.quartiles)
        ratio = f"{measured.ratio(each):.2f}"
        rows.append([_number(each.median), f"{low} - {high}", ratio, str(len(each.values))])
    for title, values in (
        ("CPU of the process, ms", [each.cpu_ms for each in measured.series]),
        ("CPU of the server, ms", [each.server_cpu_ms for each in measured.series]),
        ("peak memory, MiB", [each.peak_mib for each in measured.series]),
    ):
        if any(values):
            columns.append(title)
            for row, value in zip(rows, values, strict=True):
                row.append("" if value is None else f"{value:.0f}")
    grouped = any(each.group for each in measured.series)
    names = [[each.group, each.contender] if grouped else [each.contender] for each in measured.series]
    head = [measured.what, *(["contender"] if grouped else []), *columns]
    return _table(head, [name + row for name, row in zip(names, rows, strict=True)])


def _number(value: float) -> str:
    return f"{value:.2f}" if value < _SMALL else f"{value:.1f}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [columns, *rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    rule = ["-" * width for width in widths]
    return "".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |\n"
        for row in [columns, rule, *cells[1:]]
    )


def origin(found: Mapping[str, Any]) -> str:
    """Where figures come from, of what ``machine.described`` found."""
    machine, packages = (
        found["machine"],
        ", ".join(f"{name} {number}" for name, number in found["packages"].items()),
    )
    settings = ", ".join(f"{name} {value}" for name, value in found["settings"].items())
    return (
        f"{found['date']}; {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}, load {machine['load']} when the run began; "
        f"PostgreSQL {found['server']} ({settings}), Python {found['python']}, {packages}.\n"
    )
