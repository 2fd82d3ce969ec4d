"""The tables before and after, side by side, as a part of ``review.html``."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from headway.bundle.alterations import Fate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headway.bundle.alterations import Line, TableChange
    from headway.bundle.report import Drawn

_MARKS = {
    Fate.NEW: ("+", "added"),
    Fate.GONE: ("-", "removed"),
    Fate.CHANGED: ("→", "changed"),
    Fate.SAME: ("", "unchanged"),
}
_WEIGHTS = {Fate.NEW: "good", Fate.GONE: "bad", Fate.CHANGED: "warn", Fate.SAME: ""}


def changes(drawn: Drawn) -> Iterator[str]:
    """The section's lines."""
    yield '<h2 id="tables">Tables before and after</h2>'
    if drawn.undrawn is not None:
        yield f'<p class="note warn">Not drawn: {escape(drawn.undrawn)}.</p>'
        return
    if not drawn.changes:
        yield "<p>No table comes, goes or changes.</p>"
    yield from (_card(change) for change in drawn.changes)
    if drawn.untouched:
        names = ", ".join(f"<code>{escape(name)}</code>" for name in drawn.untouched)
        yield f'<p class="quiet">Unchanged: {names}</p>'


def _card(change: TableChange) -> str:
    lines = (*change.columns, *change.rules)
    refers = "".join(f" → <code>{escape(name)}</code>" for name in change.refers)
    told = f'<div class="ref">refers to{refers}</div>' if refers else ""
    body = _both_sides(lines) if change.fate is Fate.CHANGED else _one_side(lines, change.fate)
    return (
        f'<div class="card"><h3><code>{escape(change.name)}</code> '
        f'<span class="tag {_WEIGHTS[change.fate]}">{change.fate.value}</span></h3>{body}{told}</div>'
    )


def _one_side(lines: Iterable[Line], fate: Fate) -> str:
    """A table that comes or goes: there is nothing to compare it with."""
    items = "".join(f"<li>{_side(line.name, line.after or line.before)}</li>" for line in lines)
    return f'<ul class="{fate.value}">{items}</ul>'


def _both_sides(lines: Iterable[Line]) -> str:
    rows = "".join(map(_row, lines))
    return (
        '<table><thead><tr><th scope="col">before</th><th scope="col" class="mark">'
        '<span class="unseen">change</span></th>'
        f'<th scope="col">after</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _row(line: Line) -> str:
    mark, said = _MARKS[line.fate]
    return (
        f'<tr class="{line.fate.value}"><td class="before">{_side(line.name, line.before)}</td>'
        f'<td class="mark">{mark}<span class="unseen">{said}</span></td>'
        f'<td class="after">{_side(line.name, line.after)}</td></tr>'
    )


def _side(name: str, said: str | None) -> str:
    return "" if said is None else f"<strong>{escape(name)}</strong> <code>{escape(said)}</code>"
