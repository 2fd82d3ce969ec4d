"""The order of operations in which each finds what it needs, and whose reverse is the order to go back in."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, TypeAlias

from alembic.operations import ops
from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.exc import SQLAlchemyError

from headway.autogenerate.phases import Phase, phase_of, turn_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from alembic.operations import MigrateOperation

TableKey: TypeAlias = tuple[str | None, str]
"""Schema, ``None`` for the default one, and name."""


def flattened(operations: Iterable[MigrateOperation]) -> Iterator[MigrateOperation]:
    """The operations themselves, one change each, without the containers they come in."""
    for operation in operations:
        if isinstance(operation, ops.OpContainer):
            yield from flattened(operation.ops)
        elif isinstance(operation, ops.AlterColumnOp):
            yield from _single_changes(operation)
        else:
            yield operation


def _single_changes(operation: ops.AlterColumnOp) -> Iterator[MigrateOperation]:
    """A change of type by itself, and so a change of NULL, of default, of comment: each has its own time."""
    changes: list[dict[str, Any]] = [
        {"modify_name": operation.modify_name} if operation.modify_name is not None else {},
        {"modify_type": operation.modify_type} if operation.modify_type is not None else {},
        {"modify_nullable": operation.modify_nullable} if operation.modify_nullable is not None else {},
        (
            {"modify_server_default": operation.modify_server_default}
            if operation.modify_server_default is not False
            else {}
        ),
        {"modify_comment": operation.modify_comment} if operation.modify_comment is not False else {},
    ]
    single = [change for change in changes if change]
    if not single:
        yield operation
    type_: Any = operation.existing_type
    for change in single:
        yield ops.AlterColumnOp(
            operation.table_name,
            operation.column_name,
            schema=operation.schema,
            existing_type=type_,
            existing_nullable=operation.existing_nullable,
            existing_server_default=operation.existing_server_default,
            existing_comment=operation.existing_comment,
            **change,
            **_options_of(operation, change),
        )
        type_ = change.get("modify_type", type_)


def _options_of(operation: ops.AlterColumnOp, change: dict[str, Any]) -> dict[str, Any]:
    # USING is of the type alone; alembic-postgresql-enum puts it on the whole.
    return {
        key: value
        for key, value in operation.kw.items()
        if key != "postgresql_using" or "modify_type" in change
    }


def arranged(operations: Iterable[MigrateOperation]) -> list[MigrateOperation]:
    """The operations, flat, in an order in which each finds what it needs.

    Foreign keys go before what they refer to and come after it; those that a new table cannot have from the
    beginning, because the other table or its key comes later, become operations of their own. What goes with
    its table is left out. An operation that is unknown stays behind the one it followed.
    """
    groups = _in_groups(_without_the_redundant(list(flattened(operations))))
    known = [group[0] for group in groups]
    tables, loose = _tables(known)
    places = {id(table): place for place, table in enumerate(tables)}
    created = {key_of(table): place for place, table in enumerate(tables) if _creates(table)}

    def place(group: list[MigrateOperation]) -> tuple[int, int, int]:
        head = group[0]
        if isinstance(head, ops.CreateIndexOp) and key_of(head) in created:
            return (Phase.CREATE_TABLE, created[key_of(head)], 1)
        phase = phase_of(head) or Phase.NAMESPACE
        return (phase, places.get(id(head), 0), turn_of(head) if phase is Phase.ALTER_COLUMN else 0)

    ordered = sorted([*groups, *([operation] for operation in loose)], key=place)
    return [operation for group in ordered for operation in group]


def key_of(operation: Any) -> TableKey:
    """The table that an operation is about."""
    return (operation.schema, operation.table_name)


def created_tables(operations: Iterable[MigrateOperation]) -> frozenset[TableKey]:
    """The tables that operations create."""
    return frozenset(key_of(operation) for operation in operations if _creates(operation))


def _creates(operation: MigrateOperation) -> bool:
    return isinstance(operation, ops.CreateTableOp)


def _without_the_redundant(operations: list[MigrateOperation]) -> list[MigrateOperation]:
    """Leave out what DROP TABLE does by itself, and the comments that CREATE TABLE brings."""
    dropped = {key_of(operation) for operation in operations if isinstance(operation, ops.DropTableOp)}
    created = created_tables(operations)
    by_drop = (ops.DropIndexOp, ops.DropConstraintOp, ops.DropTableCommentOp, ops.DropColumnOp)
    return [
        operation
        for operation in operations
        if not (
            (isinstance(operation, by_drop) and key_of(operation) in dropped - created)
            or (isinstance(operation, ops.CreateTableCommentOp) and key_of(operation) in created)
        )
    ]


def _in_groups(operations: Sequence[MigrateOperation]) -> list[list[MigrateOperation]]:
    groups: list[list[MigrateOperation]] = []
    for operation in operations:
        if groups and phase_of(operation) is None:
            groups[-1].append(operation)
        else:
            groups.append([operation])
    return groups


def _tables(
    operations: Sequence[MigrateOperation],
) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
    """The operations that drop and create tables in their order, and the foreign keys taken out of them."""
    drops = [operation for operation in operations if isinstance(operation, ops.DropTableOp)]
    creates = [operation for operation in operations if isinstance(operation, ops.CreateTableOp)]
    later = _Later(operations)
    dropped = [_made_by(operation) for operation in drops]
    ordered_drops = [drops[place] for place in reversed(_by_reference(dropped))]
    ordered_creates = [creates[place] for place in _by_reference(creates)]
    loose: list[MigrateOperation] = []
    standing: list[ops.CreateTableOp] = []
    for made in (dropped[drops.index(drop)] for drop in reversed(ordered_drops)):
        loose += [
            ops.DropConstraintOp(
                foreign_key_name(key), made.table_name, type_="foreignkey", schema=made.schema
            )
            for key in later.foreign_keys(made, standing, all_of=dropped)
        ]
        standing.append(made)
    standing = []
    for create in ordered_creates:
        taken = later.foreign_keys(create, standing, all_of=creates)
        loose += [by_itself(key) for key in taken]
        ids = {id(key) for key in taken}
        create.columns = [item for item in create.columns if id(item) not in ids]
        standing.append(create)
    return [*ordered_drops, *ordered_creates], loose


def by_itself(key: ForeignKeyConstraint) -> ops.CreateForeignKeyOp:
    """A foreign key as an operation of its own, whatever made it in the models."""
    operation = ops.CreateForeignKeyOp.from_constraint(key)
    operation.constraint_name = foreign_key_name(key)
    operation.kw.pop("use_alter", None)
    return operation


def _made_by(operation: ops.DropTableOp) -> ops.CreateTableOp:
    """How a table was that is dropped; without columns when nobody knows."""
    try:
        return operation.reverse()
    except ValueError:
        return ops.CreateTableOp(operation.table_name, [], schema=operation.schema)


def _by_reference(tables: Sequence[ops.CreateTableOp]) -> list[int]:
    """Places of the tables, each after those that its foreign keys refer to, as far as they allow."""
    places = {key_of(table): place for place, table in enumerate(tables)}
    wanted: dict[int, list[int]] = {place: [] for place in range(len(tables))}
    for place, table in enumerate(tables):
        for key in _foreign_keys(table):
            needed = places.get(referred_table(key))
            if needed is not None and needed != place:
                wanted[place].append(needed)
    while True:
        try:
            return _stable_order(wanted)
        except CycleError as error:
            # One reference of each circle is given up; it becomes a constraint of its own.
            circle = error.args[1]
            wanted[circle[1]].remove(circle[0])


def _stable_order(wanted: dict[int, list[int]]) -> list[int]:
    sorter = TopologicalSorter(wanted)
    sorter.prepare()
    order: list[int] = []
    ready: list[int] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()])
        order.append(ready.pop(0))
        sorter.done(order[-1])
    return order


class _Later:
    """Which foreign keys a table cannot have when it is created, or must lose before it is dropped."""

    def __init__(self, operations: Sequence[MigrateOperation]) -> None:
        keys = (ops.CreateUniqueConstraintOp, ops.CreatePrimaryKeyOp, ops.DropConstraintOp)
        self._keys = {key_of(operation) for operation in operations if isinstance(operation, keys)}
        self._keys |= {
            key_of(operation)
            for operation in operations
            if isinstance(operation, ops.CreateIndexOp | ops.DropIndexOp) and operation.to_index().unique
        }
        self._columns = {
            (key_of(operation), _column_of(operation))
            for operation in operations
            if isinstance(operation, ops.AddColumnOp | ops.DropColumnOp | ops.AlterColumnOp)
        }

    def foreign_keys(
        self,
        table: ops.CreateTableOp,
        standing: Sequence[ops.CreateTableOp],
        *,
        all_of: Sequence[ops.CreateTableOp],
    ) -> list[ForeignKeyConstraint]:
        """Those that refer to a table not standing yet, or to a key that it does not bring itself."""
        there = {key_of(other): other for other in standing}
        own = {key_of(other) for other in all_of}
        return [key for key in _foreign_keys(table) if self._waits(key, table, there, own)]

    def _waits(
        self,
        key: ForeignKeyConstraint,
        table: ops.CreateTableOp,
        there: dict[TableKey, ops.CreateTableOp],
        own: set[TableKey],
    ) -> bool:
        target = referred_table(key)
        if key.use_alter:
            return True
        if target == key_of(table):
            return not _brings_key(table, key)
        if target in own:
            return target not in there or not _brings_key(there[target], key)
        columns = {(target, referred_column(element)) for element in key.elements}
        return target in self._keys or not columns.isdisjoint(self._columns)


def _brings_key(table: ops.CreateTableOp, key: ForeignKeyConstraint) -> bool:
    """Whether CREATE TABLE itself makes the key that a foreign key refers to, not an index after it."""
    wanted = {referred_column(element) for element in key.elements}
    return any(
        {column.name for column in constraint.columns} == wanted
        for constraint in table.to_table().constraints
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint)
    )


def _column_of(operation: ops.AddColumnOp | ops.DropColumnOp | ops.AlterColumnOp) -> str:
    return str(operation.column.name if isinstance(operation, ops.AddColumnOp) else operation.column_name)


def referred_column(element: Any) -> str:
    """The column that an element of a foreign key refers to."""
    return str(element.target_fullname).rpartition(".")[2]


def _foreign_keys(table: ops.CreateTableOp) -> list[ForeignKeyConstraint]:
    return [item for item in table.columns if isinstance(item, ForeignKeyConstraint)]


def referred_table(key: ForeignKeyConstraint) -> TableKey:
    """The table that a foreign key refers to, by what it says where that is in no metadata."""
    try:
        table = key.referred_table
    except SQLAlchemyError:
        # The other table is in no metadata at hand: its name is what is left.
        schema, _, name = key.elements[0].target_fullname.rpartition(".")[0].rpartition(".")
        return (schema or None, name)
    return (table.schema, table.name)


def foreign_key_name(key: ForeignKeyConstraint) -> Any:
    """A foreign key's name, or the one that PostgreSQL would give it."""
    if isinstance(key.name, str):
        return key.name
    return "_".join([str(key.table.name), *key.column_keys, "fkey"])
