"""Statements that are sound by themselves, and not in the transaction they are in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.lint import deeds, recipes
from headway.lint.alarms import Alarm
from headway.lint.judging.data import is_unbatched
from headway.lint.names import quoted, read_name
from headway.results import LockMode, RelationLock, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headway.lint.acts import Act
    from headway.lint.deeds import Deed
    from headway.lint.names import Name
    from headway.lint.pen import Pen

_TABLES = frozenset({"table", "foreign table", "materialized view"})


def outside_only(acts: Sequence[Act], pen: Pen) -> Iterator[Alarm]:
    """What PostgreSQL refuses inside a transaction."""
    for act in acts:
        for deed in act.deeds if act.review.transactional else ():
            what = _needs_outside(deed)
            if what:
                yield Alarm(
                    rule="concurrently-in-transaction",
                    act=act,
                    hazard=f"PostgreSQL refuses {what} inside a transaction, which this revision runs in",
                    recipe=pen.online(act.review.sql, calls=_calls(deed)),
                )


def _needs_outside(deed: Deed) -> str:
    match deed:
        case deeds.CreateIndex(concurrently=True):
            return "CREATE INDEX CONCURRENTLY"
        case deeds.Drop(concurrently=True):
            return "DROP INDEX CONCURRENTLY"
        case deeds.Reindex(concurrently=True):
            return "REINDEX CONCURRENTLY"
        case deeds.DetachPartition(concurrently=True):
            return "DETACH PARTITION CONCURRENTLY"
        case deeds.Vacuum():
            return "VACUUM"
        case _:
            return ""


def _calls(deed: Deed) -> list[str]:
    if isinstance(deed, deeds.CreateIndex) and deed.plain and deed.name is not None:
        return [recipes.index_call(deed.name.name, deed.table, deed.columns, unique=deed.unique)]
    return []


def mixed(acts: Sequence[Act], pen: Pen) -> Iterator[Alarm]:
    """An ``autocommit_block`` beside statements of the revision's transaction."""
    inside = [act for act in acts if act.review.transactional and not _is_inert(act)]
    outside = next((act for act in acts if not act.review.transactional), None)
    if inside and outside is not None:
        yield Alarm(
            rule="autocommit-mixed",
            act=outside,
            hazard="the autocommit_block commits what comes before it: if this revision fails then, half of "
            "it is applied, and it cannot be run again",
            recipe=pen.remark("give the block a revision of its own, with nothing beside it"),
        )


def _is_inert(act: Act) -> bool:
    return bool(act.deeds) and all(
        isinstance(deed, deeds.SetParameter) or (isinstance(deed, deeds.Other) and deed.inert)
        for deed in act.deeds
    )


def validated_at_once(acts: Sequence[Act], pen: Pen) -> Iterator[Alarm]:
    """NOT VALID and VALIDATE in one transaction."""
    added: dict[tuple[int, str], Act] = {}
    for act in acts:
        for deed in act.deeds:
            match deed:
                case deeds.AddConstraint(table=table, constraint=made) if not made.valid and made.name:
                    if act.existed(table):
                        added[act.transaction, made.name] = act
                case deeds.ValidateConstraint(table=table, constraint=name):
                    if (act.transaction, name) in added:
                        yield _validated(act, added[act.transaction, name], table, name, pen)


def _validated(act: Act, first: Act, table: Name, name: str, pen: Pen) -> Alarm:
    lock = first.lock(table)
    mode = lock.mode.sql if lock else "its lock"
    return Alarm(
        rule="validate-in-same-transaction",
        act=act,
        on=table,
        explains=(table,),
        hazard=f"every row of {table} is read to validate {quoted(name)} while {mode}, which NOT VALID took "
        "in the same transaction, is still held",
        recipe=f"{pen.remark('in a second revision:')}\n{pen.validated(table, name)}",
    )


def held_meanwhile(acts: Sequence[Act], pen: Pen) -> Iterator[Alarm]:
    """A lock that is held while something long runs, and locks on several tables."""
    for number in dict.fromkeys(act.transaction for act in acts):
        together = [act for act in acts if act.transaction == number]
        long = next(_long_under_lock(together, pen), None)
        if long is not None:
            yield long
        else:
            yield from _several_tables(together, pen)


def _long_under_lock(acts: Sequence[Act], pen: Pen) -> Iterator[Alarm]:
    held: list[tuple[Act, RelationLock]] = []
    for act in acts:
        what = _long(act)
        worse = [pair for pair in held if not _takes(act, pair[1])]
        if worse and what and not _only_validates(act, held):
            first, lock = max(worse, key=lambda pair: pair[1].mode.strength)
            if any(each == lock.relation for each in _copied_from(act)):
                yield _read_while_locked(act, lock, first)
                return
            since = f" (line {first.review.line})" if first.review.line else ""
            yield Alarm(
                rule="several-hazards-in-one-transaction",
                act=act,
                on=read_name(lock.relation) if act.lock(read_name(lock.relation)) else None,
                hazard=f"{lock.relation} stays locked ({lock.mode.sql}) since statement "
                f"{first.review.position}"
                f"{since} while {what}",
                recipe=pen.remark(
                    "give this statement a revision of its own, after the one that takes the lock"
                ),
            )
        held += [(act, lock) for lock in _blocking(act)]


def _takes(act: Act, lock: RelationLock) -> bool:
    """Whether a statement needs as strong a lock itself, so that the one held before adds nothing."""
    own = act.lock_named(lock.relation)
    return own is not None and own.mode.strength >= lock.mode.strength


def _read_while_locked(act: Act, lock: RelationLock, first: Act) -> Alarm:
    return Alarm(
        rule="table-scan-under-lock",
        act=act,
        on=read_name(lock.relation),
        hazard=f"{lock.relation} is read through while it stays locked ({lock.mode.sql}) since statement "
        f"{first.review.position}",
    )


def _only_validates(act: Act, held: Sequence[tuple[Act, RelationLock]]) -> bool:
    """Whether an act only validates what the same transaction added, which has a rule of its own."""
    names = {deed.constraint for deed in act.deeds if isinstance(deed, deeds.ValidateConstraint)}
    added = {
        deed.constraint.name
        for first, _ in held
        for deed in first.deeds
        if isinstance(deed, deeds.AddConstraint)
    }
    return bool(names) and len(act.deeds) == len(names) and names <= added


def _blocking(act: Act) -> list[RelationLock]:
    return [
        lock
        for lock in act.review.locks
        if lock.kind in _TABLES and lock.mode.blocks_writes and not act.is_fresh(read_name(lock.relation))
    ]


def _long(act: Act) -> str:
    """What a statement does that grows with the rows; "" when nothing."""
    anew = _there(act, act.review.rewritten)
    if anew:
        return f"{', '.join(anew)} is written anew"
    for deed in act.deeds:
        if isinstance(deed, deeds.ChangeRows) and is_unbatched(act, deed):
            return f"{deed.verb} goes through {deed.table}"
    copied = _copied_from(act)
    if copied:
        return f"rows of {', '.join(copied)} are copied"
    read = [each for each in _there(act, act.review.scanned) if _is_for_reading(act, each)]
    return f"{', '.join(read)} is read through" if read else ""


def _copied_from(act: Act) -> list[str]:
    """The tables whose rows a statement copies elsewhere."""
    sources = [
        source
        for deed in act.deeds
        if isinstance(deed, deeds.Insert | deeds.CreateTable)
        for source in deed.sources
    ]
    return [str(source) for source in sources if act.existed(source)]


def _there(act: Act, relations: Sequence[str]) -> list[str]:
    return [each for each in relations if not act.is_fresh(read_name(each))]


def _is_for_reading(act: Act, relation: str) -> bool:
    """Whether a scan is a statement's own business; a query's tells nothing of its plan elsewhere."""
    lock = act.lock_named(relation)
    return lock is not None and lock.mode.strength >= LockMode.SHARE_UPDATE_EXCLUSIVE.strength


def _several_tables(acts: Sequence[Act], pen: Pen) -> Iterator[Alarm]:
    first: tuple[Act, str] | None = None
    for act in acts:
        for lock in _blocking(act):
            if lock.mode is not LockMode.ACCESS_EXCLUSIVE:
                continue
            if first is None:
                first = (act, lock.relation)
            elif first[0] is not act and first[1] != lock.relation:
                yield Alarm(
                    rule="several-hazards-in-one-transaction",
                    act=act,
                    on=read_name(lock.relation),
                    severity=Severity.WARNING,
                    hazard=f"{lock.relation} is locked while {first[1]} stays locked since statement "
                    f"{first[0].review.position}: who locks them the other way round deadlocks with this",
                    recipe=pen.remark("give each table a revision of its own"),
                )
                return


def used_at_once(acts: Sequence[Act], pen: Pen) -> Iterator[Alarm]:
    """A label of an enum, used in the transaction that adds it."""
    made = {deed.name.name for act in acts for deed in act.deeds if isinstance(deed, deeds.CreateEnum)}
    added: dict[tuple[int, str], deeds.AddLabel] = {}
    for act in acts:
        for label in sorted(act.texts):
            deed = added.get((act.transaction, label)) if act.review.transactional else None
            # Of a type that is as new as its label only the server can tell: PostgreSQL 17 allows it.
            if deed is not None and (deed.type.name not in made or act.review.error is not None):
                yield Alarm(
                    rule="enum-value-used-at-once",
                    act=act,
                    hazard=f"'{label}' is used in the transaction that adds it to {deed.type}, which "
                    "PostgreSQL refuses",
                    recipe=pen.remark("add the label in a revision of its own, before this one"),
                )
        added |= {
            (act.transaction, deed.label): deed for deed in act.deeds if isinstance(deed, deeds.AddLabel)
        }
