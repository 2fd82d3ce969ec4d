"""What a deed does to relations that are there, by its text (PostgreSQL manual, 13.3.1 and ALTER TABLE)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.lint import columntypes, deeds, functions
from headway.lint.columntypes import BUILT_IN, Chance
from headway.lint.deeds import Constraint, Deed, Generated, Kind
from headway.results import LockMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headway.lint.names import Name
    from headway.lint.schema import Schema, Table

_AEL, _SUE = LockMode.ACCESS_EXCLUSIVE, LockMode.SHARE_UPDATE_EXCLUSIVE
_SRE, _SHARE = LockMode.SHARE_ROW_EXCLUSIVE, LockMode.SHARE
_ROWS, _READ = LockMode.ROW_EXCLUSIVE, LockMode.ACCESS_SHARE


@dataclass(frozen=True, slots=True)
class Effect:
    """What one deed does to one relation."""

    relation: Name
    mode: LockMode
    scans: Chance = Chance.NONE
    rewrites: Chance = Chance.NONE
    kind: str = "table"


def effects(deed: Deed, schema: Schema, beside: tuple[Deed, ...] = ()) -> tuple[Effect, ...]:
    """What a deed does to relations; nothing for one that touches none.

    Args:
        deed: the deed.
        schema: what is known before the statement.
        beside: all deeds of its statement.
    """
    rule = _EFFECTS.get(type(deed))
    return () if rule is None else tuple(rule(deed, schema, beside))


def _create_table(deed: deeds.CreateTable, schema: Schema, _: object) -> Iterator[Effect]:
    if deed.parent is not None:
        yield Effect(deed.parent, _AEL)
        yield from _default_partition(deed.parent, schema)
    for each in [*deed.constraints, *(own for column in deed.columns for own in column.constraints)]:
        if each.refers is not None and not each.refers.means(deed.name):
            yield Effect(each.refers, _SRE)
    for source in deed.sources:
        yield Effect(source, _READ, Chance.SURE)


def _default_partition(parent: Name, schema: Schema) -> Iterator[Effect]:
    """A default partition is read for rows that now belong elsewhere."""
    for table in schema.partitions(parent):
        if table.default_partition:
            yield Effect(table.name, _AEL, Chance.POSSIBLE if _may_prove(table) else Chance.SURE)


def _create_index(deed: deeds.CreateIndex, schema: Schema, _: object) -> Iterator[Effect]:
    mode = _SUE if deed.concurrently else _SHARE
    table = schema.table(deed.table)
    divided = table is not None and table.by is not None
    yield Effect(deed.table, mode, Chance.NONE if divided or deed.only else Chance.SURE)
    if table is not None and divided and not deed.only:
        for each in schema.partitions(deed.table):
            yield Effect(each.name, mode, Chance.SURE)


def _add_column(deed: deeds.AddColumn, schema: Schema, _: object) -> Iterator[Effect]:
    column = deed.column
    rewrites = _column_rewrites(column, schema)
    checked = any(each.kind is not Kind.FOREIGN and each.valid for each in column.constraints)
    needed = column.not_null and column.default is None and column.generated is None
    looked_up = column.default is not None and any(each.kind is Kind.FOREIGN for each in column.constraints)
    scans = Chance.SURE if checked or needed or looked_up else Chance.NONE
    yield Effect(deed.table, _AEL, max(scans, rewrites), rewrites)
    for each in column.constraints:
        if each.refers is not None:
            yield Effect(each.refers, _SRE, Chance.POSSIBLE if looked_up else Chance.NONE)


def _column_rewrites(column: deeds.Column, schema: Schema) -> Chance:
    if column.generated is Generated.VIRTUAL:
        return Chance.NONE
    if column.generated is not None:
        return Chance.SURE
    called = column.default.functions if column.default else frozenset()
    by_default = functions.rewrite_chance(called, schema.steady)
    return max(by_default, domain_chance(column.type, schema))


def domain_chance(type_: deeds.Type, schema: Schema) -> Chance:
    """Whether a type is a domain with a constraint, which is checked row by row."""
    if type_.name.name in BUILT_IN or type_.name.name in schema.enums:
        return Chance.NONE
    known = schema.domains.get(type_.name.name)
    if known is None:
        return Chance.POSSIBLE
    return Chance.SURE if known.constrained else Chance.NONE


def _alter_type(deed: deeds.AlterType, schema: Schema, _: object) -> Iterator[Effect]:
    known = schema.column(deed.table, deed.column)
    old = schema.resolved(known.type) if known else None
    chance = columntypes.rewrite_chance(old, schema.resolved(deed.type), deed.column, deed.using)
    if schema.utc and chance and columntypes.is_timestamp(deed.type):
        chance = Chance.POSSIBLE  # from a timestamp without a zone it is the same in UTC
    checked = Chance.SURE if _is_checked(deed, schema) else domain_chance(deed.type, schema)
    yield Effect(deed.table, _AEL, max(chance, checked), chance)
    table = schema.table(deed.table)
    for name, index in table.indexes.items() if table and deed.collates else ():
        if deed.column in index.columns:
            yield Effect(type(deed.table)(name), _AEL, Chance.NONE, Chance.SURE, kind="index")


def _is_checked(deed: deeds.AlterType, schema: Schema) -> bool:
    """Whether a CHECK speaks of the column: it is made anew, and reads every row."""
    table = schema.table(deed.table)
    return table is not None and any(
        each.condition is not None and deed.column in each.condition.columns and each.valid
        for each in table.constraints.values()
    )


def _set_not_null(deed: deeds.SetNotNull, schema: Schema, beside: tuple[Deed, ...]) -> Iterator[Effect]:
    yield Effect(deed.table, _AEL, not_null_chance(deed.table, deed.column, schema, beside))


def not_null_chance(table: Name, column: str, schema: Schema, beside: tuple[Deed, ...]) -> Chance:
    """Whether a column must be read to see that it holds no NULL; what is dropped beside proves nothing."""
    known = schema.table(table)
    if known is None:
        return Chance.SURE
    gone = [each.constraint for each in beside if isinstance(each, deeds.DropConstraint)]
    already = column in known.columns and known.columns[column].not_null
    return Chance.NONE if already or known.proves_not_null(column, without=gone) else Chance.SURE


def _add_constraint(deed: deeds.AddConstraint, schema: Schema, beside: tuple[Deed, ...]) -> Iterator[Effect]:
    made = deed.constraint
    if made.kind is Kind.FOREIGN:
        yield Effect(deed.table, _SRE, Chance.SURE if made.valid else Chance.NONE)
        if made.refers is not None:
            yield Effect(made.refers, _SRE, Chance.POSSIBLE if made.valid else Chance.NONE)
        return
    yield Effect(deed.table, _AEL, _constraint_scans(deed.table, made, schema, beside))


def _constraint_scans(name: Name, made: Constraint, schema: Schema, beside: tuple[Deed, ...]) -> Chance:
    if not made.valid:
        return Chance.NONE
    if made.kind is Kind.NOT_NULL:
        return max(
            (not_null_chance(name, each, schema, beside) for each in made.columns), default=Chance.SURE
        )
    if made.index is None:
        return Chance.SURE
    return Chance.NONE if made.kind is Kind.UNIQUE else _nullable(name, made.index, schema, beside)


def _nullable(name: Name, index: str, schema: Schema, beside: tuple[Deed, ...]) -> Chance:
    """Whether an index may hold a column that is not NOT NULL yet."""
    table = schema.table(name)
    if table is None or index not in table.indexes:
        return Chance.POSSIBLE
    columns = table.indexes[index].columns
    set_beside = {each.column for each in beside if isinstance(each, deeds.SetNotNull)}
    open_ = [each for each in columns if each not in set_beside]
    return max((not_null_chance(name, each, schema, beside) for each in open_), default=Chance.NONE)


def _drop_constraint(deed: deeds.DropConstraint, schema: Schema, _: object) -> Iterator[Effect]:
    yield Effect(deed.table, _AEL)
    known = schema.constraint(deed.table, deed.constraint)
    if known is not None and known.refers is not None:
        yield Effect(known.refers, _AEL)


def _drop_column(deed: deeds.DropColumn, schema: Schema, _: object) -> Iterator[Effect]:
    yield Effect(deed.table, _AEL)
    table = schema.table(deed.table)
    for each in table.foreign_keys if table else ():
        if deed.column in each.columns and each.refers is not None:
            yield Effect(each.refers, _AEL)


def _validate(deed: deeds.ValidateConstraint, schema: Schema, _: object) -> Iterator[Effect]:
    yield Effect(deed.table, _SUE, Chance.SURE)
    known = schema.constraint(deed.table, deed.constraint)
    if known is not None and known.refers is not None:
        yield Effect(known.refers, LockMode.ROW_SHARE, Chance.POSSIBLE)


def _attach(deed: deeds.AttachPartition, schema: Schema, _: object) -> Iterator[Effect]:
    yield Effect(deed.table, _SUE)
    table = schema.table(deed.partition)
    yield Effect(deed.partition, _AEL, Chance.POSSIBLE if _may_prove(table) else Chance.SURE)
    yield from _default_partition(deed.table, schema)


def _may_prove(table: Table | None) -> bool:
    """Whether a CHECK is there that may prove a partition's bounds; PostgreSQL alone can tell."""
    return table is not None and any(
        each.kind is Kind.CHECK and each.valid for each in table.constraints.values()
    )


def _detach(deed: deeds.DetachPartition, *_: object) -> Iterator[Effect]:
    yield Effect(deed.table, _SUE if deed.concurrently else _AEL)
    yield Effect(deed.partition, _AEL)


def _drop(deed: deeds.Drop, schema: Schema, _: object) -> Iterator[Effect]:
    if deed.kind == "index":
        table = schema.owner(deed.name)
        mode = _SUE if deed.concurrently else _AEL
        if table is not None:
            yield Effect(table.name, mode)
        yield Effect(deed.name, mode, kind="index")
    elif deed.kind in {"table", "foreign table", "view", "materialized view", "sequence"}:
        yield Effect(deed.name, _AEL, kind=deed.kind)
        yield from _bound_to(deed.name, schema)
    elif deed.kind == "trigger" and deed.name.schema:
        yield Effect(type(deed.name)(deed.name.schema), _AEL)


def _bound_to(name: Name, schema: Schema) -> Iterator[Effect]:
    """The tables that a dropped one refers to, and those that refer to it."""
    table = schema.table(name)
    for each in table.foreign_keys if table else ():
        if each.refers is not None and not each.refers.means(name):
            yield Effect(each.refers, _AEL)
    for referring in schema.referring(name):
        if not referring.name.means(name):
            yield Effect(referring.name, _AEL)
    if table is not None and table.parent is not None:
        yield Effect(table.parent, _AEL)


def _rename(deed: deeds.Rename, *_: object) -> Iterator[Effect]:
    if deed.kind in {"table", "view", "materialized view", "sequence", "index"}:
        yield Effect(deed.name, _SUE if deed.kind == "index" else _AEL, kind=deed.kind)


def _reindex(deed: deeds.Reindex, schema: Schema, _: object) -> Iterator[Effect]:
    if deed.name is None or deed.kind not in {"index", "table"}:
        return
    mode = _SUE if deed.concurrently else _SHARE
    if deed.kind == "table":
        yield Effect(deed.name, mode, Chance.SURE)
        return
    table = schema.owner(deed.name)
    if table is not None:
        yield Effect(table.name, mode, Chance.SURE)
    yield Effect(deed.name, _SUE if deed.concurrently else _AEL, Chance.NONE, Chance.SURE, kind="index")


def _alter_domain(deed: deeds.AlterDomain, schema: Schema, _: object) -> Iterator[Effect]:
    for table in schema.using(deed.name) if deed.checks else ():
        yield Effect(table.name, _SHARE, Chance.SURE)


def _change_rows(deed: deeds.ChangeRows, *_: object) -> Iterator[Effect]:
    yield Effect(deed.table, _ROWS, Chance.POSSIBLE if deed.reach is deeds.Reach.NAMED else Chance.SURE)


def _insert(deed: deeds.Insert, *_: object) -> Iterator[Effect]:
    yield Effect(deed.table, _ROWS)
    for source in deed.sources:
        yield Effect(source, _READ, Chance.SURE)


def _refresh(deed: deeds.Refresh, *_: object) -> Iterator[Effect]:
    mode = LockMode.EXCLUSIVE if deed.concurrently else _AEL
    rewrites = Chance.POSSIBLE if deed.concurrently else Chance.SURE
    yield Effect(deed.view, mode, Chance.NONE, rewrites, kind="materialized view")


def _vacuum(deed: deeds.Vacuum, *_: object) -> Iterator[Effect]:
    for table in deed.tables:
        yield Effect(table, _AEL if deed.full else _SUE, Chance.NONE, Chance(2 * deed.full))


def _cluster(deed: deeds.Cluster, *_: object) -> Iterator[Effect]:
    if deed.table is not None:
        yield Effect(deed.table, _AEL, Chance.NONE, Chance.SURE)


def _lock(deed: deeds.LockTable, *_: object) -> Iterator[Effect]:
    yield from (Effect(table, deed.mode) for table in deed.tables)


def _truncate(deed: deeds.Truncate, *_: object) -> Iterator[Effect]:
    yield from (Effect(table, _AEL, Chance.NONE, Chance.SURE) for table in deed.tables)


def _alter(deed: deeds.AlterTable, *_: object) -> Iterator[Effect]:
    yield Effect(deed.table, deed.mode, Chance.NONE, Chance.SURE if deed.rewrites else Chance.NONE)


def _metadata(
    deed: deeds.DropNotNull | deeds.SetDefault | deeds.RenameColumn, *_: object
) -> Iterator[Effect]:
    yield Effect(deed.table, _AEL)


def _create(deed: deeds.Create, *_: object) -> Iterator[Effect]:
    if deed.kind == "trigger" and deed.name.schema:
        yield Effect(type(deed.name)(deed.name.schema), _SRE)


_EFFECTS: dict[type, Callable[..., Iterator[Effect]]] = {
    deeds.CreateTable: _create_table,
    deeds.CreateIndex: _create_index,
    deeds.Create: _create,
    deeds.AddColumn: _add_column,
    deeds.DropColumn: _drop_column,
    deeds.AlterType: _alter_type,
    deeds.SetNotNull: _set_not_null,
    deeds.DropNotNull: _metadata,
    deeds.SetDefault: _metadata,
    deeds.RenameColumn: _metadata,
    deeds.RenameConstraint: _metadata,
    deeds.AddConstraint: _add_constraint,
    deeds.DropConstraint: _drop_constraint,
    deeds.ValidateConstraint: _validate,
    deeds.AttachPartition: _attach,
    deeds.DetachPartition: _detach,
    deeds.AlterTable: _alter,
    deeds.Drop: _drop,
    deeds.Rename: _rename,
    deeds.Reindex: _reindex,
    deeds.Vacuum: _vacuum,
    deeds.Cluster: _cluster,
    deeds.Refresh: _refresh,
    deeds.LockTable: _lock,
    deeds.Truncate: _truncate,
    deeds.AlterDomain: _alter_domain,
    deeds.ChangeRows: _change_rows,
    deeds.Insert: _insert,
}
