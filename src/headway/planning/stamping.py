"""What the version table holds after a stamp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.planning.identifiers import find_branch, named, parse, parse_absolute
from headway.planning.standing import require_known

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from headway.planning.identifiers import Identifier
    from headway.revisions import Graph


def plan_stamp(graph: Graph, current: Iterable[str], targets: Sequence[str]) -> tuple[str, ...]:
    """The version table's rows once the targets are stamped, sorted.

    A target replaces the rows it shares history with, above or below it, and leaves the others alone. Several
    targets are all recorded, as far as none implies another. ``base`` alone empties the table, and
    ``BRANCH@base`` takes out the rows that share history with the branch. To purge, pass no current rows.

    Args:
        graph: this checkout's revisions.
        current: rows of the version table.
        targets: identifiers without ``+N`` or ``-N``; none means ``base``, as in Alembic.

    Raises:
        UnknownRevisionsError: a row is not among the revisions.
        ResolutionError: a target names nothing, more than one thing, or is relative.
    """
    rows = require_known(graph, current)
    asked = [parse_absolute(target) for target in targets] or [parse("base")]
    goals = frozenset(id_ for identifier in asked for id_ in named(graph, identifier))
    touched: frozenset[str] = rows & frozenset().union(*(_history(graph, identifier) for identifier in asked))
    if not goals:
        return tuple(sorted(rows - touched))
    moved = any(touched & (graph.ancestors([goal]) | graph.descendants([goal])) for goal in goals - touched)
    kept = rows - touched if moved else rows
    return tuple(sorted(graph.maximal(graph.ancestors(kept | goals))))


def _history(graph: Graph, asked: Identifier) -> frozenset[str]:
    """Everything above and below what the identifier names, its branch included; all of it for ``base``."""
    branch = find_branch(graph, asked)
    meant = [*named(graph, asked), *([branch] if branch else [])]
    if not meant:
        return frozenset(graph.revisions)
    return graph.ancestors(meant) | graph.descendants(meant)
