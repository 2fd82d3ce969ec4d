"""What cannot run in a transaction cannot be watched at it: its locks are as the manual has them.

What it made, dropped and wrote anew is seen all the same, by a look before and a look behind.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headway.kinds import Kind, is_concurrent, kind_of
from headway.oracle.effects import told
from headway.oracle.relations import mentioned
from headway.results import LockMode
from headway.sqltext import skeleton

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway.oracle.effects import Effects
    from headway.oracle.relations import Picture, Relation

# These run in a transaction as a rule: not where they are about several tables.
_MAY_RUN_INSIDE = re.compile(r"REINDEX\s+(?:\([^)]*\)\s*)?(?:INDEX|TABLE)\b|CLUSTER\s+\S", re.IGNORECASE)
_VACUUM = re.compile(r"VACUUM\b", re.IGNORECASE)
_DETACH = re.compile(r"ALTER\s+TABLE\b.*\bDETACH\s+PARTITION\b", re.IGNORECASE | re.DOTALL)

_GENTLE = LockMode.SHARE_UPDATE_EXCLUSIVE
"""Of CREATE INDEX, DROP INDEX and REINDEX CONCURRENTLY on the table, VACUUM (manual, section 13.3.1)."""


def must_run_alone(statement: str) -> bool:
    """Whether a statement cannot run in a transaction, as far as its words tell."""
    if kind_of(statement) is not Kind.OUTSIDE:
        return False
    return is_concurrent(statement) or _MAY_RUN_INSIDE.match(skeleton(statement)) is None


def documented(statement: str, before: Picture, after: Picture) -> Effects:
    """What a statement did that ran with no transaction around it.

    Args:
        statement: its text.
        before: what was there.
        after: what is there now.
    """
    words = skeleton(statement)
    rewritten = list(_rewritten(before, after))
    locks: dict[int, tuple[Relation, LockMode]] = {}
    scanned: list[Relation] = []
    index_lock = _GENTLE if is_concurrent(statement) else LockMode.SHARE
    for index, table in _indexes_at_work(before, after, rewritten):
        locks[table.oid] = table, index_lock
        if index.oid in before.relations:
            # REINDEX and DROP INDEX (manual, the page of each): in the end the index itself is exchanged.
            locks[index.oid] = index, _GENTLE if is_concurrent(statement) else LockMode.ACCESS_EXCLUSIVE
        if index.oid in after.relations or index in rewritten:
            scanned.append(table)
    if _DETACH.match(words):
        locks |= _detached(statement, before)
    if _VACUUM.match(words):
        scanned += _vacuumed(statement, before)
        locks |= {table.oid: (table, _GENTLE) for table in scanned}
    # VACUUM FULL and CLUSTER (manual, section 13.3.1).
    locks |= {it.oid: (it, LockMode.ACCESS_EXCLUSIVE) for it in rewritten if not it.is_index}
    return told(locks.values(), rewritten, (table for table in scanned if table not in rewritten))


def _rewritten(before: Picture, after: Picture) -> Iterator[Relation]:
    names = {(it.schema, it.name): it for it in after.relations.values()}
    for was in before.relations.values():
        now = names.get((was.schema, was.name))
        if now is not None and now.filenode != was.filenode and (was.holds_rows or was.is_index):
            yield was


def _indexes_at_work(
    before: Picture, after: Picture, rewritten: list[Relation]
) -> Iterator[tuple[Relation, Relation]]:
    """Indexes that came, went or were written anew, each with its table."""
    gone = [it for oid, it in before.relations.items() if oid not in after.relations]
    come = [it for oid, it in after.relations.items() if oid not in before.relations]
    for index in dict.fromkeys([*come, *gone, *rewritten]):
        table = before.relations.get(index.owner or 0)
        if table is not None and table not in rewritten:
            yield index, table


def _detached(statement: str, before: Picture) -> dict[int, tuple[Relation, LockMode]]:
    """ALTER TABLE … DETACH PARTITION … CONCURRENTLY (manual, ALTER TABLE), at its end."""
    tables = [it for it in before.relations.values() if not it.is_index]
    parents: list[Relation] = []
    others: list[Relation] = []
    for oid in mentioned(statement, tables):
        relation = before.relations[oid]
        (parents if relation.relkind == "p" else others).append(relation)
    gentle = {it.oid: (it, _GENTLE) for it in parents}
    return gentle | {it.oid: (it, LockMode.ACCESS_EXCLUSIVE) for it in others}


def _vacuumed(statement: str, before: Picture) -> Iterator[Relation]:
    tables = [it for it in before.relations.values() if it.holds_rows]
    named = mentioned(statement, tables)
    return (it for it in tables if it.oid in named or not named)
