"""Where a database stands, judged by the rows of its version table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.errors import NotAtHeadError, UnknownRevisionsError
from headway.results import Mark, RevisionStatus, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headway.results import PendingReport
    from headway.revisions import Graph


def assess(graph: Graph, current: Iterable[str]) -> State:
    """Compare the version table's rows with this checkout's revisions.

    Returns:
        ``UNVERSIONED`` without rows; but when there are no revision files either, nothing is missing, and it
        is ``AT_HEAD``. With rows that this checkout does not hold: ``AHEAD`` when the other rows account for
        every revision here or there are no other rows, else ``DIVERGED``. Never ``DIRTY``, which the rows
        cannot tell.
    """
    rows = frozenset(current)
    if not rows:
        return State.UNVERSIONED if len(graph) else State.AT_HEAD
    known = _known(graph, rows)
    complete = len(graph.ancestors(known)) == len(graph)
    if known == rows:
        return State.AT_HEAD if complete else State.BEHIND
    return State.AHEAD if complete or not known else State.DIVERGED


def pending(graph: Graph, current: Iterable[str]) -> tuple[str, ...]:
    """Revisions that are not applied, in the order they would run to reach all heads; empty at head.

    Rows that this checkout does not hold are ignored.
    """
    applied = graph.ancestors(_known(graph, current))
    return tuple(id_ for id_ in graph.revisions if id_ not in applied)


def describe(graph: Graph, ids: Iterable[str], current: Iterable[str]) -> tuple[RevisionStatus, ...]:
    """Each of the revisions ``ids``, in their order, with its mark as the version rows have it."""
    rows = frozenset(current)
    applied = graph.ancestors(_known(graph, rows))
    return tuple(
        RevisionStatus(
            revision=id_,
            mark=Mark.APPLIED if id_ in applied else Mark.PENDING,
            description=graph.revisions[id_].description,
            parents=graph.revisions[id_].parents,
            depends_on=graph.revisions[id_].depends_on,
            labels=graph.revisions[id_].labels,
            path=graph.revisions[id_].path,
            is_head=id_ in graph.heads,
            is_current=id_ in rows,
        )
        for id_ in ids
    )


def unknown(graph: Graph, current: Iterable[str]) -> tuple[RevisionStatus, ...]:
    """The version rows that this checkout does not hold, sorted; empty as a rule."""
    rows = frozenset(current)
    return tuple(
        RevisionStatus(row, Mark.UNKNOWN, is_current=True) for row in sorted(rows - _known(graph, rows))
    )


def require_head(report: PendingReport) -> None:
    """Return when the report says that the database is at head.

    Raises:
        NotAtHeadError: revisions are missing, or the database holds unknown ones; says which.
    """
    if report.at_head:
        return
    if report.unknown:
        message = f"{report.database} holds revisions unknown here: {', '.join(report.unknown)}"
        hint = "Start the code that holds them, or look at `headway status`."
    else:
        message = f"{report.database} is {report.state.value}: missing {', '.join(report.pending)}"
        hint = "Run `headway upgrade`."
    raise NotAtHeadError(message, report.state.value, report.pending, hint=hint)


def require_known(graph: Graph, current: Iterable[str]) -> frozenset[str]:
    """The rows as a set, once it is sure that this checkout holds them all.

    Raises:
        UnknownRevisionsError: it does not.
    """
    rows = frozenset(current)
    unknown = sorted(rows - _known(graph, rows))
    if unknown:
        named = ", ".join(map(repr, unknown))
        noun, pronoun = ("revision", "it") if len(unknown) == 1 else ("revisions", "them")
        raise UnknownRevisionsError(
            f"The database is at {noun} {named}, and no file in this checkout holds {pronoun}. "
            f"Another checkout, branch or deploy applied {pronoun}.",
            unknown,
            hint=f"Check out the code that holds {pronoun} and run the command again. Only if that code is "
            "gone for good: `headway stamp --purge REVISION` records REVISION as current instead; it changes "
            "no schema.",
        )
    return rows


def _known(graph: Graph, rows: Iterable[str]) -> frozenset[str]:
    return frozenset(row for row in rows if row in graph)
