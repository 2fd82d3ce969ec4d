"""What a revision identifier means: ids and their beginnings, labels, head, base, and steps from there.

The notation is Alembic's: ``[BRANCH@][WHERE][+N|-N]``, where BRANCH is a label or a revision, and WHERE is a
revision, the beginning of one, a label, ``head``, ``heads`` or ``base``. Steps follow ``down_revision``.
Wherever Alembic would guess, warn or fail an assertion, this refuses and says what to write instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from headway.errors import ResolutionError
from headway.planning.standing import require_known
from headway.revisions.faults import RESERVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from headway.revisions import Graph

_RELATIVE = re.compile(r"(?:(?P<branch>.+?)@)?(?P<where>\w+)?(?P<steps>[+-][0-9]{1,9})")
"""``alembic.script.revision._relative_destination``, matched to the end of the identifier."""

_CONNECTION = re.compile(r"://|\bpassword\s*=", re.IGNORECASE)

_SHORTEST_COMPLETED = 4
"""Names shorter than this are never found by their beginning (``RevisionMap._revision_for_ident``)."""

_SHOWN = 10
"""How many candidates a message names; the error's ``candidates`` holds all."""


class Overrun(Enum):
    """What to do when there are fewer revisions than steps to take."""

    REFUSE = "refuse"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier taken apart. ``steps`` is ``None`` when it is not relative."""

    text: str
    branch: str | None
    where: str | None
    steps: int | None


def parse(text: str) -> Identifier:
    """Take an identifier apart; whether its parts exist is not looked at.

    Raises:
        ResolutionError: it is a URL, put where a revision belongs.
    """
    refuse_url(text)
    if match := _RELATIVE.fullmatch(text):
        return Identifier(text, match["branch"], match["where"], int(match["steps"]))
    branch, at, where = text.partition("@")
    return Identifier(text, branch, where, None) if at else Identifier(text, None, text, None)


def refuse_url(text: str) -> None:
    """Return unless a URL, or a libpq connection string, stands where a revision belongs.

    No identifier looks like either, and either may hold a password, so it is not repeated.

    Raises:
        ResolutionError: it is one.
    """
    if _CONNECTION.search(text):
        raise ResolutionError(
            "***",
            "A database's URL stands where a revision belongs; it is not repeated here.",
            hint="Give the database as DATABASE_URL (or with --url), and a revision in this place.",
        )


def parse_absolute(text: str) -> Identifier:
    """Take an identifier apart where steps make no sense.

    Raises:
        ResolutionError: it counts steps.
    """
    asked = parse(text)
    if asked.steps is not None:
        raise ResolutionError(
            text,
            f"{text!r} counts steps; here the revision itself must be named.",
            hint="`headway history` lists the revisions.",
        )
    return asked


def resolve(graph: Graph, identifier: str, current: Iterable[str] = ()) -> tuple[str, ...]:
    """The revisions an identifier names.

    Args:
        graph: the revisions to look in.
        identifier: ``+N`` counts up and ``-N`` counts down from ``current``.
        current: rows of the version table; only ``+N`` and ``-N`` look at them.

    Returns:
        Ids; several only for ``heads``. Empty for ``base``, for a ``-N`` that leads there, and for ``head``
        when there are no revisions.

    Raises:
        ResolutionError: it names nothing, or more than one thing.
        UnknownRevisionsError: it counts from rows that are not among the revisions.
    """
    parsed = parse(identifier)
    if parsed.steps is None or parsed.where is not None:
        return upgrade_targets(graph, (), identifier)
    rows = require_known(graph, current)
    if parsed.steps > 0:
        return upgrade_targets(graph, rows, identifier)
    _, target = downgrade_target(graph, rows, identifier)
    return (target,) if target else ()


def merge_command(heads: Sequence[str]) -> str:
    """The command that joins several heads into one."""
    return f'headway merge -m "merge heads" {" ".join(heads)}'


def upgrade_targets(
    graph: Graph, current: Iterable[str], text: str, *, overrun: Overrun = Overrun.REFUSE
) -> tuple[str, ...]:
    """What ``upgrade TEXT`` leads to; empty for ``base``."""
    asked = parse(text)
    if asked.steps is None:
        return named(graph, asked)
    if asked.steps > 0:
        if asked.where is None:
            start = _start_of_climb(graph, frozenset(current), asked)
        else:
            start = only(graph, Identifier(text, None, asked.where, None))
        return (_climb(graph, start, asked, overrun),)
    if asked.where is None:
        raise ResolutionError(
            text,
            f"{text!r} does not lead forward from the current revision.",
            hint="Forward by one revision is `+1`. To go back: `headway downgrade -1`.",
        )
    reached = descend(graph, _somewhere(graph, asked), asked, overrun)
    if reached is None:
        raise _too_far(asked)
    return (reached,)


def downgrade_target(graph: Graph, current: Iterable[str], text: str) -> tuple[str | None, str | None]:
    """What ``downgrade TEXT`` leads to.

    Returns:
        The revision whose branch alone is meant (``None``: whatever lies above), and the revision to go back
        to (``None``: base).
    """
    asked = parse(text)
    branch = find_branch(graph, asked)
    if asked.steps is None:
        return branch, only(graph, asked)
    if asked.steps < 0:
        if asked.where is not None:
            return branch, descend(graph, _somewhere(graph, asked), asked)
        row = _row_to_undo(graph, frozenset(current), asked, branch)
        return branch or row, descend(graph, row, asked)
    if asked.where is None:
        raise ResolutionError(
            text,
            f"{text!r} does not lead back from the current revision.",
            hint="Back by one revision is `-1`.",
        )
    start = only(graph, Identifier(text, None, asked.where, None))
    return branch, _climb(graph, start, asked)


def named(graph: Graph, asked: Identifier) -> tuple[str, ...]:
    """The revisions of an identifier without steps."""
    branch = find_branch(graph, asked)
    if asked.where == "base":
        return ()
    if asked.where == "heads" and branch is None:
        return graph.tips
    if asked.where in {"head", "heads"}:
        line = graph.line(branch) if branch else None
        heads = tuple(head for head in graph.heads if line is None or head in line)
        if asked.where == "head" and len(heads) > 1:
            raise _several_heads(asked, heads)
        return heads
    return (_find(graph, asked.where or "", asked, branch),)


def only(graph: Graph, asked: Identifier) -> str | None:
    """The one revision of an identifier without steps, ``None`` for base."""
    found = named(graph, asked)
    if len(found) > 1:
        raise _several_heads(asked, found)
    return found[0] if found else None


def find_branch(graph: Graph, asked: Identifier) -> str | None:
    """The revision that the part before ``@`` stands for; ``None`` when there is none."""
    if asked.branch is None:
        return None
    if asked.branch in RESERVED:
        raise ResolutionError(
            asked.text,
            f"{asked.text!r}: what stands before @ must be a branch label or a revision.",
            candidates=tuple(graph.labels),
            hint=_labels_hint(graph),
        )
    return _find(graph, asked.branch, asked, None)


def _find(graph: Graph, name: str, asked: Identifier, branch: str | None) -> str:
    """A revision by id or label, or by the beginning of either."""
    line = graph.line(branch) if branch else None
    id_ = graph.labels.get(name, name)
    if id_ not in graph:
        id_ = _complete(graph, name, asked, line)
    if line is not None and id_ not in line:
        raise ResolutionError(
            asked.text,
            f"Revision {id_!r} does not belong to branch {asked.branch!r}.",
            candidates=(id_,),
            hint=f"`headway history` shows the branches. Without the branch it would be `{id_}`.",
        )
    return id_


def _complete(graph: Graph, beginning: str, asked: Identifier, line: frozenset[str] | None) -> str:
    names = [
        name
        for name in (*graph.revisions, *graph.labels)
        if beginning and len(name) >= _SHORTEST_COMPLETED and name.startswith(beginning)
    ]
    if line is not None:
        names = [name for name in names if graph.labels.get(name, name) in line]
    if not names:
        raise ResolutionError(
            asked.text,
            f"No revision or branch label is, or begins with, {beginning!r}."
            if beginning
            else f"{asked.text!r} names no revision.",
            hint=("" if asked.text else "It is empty; is a shell variable not set? ")
            + "`headway history` lists the revisions. "
            + _labels_hint(graph),
        )
    if len(names) > 1:
        raise ResolutionError(
            asked.text,
            f"{beginning!r} is the beginning of several names: {_listed(names)}.",
            candidates=names,
            hint="Give more characters of the one you mean.",
        )
    return graph.labels.get(names[0], names[0])


def _somewhere(graph: Graph, asked: Identifier) -> str:
    """Where a walk down begins; from base there is no way down."""
    start = only(graph, Identifier(asked.text, asked.branch, asked.where, None))
    if start is None:
        raise _too_far(asked)
    return start


def _start_of_climb(graph: Graph, rows: frozenset[str], asked: Identifier) -> str | None:
    """Where ``+N`` starts: the row, or with a branch the applied revision furthest up that branch."""
    branch = find_branch(graph, asked)
    starts = rows
    if branch:
        line = graph.line(branch)
        starts = rows & line
        if not starts:
            applied = graph.ancestors(rows) & line
            starts = applied - {parent for id_ in applied for parent in graph.parents_of(id_)}
    if len(starts) > 1:
        raise ResolutionError(
            asked.text,
            f"{asked.text!r} is ambiguous: the database is at {_listed(sorted(starts))}.",
            candidates=sorted(starts),
            hint=f"Say from which one, for example `headway upgrade {min(starts)}+{asked.steps}`, "
            "or `headway upgrade heads` to apply everything.",
        )
    return next(iter(starts), None)


def _row_to_undo(graph: Graph, rows: frozenset[str], asked: Identifier, branch: str | None) -> str:
    """Where ``-N`` starts: the one row, or the one on that branch."""
    starts = rows
    if branch:
        line = graph.line(branch)
        starts = rows & line
        if not starts:
            applied = graph.ancestors(rows)
            starts = frozenset(id_ for id_ in applied & line if applied.isdisjoint(graph.children_of(id_)))
    if not starts:
        where = f" on branch {asked.branch!r}" if branch else ""
        raise ResolutionError(
            asked.text,
            f"{asked.text!r} has nothing to undo: the database holds no revision{where}.",
            hint="`headway status` shows what is applied.",
        )
    if len(starts) > 1:
        choices = [f"`headway downgrade {row}@{asked.steps}`" for row in sorted(starts)[:_SHOWN]]
        raise ResolutionError(
            asked.text,
            f"{asked.text!r} is ambiguous: the database is at {_listed(sorted(starts))}.",
            candidates=sorted(starts),
            hint=f"Name the branch: {' or '.join(choices)}; or give the revision to go back to.",
        )
    return next(iter(starts))


def _climb(graph: Graph, start: str | None, asked: Identifier, overrun: Overrun = Overrun.REFUSE) -> str:
    branch = find_branch(graph, asked)
    line = graph.line(branch) if branch else None
    here = start
    for _ in range(asked.steps or 0):
        above = graph.bases if here is None else graph.children_of(here)
        choices = [id_ for id_ in above if line is None or id_ in line]
        if len(choices) > 1:
            raise ResolutionError(
                asked.text,
                f"{asked.text!r} is ambiguous: the revisions after {here or 'base'} are {_listed(choices)}.",
                candidates=choices,
                hint="Give the revision you mean, or name the branch: `BRANCH@+1`.",
            )
        if not choices:
            if overrun is Overrun.STOP:
                break
            raise _too_far(asked)
        here = choices[0]
    if here is None:
        raise _too_far(asked)
    return here


def descend(graph: Graph, start: str, asked: Identifier, overrun: Overrun = Overrun.REFUSE) -> str | None:
    """Walk down as many steps as asked; ``None`` is base, one step below the first revision."""
    here: str | None = start
    for _ in range(-(asked.steps or 0)):
        if here is None:
            if overrun is Overrun.STOP:
                break
            raise _too_far(asked)
        below = graph.revisions[here].parents
        if len(below) > 1:
            raise ResolutionError(
                asked.text,
                f"{asked.text!r} is ambiguous: {here} merges {_listed(below)}.",
                candidates=below,
                hint="Give the revision to go back to.",
            )
        here = below[0] if below else None
    return here


def _too_far(asked: Identifier) -> ResolutionError:
    return ResolutionError(
        asked.text,
        f"{asked.text!r} leads past the end of the revisions.",
        hint="`headway history` lists them; `heads` and `base` name both ends.",
    )


def _several_heads(asked: Identifier, heads: Sequence[str]) -> ResolutionError:
    everything = f"{asked.branch}@heads" if asked.branch else "heads"
    return ResolutionError(
        asked.text,
        f"{asked.text!r} is ambiguous: there are {len(heads)} heads, {_listed(heads)}.",
        candidates=heads,
        hint=f"To apply them all, say `{everything}`. To join them into one: `{merge_command(heads)}`.",
    )


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more


def _labels_hint(graph: Graph) -> str:
    return f"Branch labels: {_listed(graph.labels)}." if graph.labels else "There are no branch labels."
