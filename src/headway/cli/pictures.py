"""Results as text for people. Pure: results in, text out; styles are taken off where they are not wanted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from headway.cli import tables
from headway.cli.failure import shorten
from headway.cli.tables import Cell
from headway.cli.terminal import mark_colour
from headway.narration.figures import readable_duration, readable_size
from headway.results import Change, Direction, Mark, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from headway.cli.terminal import Terminal
    from headway.results import Difference, Loss, PendingReport, RevisionStatus, RunReport, StatusReport

_STATE_NAMES = {State.AT_HEAD: "at head"}
_BEFORE_THE_LEDGER = "before the ledger"


def status(terminal: Terminal, report: StatusReport) -> str:
    """Every revision in a table, then what an interrupted one left, then where the database stands.

    The column of times appears only when there is a ledger to take them from.
    """
    dated = report.ledger or any(item.applied_at for item in report.revisions)
    rows = []
    for item in report.revisions:
        colour = mark_colour(item.mark)
        row = [
            Cell(terminal.mark(item.mark, sys.stdout), colour),
            Cell(item.revision, "bold"),
            Cell(_state_of(item), colour),
        ]
        if dated:
            row.append(_applied_at(item))
        rows.append([*row, Cell(item.description)])
    header = ["", "revision", "state", *(["applied"] if dated else []), "description"]
    table = tables.render(terminal, rows, header=header)
    left = click.style(report.dirty, fg="red") if report.dirty else ""
    return "\n\n".join(part for part in (table, left, standing(report)) if part)


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
        if set(report.current) == set(report.unknown):
            facts.append("those here are presumed applied: an unknown one does not say what it came after")
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


def destroyed(losses: Sequence[Loss]) -> str:
    """What data a plan destroys, one loss on a line."""
    return "\n".join(["this destroys data:", *(f"  {item.revision}  {_loss(item)}" for item in losses)])


def summary(report: RunReport) -> str:
    """A finished run in one line."""
    place = f"at head ({', '.join(report.after)})" if report.at_head else f"at {_place(report.after)}"
    if not report.steps:
        return f"nothing to do: {place}"
    downwards = report.steps[0].direction is Direction.DOWNGRADE
    done = f"{count(report.steps, 'revision')} {'undone' if downwards else 'applied'}"
    return f"{done} in {readable_duration(report.duration_ms)}: {place}"


_CHANGES = {Change.ADDED: ("+", "green"), Change.REMOVED: ("-", "red"), Change.CHANGED: ("~", "yellow")}


def differences(changes: Sequence[Difference]) -> str:
    """What models and revisions have unlike, by table: ``+`` and ``-`` as in a diff, ``~`` for changed."""
    lines: list[str] = []
    table: str | None = None
    for change in sorted(changes, key=lambda item: (item.place or "", item.kind != "table")):
        if change.place != table:
            table = change.place
            if change.kind != "table":
                lines.append(click.style(f"  table {table}", bold=True))
        lines.append(_difference(change))
    return "\n".join(lines)


def _difference(item: Difference) -> str:
    mark, colour = _CHANGES[item.change]
    if item.kind == "table":
        return click.style(f"{mark} table {item.place}", fg=colour, bold=True)
    name = item.name if item.table or not item.schema else f"{item.schema}.{item.name}"
    subject = " ".join(word for word in (item.kind, name, item.attribute) if word)
    what = " -> ".join(text for text in (item.old, item.new) if text)
    indent = "   " if item.place else " "
    return click.style(f"{mark}{indent}{subject}", fg=colour) + (f": {what}" if what else "")


def count(items: Sequence[object], noun: str) -> str:
    """``1 revision``, ``2 revisions``."""
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


_KINDS = {"unknown": "cannot be told:", "type": "type of"}


def _loss(loss: Loss) -> str:
    what = f"{_KINDS.get(loss.kind, loss.kind)} {loss.what}"
    figures = []
    if loss.rows is not None:
        figures.append(f"about {loss.rows:,} row{'' if loss.rows == 1 else 's'}" if loss.rows else "no rows")
    if loss.size_bytes is not None:
        figures.append(readable_size(loss.size_bytes))
    return f"{what} ({', '.join(figures)})" if figures else what


def _applied_at(item: RevisionStatus) -> Cell:
    if item.applied_at is not None:
        return Cell(item.applied_at.isoformat(" ", "seconds"))
    # Nothing is known of a revision that plain Alembic applied, except that it is there.
    return Cell("" if item.mark is Mark.PENDING else _BEFORE_THE_LEDGER, "dim")


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
