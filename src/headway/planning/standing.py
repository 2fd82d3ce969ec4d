"""Where a database stands, judged by the rows of its version table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway import results
from headway.errors import DirtyError, HeadwayError, NotAtHeadError, RefusedError, UnknownRevisionsError
from headway.narration.changes import changed_error, origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from headway.planning.plan import Plan
    from headway.results import LedgerEntry, PendingReport
    from headway.revisions import Graph


def assess(
    graph: Graph, current: Iterable[str], recorded: Iterable[str] = (), *, dirty: object = None
) -> results.State:
    """Compare the version table's rows with this checkout's revisions.

    Args:
        graph: this checkout's revisions.
        current: rows of the version table.
        recorded: what the ledger says is applied, where there is one; see :func:`pending`.
        dirty: what was interrupted, as the ledger says; ``None`` as a rule.

    Returns:
        ``DIRTY`` when something was interrupted, whether or not this checkout holds it. ``UNVERSIONED``
        without rows; but when there are no revision files either, nothing is missing, and it
        is ``AT_HEAD``. With rows that this checkout does not hold: ``AHEAD`` when no revision here can be
        told to be missing, else ``DIVERGED``.
    """
    if dirty is not None:
        return results.State.DIRTY
    rows = frozenset(current)
    if not rows:
        return results.State.UNVERSIONED if len(graph) else results.State.AT_HEAD
    complete = len(_applied(graph, rows, recorded)) == len(graph)
    if _known(graph, rows) == rows:
        return results.State.AT_HEAD if complete else results.State.BEHIND
    return results.State.AHEAD if complete else results.State.DIVERGED


def pending(graph: Graph, current: Iterable[str], recorded: Iterable[str] = ()) -> tuple[str, ...]:
    """Revisions that are not applied, in the order they would run to reach all heads; empty at head.

    A row that this checkout does not hold does not say which revisions it came after. Where every row is
    such a one, all revisions here are presumed to be applied: to call them pending would be a claim
    that nothing supports. Where known rows stand beside it, those decide, with what the ledger recorded.
    """
    applied = _applied(graph, frozenset(current), recorded)
    return tuple(id_ for id_ in graph.revisions if id_ not in applied)


def describe(
    graph: Graph,
    ids: Iterable[str],
    current: Iterable[str],
    applied_at: Mapping[str, datetime] | None = None,
) -> tuple[results.RevisionStatus, ...]:
    """Each of the revisions ``ids``, in their order, with its mark as :func:`pending` decides it.

    ``applied_at`` is what the ledger says is applied, and since when.
    """
    rows = frozenset(current)
    applied = _applied(graph, rows, applied_at or ())
    return tuple(
        results.RevisionStatus(
            revision=id_,
            mark=results.Mark.APPLIED if id_ in applied else results.Mark.PENDING,
            description=graph.revisions[id_].description,
            parents=graph.revisions[id_].parents,
            depends_on=graph.revisions[id_].depends_on,
            labels=graph.revisions[id_].labels,
            path=graph.revisions[id_].path,
            is_head=id_ in graph.heads,
            is_current=id_ in rows,
            applied_at=(applied_at or {}).get(id_) if id_ in applied else None,
        )
        for id_ in ids
    )


def unknown(
    graph: Graph, current: Iterable[str], applied_at: Mapping[str, datetime] | None = None
) -> tuple[results.RevisionStatus, ...]:
    """The version rows that this checkout does not hold, sorted; empty as a rule.

    ``applied_at`` is what the ledger says of when.
    """
    rows = frozenset(current)
    return tuple(
        results.RevisionStatus(
            row, results.Mark.UNKNOWN, is_current=True, applied_at=(applied_at or {}).get(row)
        )
        for row in sorted(rows - _known(graph, rows))
    )


_BY_HAND = (
    "Look what is there. Undo it by hand, `headway stamp` where the database then stands, and run the "
    "command again: the revision begins anew. Or finish it by hand, and `headway stamp` that."
)


def begins_anew(entry: LedgerEntry) -> bool:
    """Whether a transactional revision that left its transaction is known to have done nothing there."""
    return entry.transactional and all(line.rejected is not None for line in entry.journal)


def interruption(entry: LedgerEntry) -> str:
    """What an interrupted revision left, in a sentence or two."""
    if begins_anew(entry):
        return (
            f"{entry.operation.value} of {entry.revision} failed at its first statement "
            f"({entry.journal[0].rejected}), in an {entry.journal[0].statement}: it has done nothing, but "
            f"may have left an INVALID index. `headway {entry.operation.value}` begins it anew."
        )
    if entry.transactional:
        return (
            f"{entry.operation.value} of {entry.revision} was interrupted behind its own transaction "
            f"({entry.journal[0].statement}): what it had committed is still there. {_BY_HAND}"
        )
    done = [line for line in entry.journal if line.finished_at is not None]
    begun = [line for line in entry.journal if line.finished_at is None]
    at = ""
    if begun:
        how = f"failed ({begun[0].rejected})" if begun[0].rejected else "was under way"
        at = f"; statement {begun[0].position + 1} {how}: {begun[0].statement}"
    count = f"{len(done)} of its statements {'is' if len(done) == 1 else 'are'} done"
    return (
        f"{entry.operation.value} of {entry.revision} was interrupted: {count}{at}. "
        f"`headway {entry.operation.value}` goes on with it."
    )


def unfinished(entry: LedgerEntry) -> DirtyError:
    """The error for whatever cannot be done before an interrupted revision is brought to its end."""
    operation = entry.operation.value
    if entry.transactional and not begins_anew(entry):
        return DirtyError(
            entry.revision,
            f"{operation} of {entry.revision} was interrupted behind its own transaction "
            f"({entry.journal[0].statement}): what it had committed is still there, and running it again "
            "would do that twice; nothing else can run before that is settled",
            statements_done=entry.statements_done,
            hint=_BY_HAND,
        )
    return DirtyError(
        entry.revision,
        f"{operation} of {entry.revision} was interrupted after {entry.statements_done} of its statements; "
        "nothing else can run before it is brought to its end",
        statements_done=entry.statements_done,
        hint=f"Run `headway {operation}` to go on with it, from a checkout that holds it; or finish or undo "
        "it by hand, then `headway stamp` where the database stands.",
    )


def serves(graph: Graph, current: Iterable[str], dirty: str | None) -> bool:
    """Whether the code of this checkout can work on the database.

    It can when no revision it holds is missing, and none of them is half-way. A database that is ahead will
    do: while a new version of the code is rolled out its migrations have run, and replicas of the old version
    go on answering; so will one in which a revision that only the new version knows was interrupted.

    Args:
        graph: this checkout's revisions.
        current: rows of the version table.
        dirty: the revision that was interrupted; ``None`` as a rule.
    """
    return not pending(graph, current) and (dirty is None or dirty not in graph)


def require_serving(report: PendingReport, *, strict: bool = False) -> None:
    """Return when the code of this checkout can work on the database.

    Args:
        report: where the database stands.
        strict: refuse a database that is ahead, too.

    Raises:
        DirtyError: a revision is half-way.
        ChangedRevisionsError: applied revisions are not what was applied.
        NotAtHeadError: revisions are missing, and all that is there is known.
        UnknownRevisionsError: the database holds unknown revisions while others are missing, or at all, if
            ``strict``.
    """
    if not report.serves or report.changed or (strict and (report.unknown or report.dirty)):
        raise _unfit(report, hint=f"Run {_upgrade(report)} before this code starts.")


def require_head(report: PendingReport) -> None:
    """Return when the report says that the database is at head.

    Raises:
        DirtyError: a revision is half-way.
        ChangedRevisionsError: applied revisions are not what was applied.
        NotAtHeadError: revisions are missing, and all that is there is known.
        UnknownRevisionsError: the database holds unknown revisions.
    """
    if not report.at_head:
        raise _unfit(report, hint=f"Run {_upgrade(report)}.")


def _upgrade(report: PendingReport) -> str:
    """The command that applies what is missing."""
    return "`headway upgrade heads`" if len(report.heads) > 1 else "`headway upgrade`"


def _unfit(report: PendingReport, *, hint: str) -> HeadwayError:
    """What is wrong with where the database stands; the hint is for a database that is behind."""
    if report.dirty is not None:
        return DirtyError(
            report.dirty,
            f"{report.database} is dirty: {report.dirty} was interrupted, or is being applied right now",
            hint="`headway status` says where it stands, and what goes on with it.",
        )
    if report.changed:
        return changed_error(report.database, report.changed)
    missing = f"missing {', '.join(report.pending)}" if report.pending else ""
    if report.unknown:
        foreign = f"holds revisions unknown here: {', '.join(report.unknown)}"
        known = [f"{item.revision} was {origin(item)}" for item in report.foreign]
        found = "; ".join([foreign, *known, *([missing] if missing else [])])
        return UnknownRevisionsError(
            f"{report.database} is {report.state.value}: it {found}",
            report.unknown,
            hint="Start the code that holds them. If their files were deleted here, put them back; only if "
            "they are gone for good: `headway repair --action forget --reason TEXT`.",
        )
    return NotAtHeadError(
        f"{report.database} is {report.state.value}: {missing}",
        report.state.value,
        report.pending,
        hint=hint,
    )


def still_valid(plan: Plan, current: Iterable[str]) -> Plan:
    """The plan, if the database still stands where it was made for.

    Raises:
        RefusedError: it does not.
    """
    rows = frozenset(current)
    if rows != frozenset(plan.before):
        raise RefusedError(
            f"the database has moved since this was planned: it is at {', '.join(sorted(rows)) or 'base'}, "
            f"and the plan begins at {', '.join(plan.before) or 'base'}. Nothing was changed",
            hint="Run the command again to see what it would do now.",
        )
    return plan


def require_agreed(plan: Plan, agreed: Plan) -> None:
    """Return when all that would run was agreed to; less of it, because another migrator came first, will do.

    Raises:
        RefusedError: there is more.
    """
    known = {(step.revision, step.direction) for step in agreed.steps}
    more = [step.revision for step in plan.steps if (step.revision, step.direction) not in known]
    if more:
        raise RefusedError(
            f"the database has moved since this was agreed to: {', '.join(more)} would now run too. Nothing "
            "was changed",
            hint="Run the command again to see what it would do now.",
        )


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
            "gone for good: `headway repair --action forget --reason TEXT` goes back to what is here, or "
            "`headway stamp --purge REVISION` to REVISION; neither changes the schema.",
        )
    return rows


def _applied(graph: Graph, rows: frozenset[str], recorded: Iterable[str]) -> frozenset[str]:
    """The revisions here that are applied, as far as rows and ledger tell; see :func:`pending`."""
    known = _known(graph, rows)
    if known == rows:
        return graph.ancestors(known)
    # Its silence proves nothing: what was applied before the ledger, or behind its back, is not in it.
    return graph.ancestors(known | _known(graph, recorded)) if known else frozenset(graph.revisions)


def _known(graph: Graph, rows: Iterable[str]) -> frozenset[str]:
    return frozenset(row for row in rows if row in graph)
