"""A revision, and how revisions hang together."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Revision:
    """One migration script, as its file declares it.

    Attributes:
        id: the identifier that the version table holds.
        parents: ``down_revision``; empty for a base.
        depends_on: identifiers or branch labels as written; the graph resolves them.
        labels: ``branch_labels``.
        description: first line of the docstring; empty when there is none.
        path: the file.
        line: line of the ``revision =`` assignment, counted from 1; 1 when the file name gives the id.
        by_timestamp: whether its timestamp alone says what it follows, as with SQL that names no ``parent``.
        digest: :func:`headway.integrity.digest` of the file; "" when nobody read it.
    """

    id: str
    parents: tuple[str, ...]
    depends_on: tuple[str, ...]
    labels: tuple[str, ...]
    description: str
    path: Path
    line: int
    by_timestamp: bool = False
    digest: str = field(default="", compare=False)


def links(revision: Revision) -> tuple[str, ...]:
    """What a revision comes after, as its fingerprint has it: parents and dependencies as written, sorted.

    What only a timestamp says is not written: another revision may come in between.
    """
    parents = () if revision.by_timestamp else revision.parents
    return tuple(sorted((*parents, *revision.depends_on)))


def file_order(revision: Revision) -> tuple[str, str]:
    """Sort key that breaks every tie: by file name, then by id."""
    return revision.path.name, revision.id


def label_owners(revisions: Iterable[Revision]) -> dict[str, str]:
    """Which revision carries each branch label; the first one when several claim it."""
    owners: dict[str, str] = {}
    for revision in revisions:
        for label in revision.labels:
            owners.setdefault(label, revision.id)
    return owners


def all_parents(revisions: Mapping[str, Revision], labels: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Each revision's parents: dependencies included, labels resolved, unknown names left out."""
    found: dict[str, tuple[str, ...]] = {}
    for id_, revision in revisions.items():
        names: Iterable[str] = revision.parents
        if revision.depends_on:
            needs = (labels.get(name, name) for name in revision.depends_on)
            names = dict.fromkeys((*revision.parents, *needs))
        found[id_] = tuple(name for name in names if name in revisions)
    return found


def inverted(parents: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Children instead of parents, in the order of the mapping."""
    children: dict[str, list[str]] = {id_: [] for id_ in parents}
    for id_, above in parents.items():
        for parent in above:
            children[parent].append(id_)
    return {id_: tuple(below) for id_, below in children.items()}


def in_order(parents: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """Sort so that parents come before their children; the mapping's own order breaks ties.

    Returns:
        The sorted ids, and those that cannot be sorted because they lie on a cycle or descend from one.
    """
    ids = list(parents)
    rank = {id_: number for number, id_ in enumerate(ids)}
    children = inverted(parents)
    waiting = {id_: len(above) for id_, above in parents.items()}
    ready = [rank[id_] for id_, count in waiting.items() if not count]
    heapify(ready)
    ordered: list[str] = []
    while ready:
        id_ = ids[heappop(ready)]
        ordered.append(id_)
        for child in children[id_]:
            waiting[child] -= 1
            if not waiting[child]:
                heappush(ready, rank[child])
    return ordered, [id_ for id_ in ids if waiting[id_]]
