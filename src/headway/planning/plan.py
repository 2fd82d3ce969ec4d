"""Plans: ordered steps, each with the version table's rows before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.errors import ResolutionError
from headway.planning.identifiers import (
    downgrade_target,
    only,
    parse_absolute,
    refuse_url,
    upgrade_targets,
)
from headway.planning.standing import require_known
from headway.results import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from headway.revisions import Graph


@dataclass(frozen=True, slots=True)
class Step:
    """One revision in one direction.

    Attributes:
        revision: its id.
        direction: which of its functions runs.
        description: first line of its docstring.
        path: its file.
        before: rows of the version table before the step, sorted.
        after: rows after it, sorted.
        parents: its ``down_revision``, then its dependencies, as ids.
    """

    revision: str
    direction: Direction
    description: str
    path: Path
    before: tuple[str, ...]
    after: tuple[str, ...]
    parents: tuple[str, ...]

    @property
    def update(self) -> tuple[str, str] | None:
        """The row to change, as (from, to); ``None`` when rows are only inserted or only deleted."""
        gone, come = self._changes()
        return (gone[-1], come[-1]) if gone and come else None

    @property
    def deletes(self) -> tuple[str, ...]:
        """Rows to delete besides the update, before it."""
        gone, come = self._changes()
        return gone[:-1] if come else gone

    @property
    def inserts(self) -> tuple[str, ...]:
        """Rows to insert besides the update."""
        gone, come = self._changes()
        return come[:-1] if gone else come

    def _changes(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        gone = tuple(row for row in self.before if row not in self.after)
        come = tuple(row for row in self.after if row not in self.before)
        return gone, come


@dataclass(frozen=True, slots=True)
class Plan:
    """What will run, in order. Without ``steps`` there is nothing to do, and ``after`` equals ``before``."""

    direction: Direction
    steps: tuple[Step, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def applies(self) -> dict[str, Path]:
        """The revisions it applies, with their files, in order; empty for a downgrade."""
        return {step.revision: step.path for step in self.steps if step.direction is Direction.UPGRADE}


def plan_upgrade(graph: Graph, current: Iterable[str], target: str | Sequence[str] = "heads") -> Plan:
    """Plan to apply everything the target needs that is not applied.

    Rows that other rows already imply (a table somebody edited) are dropped by the first step.

    Args:
        graph: this checkout's revisions.
        current: rows of the version table.
        target: an identifier, or several.

    Returns:
        A plan without steps when the target is applied already.

    Raises:
        UnknownRevisionsError: a row is not among the revisions.
        ResolutionError: the target names nothing, or more than one thing.
    """
    rows = require_known(graph, current)
    identifiers = [target] if isinstance(target, str) else target
    targets = [id_ for identifier in identifiers for id_ in upgrade_targets(graph, rows, identifier)]
    missing = graph.ancestors(targets) - graph.ancestors(rows)
    return _plan(graph, Direction.UPGRADE, rows, [id_ for id_ in graph.revisions if id_ in missing])


def plan_downgrade(graph: Graph, current: Iterable[str], target: str) -> Plan:
    """Plan to undo everything above the target, and whatever depends on that.

    ``BRANCH@TARGET`` undoes only what lies on the way from the target to BRANCH, and above that. ``-N``
    counts from the one current revision.

    Args:
        graph: this checkout's revisions.
        current: rows of the version table.
        target: the identifier to go back to; it stays applied.

    Returns:
        A plan without steps when nothing above the target is applied.

    Raises:
        UnknownRevisionsError: a row is not among the revisions.
        ResolutionError: the target names nothing, more than one thing, or a revision that cannot be gone
            back to from here.
    """
    rows = require_known(graph, current)
    branch, goal = downgrade_target(graph, rows, target)
    roots = set(graph.bases if goal is None else graph.children_of(goal))
    if branch and len(roots) > 1:
        roots &= graph.line_ancestors([branch])
        if not roots:
            raise ResolutionError(
                target,
                f"{target!r} does not say which of the revisions after {goal} to undo: none of them is on "
                f"the way to {branch}.",
                candidates=graph.children_of(goal) if goal else (),
                hint="Before the @, name a revision on the branch to undo; or leave it out to undo them all.",
            )
    applied = graph.ancestors(rows)
    undone = graph.descendants(roots) & applied
    if goal is not None and not undone and goal not in rows:
        raise _not_below(graph, rows, target, goal)
    return _plan(
        graph, Direction.DOWNGRADE, rows, [id_ for id_ in reversed(tuple(graph.revisions)) if id_ in undone]
    )


def plan_range(graph: Graph, range: str, direction: Direction) -> Plan:  # noqa: A002  # what Alembic calls it
    """Plan without a database, for offline SQL.

    Args:
        graph: this checkout's revisions.
        range: ``FROM:TO``, where the database is taken to be at FROM; for an upgrade also ``TO`` alone, from
            base.
        direction: which way.

    Returns:
        A plan without steps when there is nothing between the two.

    Raises:
        ResolutionError: one end names nothing or more than one thing, a downgrade does not say where from, or
            an upgrade would lead back.
    """
    refuse_url(range)
    start, colon, target = range.partition(":")
    if not colon and direction is Direction.UPGRADE:
        start, target = "base", range
    elif not (start and target):
        raise ResolutionError(
            range,
            f"{range!r} does not say both ends; without a database they cannot be looked up.",
            hint="Write FROM:TO, for example `head:base`."
            if direction is Direction.DOWNGRADE
            else "Write FROM:TO.",
        )
    origin = only(graph, parse_absolute(start))
    rows = [origin] if origin else []
    if direction is Direction.DOWNGRADE:
        return plan_downgrade(graph, rows, target)
    plan = plan_upgrade(graph, rows, target)
    if not plan.steps and graph.ancestors(upgrade_targets(graph, rows, target)) != graph.ancestors(rows):
        raise ResolutionError(
            range,
            f"{range!r} leads back: an upgrade from {start} to {target} has nothing to apply.",
            hint=f"For the SQL of the way back: `headway sql --downgrade {range}`.",
        )
    return plan


def plan_back(graph: Graph, plan: Plan) -> Plan:
    """The way back of an upgrade: its revisions undone, newest first."""
    return _plan(
        graph, Direction.DOWNGRADE, frozenset(plan.after), [step.revision for step in reversed(plan.steps)]
    )


def _plan(graph: Graph, direction: Direction, current: frozenset[str], order: Iterable[str]) -> Plan:
    before = first = tuple(sorted(current))
    applied = set(graph.ancestors(current))
    rows = set(graph.maximal(frozenset(applied)))
    steps = []
    for id_ in order:
        parents = graph.parents_of(id_)
        if direction is Direction.UPGRADE:
            applied.add(id_)
            rows = rows.difference(parents) | {id_}
        else:
            applied.remove(id_)
            rows.remove(id_)
            rows.update(parent for parent in parents if applied.isdisjoint(graph.dependents_of(parent)))
        after = tuple(sorted(rows))
        revision = graph.revisions[id_]
        steps.append(Step(id_, direction, revision.description, revision.path, before, after, parents))
        before = after
    return Plan(direction, tuple(steps), first, before)


def _not_below(graph: Graph, rows: frozenset[str], target: str, goal: str) -> ResolutionError:
    at = ", ".join(sorted(rows)) or "base"
    if goal in graph.ancestors(rows):
        message = f"Nothing above revision {goal!r} can be undone: it is applied only because {at} needs it."
    else:
        message = f"Revision {goal!r} is not applied, so there is no way back to it: the database is at {at}."
    return ResolutionError(
        target,
        message,
        candidates=(goal,),
        hint="`headway status` shows what is applied; choose one of those, or go forward with an upgrade.",
    )
