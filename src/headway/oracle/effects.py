"""What one statement did, told from what its transaction held and what there was, before and after."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.oracle.relations import mentioned
from headway.sqltext import skeleton

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headway.oracle.relations import Picture, Relation
    from headway.results import LockMode, RelationLock

_TRUNCATE = re.compile(r"TRUNCATE\b", re.IGNORECASE)
_ALTER = re.compile(r"ALTER\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Effects:
    """What a statement did to relations that were there before its transaction; as in ``StatementReview``."""

    locks: tuple[RelationLock, ...] = ()
    rewritten: tuple[str, ...] = ()
    scanned: tuple[str, ...] = ()


def effects(statement: str, begun: Picture, before: Picture, after: Picture) -> Effects:
    """What a statement did.

    Args:
        statement: its text.
        begun: what the transaction found.
        before: what was there, and held, before the statement.
        after: the same behind it.
    """
    locks = _locks(statement, begun, before, after)
    if _TRUNCATE.match(skeleton(statement)):
        return told(locks, (), ())  # a new file, but none that takes time to write
    rewritten = tuple(_rewritten(begun, before, after))
    scanned = _scanned(statement, begun, before, after)
    return told(locks, rewritten, (table for table in scanned if table not in rewritten))


def told(
    locks: Iterable[tuple[Relation, LockMode]], rewritten: Iterable[Relation], scanned: Iterable[Relation]
) -> Effects:
    """Effects by name: locks strongest first, the rest in the order of names."""
    ordered = sorted(locks, key=lambda lock: (-lock[1].strength, lock[0].is_index, lock[0].shown))
    return Effects(
        tuple(relation.locked(mode) for relation, mode in ordered),
        tuple(sorted({relation.shown for relation in rewritten})),
        tuple(sorted({relation.shown for relation in scanned})),
    )


def strongest(modes: Iterable[LockMode]) -> LockMode:
    """The strongest of some locks."""
    return max(modes, key=lambda mode: mode.strength)


def _locks(
    statement: str, begun: Picture, before: Picture, after: Picture
) -> Iterator[tuple[Relation, LockMode]]:
    """The locks it took. One that its transaction held already is not taken again, as far as pg_locks tells.

    So what the statement names counts as locked by it as it then is.
    """
    there = {oid: before.relations.get(oid, relation) for oid, relation in begun.relations.items()}
    named = mentioned(statement, there.values())
    for oid, modes in after.held.items():
        if oid not in there:
            continue
        taken = modes - before.held.get(oid, frozenset())
        if taken:
            yield there[oid], strongest(taken)
        elif oid in named:
            yield there[oid], strongest(modes)


def _rewritten(begun: Picture, before: Picture, after: Picture) -> Iterator[Relation]:
    for oid in after.held:
        now = after.relations.get(oid)
        if now is None or not now.filenode or not (now.holds_rows or now.is_index):
            continue
        if (oid if now.owner is None else now.owner) not in begun.relations:
            continue
        # An index that hangs on a column whose type changes is dropped and made anew under its name, and
        # keeps its file where its entries stay as they are (TryReuseIndex, commands/tablecmds.c).
        was = before.relations.get(oid) or (before.named(now.schema, now.name) if now.is_index else None)
        if was is not None and was.filenode != now.filenode:
            yield was


def _scanned(statement: str, begun: Picture, before: Picture, after: Picture) -> Iterator[Relation]:
    # What ALTER checks, as a foreign key, it may check by way of an index.
    by_index = _ALTER.match(skeleton(statement)) is not None
    for oid in after.held:
        was, now = before.relations.get(oid), after.relations.get(oid)
        if was is None or now is None or now.scans <= was.scans:
            continue
        table = before.relations.get(was.owner) if was.owner is not None else was
        if table is not None and table.oid in begun.relations and (not was.is_index or by_index):
            yield table
