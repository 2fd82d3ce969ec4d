"""Everything that can be wrong with a set of revisions, found in one pass and said by file and line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, NamedTuple

from headway.errors import GraphError
from headway.revisions.links import all_parents, file_order, in_order, label_owners

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from headway.revisions.links import Revision

VERSION_COLUMN_LENGTH = 32
"""Characters in ``alembic_version.version_num``, as Alembic creates it."""

ILLEGAL_CHARACTERS = frozenset("@-+:")
"""Characters Alembic refuses in an identifier (``alembic.script.revision``), because they are its syntax."""

RESERVED = frozenset({"head", "heads", "base"})
"""Words that always mean something else, so that a revision of this name could never be reached."""


class Fault(NamedTuple):
    """One thing wrong with one file.

    Attributes:
        path: the file.
        line: counted from 1.
        message: what is wrong.
        column: counted from 1; ``None`` where the line says enough.
        excerpt: the line itself and a caret below; ``None`` as ``column``.
        missing: an id that no file holds, which is what is wrong; "" as a rule.
    """

    path: Path
    line: int
    message: str
    column: int | None = None
    excerpt: str | None = None
    missing: str = ""

    def __str__(self) -> str:
        column = f":{self.column}" if self.column is not None else ""
        excerpt = f"\n{indent(self.excerpt, '    ')}" if self.excerpt else ""
        return f"{shown(self.path)}:{self.line}{column}: {self.message}{excerpt}"


def shown(path: Path) -> str:
    """The path as a person at this terminal would write it: relative below the current directory."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def graph_error(faults: Iterable[Fault]) -> GraphError:
    """One error for all faults, in the order of files and lines."""
    found = sorted(set(faults), key=_place)
    return GraphError(
        [str(fault) for fault in found],
        missing=[*dict.fromkeys(fault.missing for fault in found if fault.missing)],
        hint="Correct these files and run the command again; nothing was run.",
    )


def _place(fault: Fault) -> tuple[Path, int, int, str]:
    return fault.path, fault.line, fault.column or 0, fault.message


def find_faults(
    revisions: Iterable[Revision],
    *,
    version_column_length: int = VERSION_COLUMN_LENGTH,
    unread: Sequence[Path] = (),
) -> list[Fault]:
    """Check revisions against each other.

    Args:
        revisions: in any order.
        version_column_length: how many characters the version table has room for.
        unread: files that could not be read. A missing parent whose id stands in such a file's name is not
            reported again: the file was, and it is the cause.

    Returns:
        The faults; empty when the revisions form a graph.
    """
    ordered = sorted(revisions, key=file_order)
    known: dict[str, Revision] = {}
    for revision in ordered:
        known.setdefault(revision.id, revision)
    labels = label_owners(known.values())
    return [
        *_bad_identifiers(ordered, version_column_length),
        *_duplicate_identifiers(ordered),
        *_taken_labels(known, labels),
        *_missing_names(ordered, known, labels, [path.name for path in unread]),
        *_cycles(known, all_parents(known, labels)),
    ]


def _bad_identifiers(revisions: Iterable[Revision], limit: int) -> Iterator[Fault]:
    for revision in revisions:
        for message in identifier_problems(revision.id, limit):
            yield Fault(revision.path, revision.line, message)


def identifier_problems(id_: str, limit: int = VERSION_COLUMN_LENGTH) -> Iterator[str]:
    """What is wrong with a revision id in itself, each in words; nothing as a rule."""
    illegal = "".join(sorted(ILLEGAL_CHARACTERS & set(id_)))
    if not id_:
        yield "the revision id is empty"
    if illegal:
        yield f"revision id {id_!r} holds {illegal!r}; @ - + : belong to the notation of identifiers"
    if id_ in RESERVED:
        yield f"revision id {id_!r} is a reserved word and could never be named in a command"
    if len(id_) > limit:
        yield f"revision id {id_!r} has {len(id_)} characters; the version table's column holds {limit}"


def _duplicate_identifiers(revisions: Sequence[Revision]) -> Iterator[Fault]:
    counts = Counter(revision.id for revision in revisions)
    for revision in revisions:
        if counts[revision.id] > 1:
            others = ", ".join(
                f"{shown(other.path)}:{other.line}"
                for other in revisions
                if other.id == revision.id and other is not revision
            )
            yield Fault(revision.path, revision.line, f"revision id {revision.id!r} is also used by {others}")


def _taken_labels(known: Mapping[str, Revision], labels: Mapping[str, str]) -> Iterator[Fault]:
    for revision in known.values():
        for label, count in Counter(revision.labels).items():
            owner = labels[label]
            if count > 1:
                yield Fault(revision.path, revision.line, f"branch label {label!r} is given twice")
            if label in known:
                namesake = shown(known[label].path)
                message = f"branch label {label!r} is also the id of a revision ({namesake})"
                yield Fault(revision.path, revision.line, message)
            if owner != revision.id:
                holder = f"revision {owner!r} ({shown(known[owner].path)})"
                message = f"branch label {label!r} is already used by {holder}"
                yield Fault(revision.path, revision.line, message)


def _missing_names(
    revisions: Iterable[Revision],
    known: Mapping[str, Revision],
    labels: Mapping[str, str],
    unread: Sequence[str],
) -> Iterator[Fault]:
    for revision in revisions:
        parent = "parent" if revision.path.suffix == ".sql" else "down_revision"
        names = [(parent, name, name in known) for name in revision.parents]
        names += [("depends_on", name, name in known or name in labels) for name in revision.depends_on]
        for attribute, name, found in names:
            if found or (name and any(name in file for file in unread)):
                continue
            message = (
                f"revision {revision.id!r} names {name!r} in {attribute}, but no file holds that revision"
            )
            if name in labels:
                message += f"; it is a branch label, of revision {labels[name]!r}"
            yield Fault(revision.path, revision.line, message, missing=name)


def _cycles(known: Mapping[str, Revision], parents: dict[str, tuple[str, ...]]) -> Iterator[Fault]:
    """Cycles that share no revision. One that does shows up once the first is mended."""
    if not in_order(parents)[1]:
        return
    for id_, above in parents.items():
        if id_ in above:
            yield Fault(
                known[id_].path, known[id_].line, f"revision {id_!r} has itself as parent or dependency"
            )
    left = {id_: tuple(p for p in above if p != id_) for id_, above in parents.items()}
    while stuck := set(in_order(left)[1]):
        left = {id_: tuple(p for p in above if p in stuck) for id_, above in left.items() if id_ in stuck}
        cycle = _one_cycle(left)
        first = known[cycle[0]]
        path = " -> ".join(f"{id_} ({shown(known[id_].path)})" for id_ in cycle)
        yield Fault(first.path, first.line, f"the revisions go round in a circle: {path} -> {cycle[0]}")
        left = {id_: above for id_, above in left.items() if id_ not in cycle}
        left = {id_: tuple(p for p in above if p in left) for id_, above in left.items()}


def _one_cycle(stuck: Mapping[str, Sequence[str]]) -> list[str]:
    """Walk from parent to parent until a revision comes up again; every one here has a parent here."""
    trail: dict[str, None] = {}
    here = next(iter(stuck))
    while here not in trail:
        trail[here] = None
        here = stuck[here][0]
    walked = list(trail)
    cycle = walked[walked.index(here) :]
    start = cycle.index(min(cycle, key=list(stuck).index))
    return cycle[start:] + cycle[:start]
