"""Results as text for people. Pure: results in, text out; styles are taken off where they are not wanted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from headway.cli import tables
from headway.cli.failure import shorten
from headway.cli.progress import readable_duration
from headway.cli.tables import Cell
from headway.cli.terminal import mark_colour
from headway.results import Direction, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from headway import Plan
    from headway.cli.terminal import Terminal
    from headway.results import Loss, PendingReport, RevisionStatus, RunReport, StatusReport

_STATE_NAMES = {State.AT_HEAD: "at head"}
_UNITS = ("B", "kB", "MB", "GB", "TB")
_UNIT_STEP = 1024
"""PostgreSQL's own step for kB, MB, ... (pg_size_pretty)."""


def status(terminal: Terminal, report: StatusReport) -> str:
    """Every revision in a table, then where the database stands.

    The column of times appears only when something is known to put in it.
    """
    dated = any(item.applied_at for item in report.revisions)
    rows = []
    for item in report.revisions:
        colour = mark_colour(item.mark)
        row = [
            Cell(terminal.mark(item.mark, sys.stdout), colour),
            Cell(item.revision, "bold"),
            Cell(_state_of(item), colour),
        ]
        if dated:
            row.append(Cell(item.applied_at.isoformat(" ", "seconds") if item.applied_at else ""))
        rows.append([*row, Cell(item.description)])
    header = ["", "revision", "state", *(["applied"] if dated else []), "description"]
    table = tables.render(terminal, rows, header=header)
    return "\n\n".join(part for part in (table, standing(report)) if part)


def standing(report: StatusReport | PendingReport) -> str:
    """Where the database stands in one line, with the command that helps."""
    state = _STATE_NAMES.get(report.state, report.state.value)
    if report.state is State.AT_HEAD:
        return f"{state} ({', '.join(report.heads) or 'no revisions'})"
    facts = []
    if report.pending:
        facts.append(f"{count(report.pending, 'revision')} pending")
    if report.unknown:
        facts.append(f"unknown here: {', '.join(report.unknown)}")
    facts.append(f"current: {', '.join(report.current) or 'none'}")
    facts.append(f"head: {', '.join(report.heads) or 'none'}")
    return f"{state}: {'; '.join(facts)}"


def revisions(terminal: Terminal, items: Sequence[RevisionStatus], *, paths: bool = False) -> str:
    """One revision on a line: identifier, description, what is special about it; its file if asked."""
    rows = []
    for item in items:
        row = [Cell(item.revision, "bold"), Cell(item.description), Cell(_special(item), "cyan")]
        if paths:
            row.append(Cell(shorten(item.path) if item.path else "", "dim"))
        rows.append(row)
    return tables.render(terminal, rows)


def names(items: Iterable[RevisionStatus]) -> str:
    """The identifiers, in a row."""
    return ", ".join(item.revision for item in items) or "none"


def plan(terminal: Terminal, planned: Plan, losses: Sequence[Loss]) -> str:
    """The steps in order, and what data they destroy."""
    if not planned.steps:
        return f"nothing to do: at {_place(planned.before)}"
    title = f"{planned.direction.value} {_place(planned.before)} -> {_place(planned.after)}, in order:"
    rows = [
        (
            Cell(f"  {number}", "dim"),
            Cell(step.revision, "bold"),
            Cell(step.description),
            Cell(shorten(step.path), "dim"),
        )
        for number, step in enumerate(planned.steps, start=1)
    ]
    parts = [title + "\n" + tables.render(terminal, rows)]
    if losses:
        parts.append(destroyed(losses))
    return "\n\n".join(parts)


def destroyed(losses: Sequence[Loss]) -> str:
    """What data a plan destroys, one loss on a line."""
    return "\n".join(["this destroys data:", *(f"  {item.revision}  {_loss(item)}" for item in losses)])


def summary(report: RunReport, heads: Sequence[str]) -> str:
    """A finished run in one line."""
    at_head = bool(heads) and set(report.after) == set(heads)
    place = f"at head ({', '.join(report.after)})" if at_head else f"at {_place(report.after)}"
    if not report.steps:
        return f"nothing to do: {place}"
    downwards = report.steps[0].direction is Direction.DOWNGRADE
    done = f"{count(report.steps, 'revision')} {'undone' if downwards else 'applied'}"
    return f"{done} in {readable_duration(report.duration_ms)}: {place}"


def count(items: Sequence[object], noun: str) -> str:
    """``1 revision``, ``2 revisions``."""
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


def readable_size(size: int) -> str:
    """A size for people, in PostgreSQL's units: ``512 B``, ``48 kB``, ``3.2 MB``."""
    amount, unit = float(size), 0
    while amount >= _UNIT_STEP and unit < len(_UNITS) - 1:
        amount, unit = amount / _UNIT_STEP, unit + 1
    text = f"{amount:.1f}".removesuffix(".0")
    return f"{text} {_UNITS[unit]}"


def _loss(loss: Loss) -> str:
    what = f"cannot be told: {loss.what}" if loss.kind == "unknown" else f"{loss.kind} {loss.what}"
    figures = []
    if loss.rows is not None:
        figures.append(f"about {loss.rows:,} row{'' if loss.rows == 1 else 's'}" if loss.rows else "no rows")
    if loss.size_bytes is not None:
        figures.append(readable_size(loss.size_bytes))
    return f"{what} ({', '.join(figures)})" if figures else what


def _place(revisions: Sequence[str]) -> str:
    return ", ".join(revisions) or "base"


def _state_of(item: RevisionStatus) -> str:
    state = "unknown here" if item.mark.value == "unknown" else item.mark.value
    places = [name for name, holds in (("current", item.is_current), ("head", item.is_head)) if holds]
    return ", ".join([state, *places])


def _special(item: RevisionStatus) -> str:
    notes = [name for name, holds in (("current", item.is_current), ("head", item.is_head)) if holds]
    if len(item.parents) > 1:
        notes.append(f"merges {', '.join(item.parents)}")
    if item.depends_on:
        notes.append(f"depends on {', '.join(item.depends_on)}")
    notes += item.labels
    return f"({'; '.join(notes)})" if notes else ""
