"""Which revisions a history range covers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.errors import ResolutionError
from headway.planning.identifiers import (
    Identifier,
    Overrun,
    descend,
    find_branch,
    parse,
    refuse_url,
    upgrade_targets,
)
from headway.planning.standing import require_known

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from headway.revisions import Graph

_EVERYTHING = "base:heads"


def history_range(graph: Graph, range: str | None, current: Iterable[str] = ()) -> tuple[str, ...]:  # noqa: A002
    """The revisions of ``alembic history -r RANGE``, newest first, as that command prints them.

    Both ends are included. ``START:END``, ``START:`` up to the heads, ``:END`` from base; each may be
    ``current``. ``-N`` as START counts down from END and ``+N`` as END counts up from START; both stop where
    the revisions do. With a START only what descends from it by ``down_revision`` is listed; without, all
    that END needs.

    Args:
        graph: this checkout's revisions.
        range: ``None`` for all.
        current: rows of the version table; only ``current`` looks at them.

    Returns:
        Ids; empty when there are no revisions, or END is ``current`` and nothing is applied.

    Raises:
        UnknownRevisionsError: ``current`` is asked for, and a row is not among the revisions.
        ResolutionError: an end names nothing or more than one thing, or START does not lead to END.
    """
    text = _EVERYTHING if range is None else range.strip()
    refuse_url(text)
    start, colon, end = text.partition(":")
    if not colon or ":" in end:
        raise ResolutionError(text, f"{text!r} is not a range.", hint="Write START:END, START: or :END.")
    start, end = start or "base", end or "heads"
    first = parse(start)
    if first.steps is not None and first.where is None:
        if first.steps >= 0:
            raise ResolutionError(
                text, f"{start!r} counts forward, so it cannot be the older end.", hint="Write -N:END."
            )
        ends = _on_branch(graph, first, _end(graph, (), current, end))
        return _ordered(graph, {id_ for each in ends for id_ in _counted_down(graph, first, each)})
    starts = _start(graph, current, start)
    ends = _on_branch(graph, first, _end(graph, starts, current, end))
    return _ordered(graph, _between(graph, text, starts, ends))


def _start(graph: Graph, current: Iterable[str], text: str) -> frozenset[str]:
    if text == "current":
        return require_known(graph, current)
    return frozenset(upgrade_targets(graph, (), text, overrun=Overrun.STOP))


def _end(graph: Graph, starts: Iterable[str], current: Iterable[str], text: str) -> frozenset[str]:
    if text == "current":
        return require_known(graph, current)
    return frozenset(upgrade_targets(graph, starts, text, overrun=Overrun.STOP))


def _on_branch(graph: Graph, start: Identifier, ends: frozenset[str]) -> frozenset[str]:
    """``BRANCH@START`` narrows the other end to that branch, too."""
    branch = find_branch(graph, start)
    return ends & graph.line(branch) if branch else ends


def _counted_down(graph: Graph, start: Identifier, end: str) -> frozenset[str]:
    reached = descend(graph, end, start, overrun=Overrun.STOP)
    return _between(graph, start.text, frozenset([reached] if reached else []), frozenset([end]))


def _between(graph: Graph, text: str, starts: frozenset[str], ends: frozenset[str]) -> frozenset[str]:
    needed = graph.ancestors(ends)
    if not starts:
        return needed
    if strays := sorted(starts - needed):
        raise ResolutionError(
            text,
            f"{text!r} is not a range: {', '.join(strays)} does not lead to "
            f"{', '.join(sorted(ends)) or 'base'}.",
            candidates=strays,
            hint="The older end comes first; `headway history` lists the newest first.",
        )
    return (needed - graph.ancestors(starts) | starts) & graph.line_descendants(starts)


def _ordered(graph: Graph, ids: Collection[str]) -> tuple[str, ...]:
    return tuple(id_ for id_ in reversed(tuple(graph.revisions)) if id_ in ids)
