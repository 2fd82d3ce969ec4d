"""Foreign keys that are the same on both sides: left alone, or taken away for a moment around a change.

PostgreSQL lets nobody drop a key or a column that a foreign key refers to, nor change the types on its two
sides one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic.operations import ops

from headway.autogenerate.ordering import (
    by_itself,
    foreign_key_name,
    key_of,
    referred_column,
    referred_table,
)
from headway.autogenerate.statements import StatementsOp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from alembic.operations import MigrateOperation
    from sqlalchemy import ForeignKeyConstraint, MetaData

    from headway.autogenerate.ordering import TableKey


def references_around(
    operations: Sequence[MigrateOperation], metadata: Iterable[MetaData], default: str | None
) -> list[MigrateOperation]:
    """The foreign keys to take away while what they depend on changes.

    That is: the columns on both their sides change their type, the key that they refer to is dropped, or a
    column of theirs is dropped and added anew.

    Args:
        operations: of one direction, flat.
        metadata: the models', which have the foreign keys as they were and will be.
        default: the schema that a table is in which names none.

    Returns:
        Operations that drop each and make it again; none as a rule.
    """
    touched = _Touched(operations, default)
    known = {
        str(operation.constraint_name) for operation in operations if hasattr(operation, "constraint_name")
    }
    made: list[MigrateOperation] = []
    for key in _keys_of(metadata):
        name = foreign_key_name(key)
        if name not in known and touched.concerns(key):
            table = key.table
            made.append(ops.DropConstraintOp(name, table.name, type_="foreignkey", schema=table.schema))
            made.append(by_itself(key))
    return made


def _keys_of(metadata: Iterable[MetaData]) -> Iterator[ForeignKeyConstraint]:
    for one in metadata:
        for table in one.tables.values():
            yield from sorted(table.foreign_key_constraints, key=foreign_key_name)


class _Touched:
    """What operations take away or change, as far as a foreign key may depend on it."""

    def __init__(self, operations: Sequence[MigrateOperation], default: str | None) -> None:
        self._default = default
        # They come with their foreign keys, or go with them.
        self._whole = {
            self._key(key_of(operation))
            for operation in operations
            if isinstance(operation, ops.CreateTableOp | ops.DropTableOp)
        }
        self._retyped = {
            (self._key(key_of(operation)), operation.column_name)
            for operation in operations
            if isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None
        }
        self._replaced = set(self._columns(operations))
        self._keys = {
            (self._key(key_of(operation)), columns)
            for operation in operations
            if (columns := _key_dropped(operation))
        }

    def _key(self, table: TableKey) -> TableKey:
        return (None if table[0] == self._default else table[0], table[1])

    def _columns(self, operations: Sequence[MigrateOperation]) -> Iterator[tuple[TableKey, str]]:
        """The columns that are dropped and added anew."""
        added = {
            (self._key(key_of(operation)), str(operation.column.name))
            for operation in operations
            if isinstance(operation, ops.AddColumnOp)
        }
        for operation in operations:
            if isinstance(operation, ops.DropColumnOp):
                column = (self._key(key_of(operation)), operation.column_name)
                if column in added:
                    yield column
            elif isinstance(operation, StatementsOp) and operation.replaces:
                yield (self._key(key_of(operation)), operation.column_name)

    def concerns(self, key: ForeignKeyConstraint) -> bool:
        source = self._key((key.table.schema, key.table.name))
        target = self._key(referred_table(key))
        if source in self._whole:
            return False
        ends = [
            ((source, element.parent.name), (target, referred_column(element))) for element in key.elements
        ]
        wanted = frozenset(column for _, (_, column) in ends)
        return (
            (target, wanted) in self._keys
            or any(self._retyped.issuperset(pair) for pair in ends)
            or any(not self._replaced.isdisjoint(pair) for pair in ends)
        )


def _key_dropped(operation: Any) -> frozenset[str]:
    """The columns of the key that an operation drops; none for others, and where nobody knows them."""
    if isinstance(operation, ops.DropIndexOp):
        index = operation.to_index()
        return _names(index.expressions) if index.unique else frozenset()
    if not isinstance(operation, ops.DropConstraintOp):
        return frozenset()
    try:
        made = operation.reverse()
    except ValueError:
        return frozenset()
    keys = ops.CreatePrimaryKeyOp | ops.CreateUniqueConstraintOp
    return _names(made.columns) if isinstance(made, keys) else frozenset()


def _names(columns: Iterable[Any]) -> frozenset[str]:
    return frozenset(str(getattr(column, "name", column)) for column in columns)


def forget_same_references(operations: Iterable[MigrateOperation], default: str) -> None:
    """Leave out foreign keys that differ in nothing but whether they name the default schema.

    Alembic tells them apart where the models name it (``MetaData(schema="public")``), for the database's
    tables of that schema have none.

    Args:
        operations: Alembic's; those of tables are changed.
        default: the schema that a table is in which names none.
    """
    for modify in operations:
        if not isinstance(modify, ops.ModifyTableOps):
            continue
        gone = {
            _reference(made, default): operation
            for operation in modify.ops
            if isinstance(operation, ops.DropConstraintOp)
            and isinstance(made := _made(operation), ops.CreateForeignKeyOp)
        }
        come = {
            _reference(operation, default): operation
            for operation in modify.ops
            if isinstance(operation, ops.CreateForeignKeyOp)
        }
        same = {id(side[key]) for side in (gone, come) for key in gone.keys() & come.keys()}
        modify.ops = [operation for operation in modify.ops if id(operation) not in same]


def _made(operation: ops.DropConstraintOp) -> MigrateOperation | None:
    try:
        return operation.reverse()
    except ValueError:
        return None


def _reference(operation: ops.CreateForeignKeyOp, default: str) -> tuple[object, ...]:
    options = operation.kw
    actions = [(str(options.get(action) or "NO ACTION")).upper() for action in ("ondelete", "onupdate")]
    deferrable = bool(options.get("deferrable"))
    return (
        *(tuple(operation.local_cols), tuple(operation.remote_cols)),
        *(options.get("referent_schema") or default, operation.referent_table),
        *actions,
        deferrable,
        deferrable and str(options.get("initially") or "IMMEDIATE").upper(),
        (options.get("match") or "SIMPLE").upper(),
    )
