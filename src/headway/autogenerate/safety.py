"""Each change as the sequence that works on a table in use, and stops where rows stand in the way.

The rules are PostgreSQL's (manual, ALTER TABLE, CREATE INDEX): what reads a whole table goes, if it can, into
a part of its own that keeps nobody out for long.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops

from headway.autogenerate.destructions import destructions, dotted, not_restored
from headway.autogenerate.enumchange import labels_changed
from headway.autogenerate.facts import Cast
from headway.autogenerate.operations import (
    AnnotatedOp,
    IrreversibleWithRowsOp,
    RefuseRowsOp,
    SetNotNullOp,
    ValidateConstraintOp,
)
from headway.autogenerate.ordering import created_tables, key_of
from headway.autogenerate.statements import StatementsOp, serial_column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from alembic.operations import MigrateOperation
    from sqlalchemy.types import TypeEngine

    from headway.autogenerate.facts import Facts
    from headway.autogenerate.ordering import TableKey


class Part(IntEnum):
    """The file that an operation of an upgrade goes into, by its place among at most three."""

    BEFORE = 0
    """Not transactional: indexes that go, and labels of enums that the rest uses."""
    MAIN = 1
    AFTER = 2
    """Not transactional: indexes that come, and what has the rows read."""


@dataclass(frozen=True, slots=True)
class Due:
    """An operation of the file to be, with its part."""

    operation: MigrateOperation
    part: Part = Part.MAIN
    remarks: tuple[str, ...] = ()

    @property
    def annotated(self) -> AnnotatedOp:
        """The operation with its remarks."""
        return AnnotatedOp(self.operation, self.remarks)


@dataclass(frozen=True, slots=True)
class Direction:
    """All that decides about one direction of one revision.

    Attributes:
        operations: in their order.
        facts: of the database.
        online: whether parts of their own may be used.
        down: whether it is the downgrade, which never has parts.
        columns: the models' columns by table and name, for the defaults that an altered column keeps.
        suspicions: remarks on the tables and columns, by name, that may be renamed rather than dropped.
    """

    operations: Sequence[MigrateOperation]
    facts: Facts
    online: bool
    down: bool = False
    columns: Mapping[tuple[TableKey, str], sa.Column[Any]] = field(default_factory=dict)
    suspicions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def steps(self) -> list[Due]:
        """The operations as the sequences that work, each with its remarks."""
        safer = _Safer(self)
        return [step for operation in self.operations for step in safer.of(operation)]


class _Safer:
    def __init__(self, direction: Direction) -> None:
        self._direction = direction
        self._facts = direction.facts
        self._created = created_tables(direction.operations)
        self._online = direction.online and not direction.down
        self._guard: Callable[..., RefuseRowsOp] = IrreversibleWithRowsOp if direction.down else RefuseRowsOp
        self._referred = {
            _referent(made)
            for made in map(_as_made, direction.operations)
            if isinstance(made, ops.CreateForeignKeyOp)
        }
        self._said = {text for operation in direction.operations for text in _texts(operation)}
        self._demanding = {
            (key_of(operation), str(column))
            for operation in direction.operations
            for column in _demanded_not_null(operation)
        }

    def of(self, operation: MigrateOperation) -> Iterator[Due]:
        """The steps that one operation comes to."""
        remarks = self._remarks(operation)
        match operation:
            case ops.AddColumnOp() if self._exists(operation) and (
                spec := self._facts.serial(operation.column)
            ):
                yield from self._add_serial(operation, spec)
            case ops.AddColumnOp() if self._exists(operation) and _needs_value(operation.column):
                yield from self._add_not_null(operation)
            case ops.AlterColumnOp() if operation.modify_type is not None:
                yield from self._change_type(operation, remarks)
            case ops.AlterColumnOp() if operation.modify_nullable is False:
                yield from self._not_null(operation)
            case ops.CreateForeignKeyOp() | ops.CreateCheckConstraintOp():
                yield from self._constraint(operation)
            case ops.CreateIndexOp() | ops.DropIndexOp():
                yield self._index(operation)
            case _ if getattr(operation, "operation_name", None) == "change_enum_variants":
                changed = labels_changed(operation, self._direction.operations, self._facts, self._guard)
                yield Due(changed, remarks=(*remarks, *changed.remarks))
            case _ if self._online and any(label in self._said for label in new_labels(operation)):
                # PostgreSQL lets nothing use a label in the transaction that added it (manual, ALTER TYPE).
                yield Due(operation, Part.BEFORE)
            case _:
                yield Due(operation, remarks=remarks)

    def _remarks(self, operation: MigrateOperation) -> tuple[str, ...]:
        """What a reader must know of an operation: what it destroys, and what it does not bring back."""
        remarks = tuple(f"destructive: {found}" for found in destructions([operation]))
        if isinstance(operation, ops.DropColumnOp | ops.DropTableOp):
            name = dotted(*key_of(operation), getattr(operation, "column_name", None))
            remarks += self._direction.suspicions.get(name, ())
        return (*remarks, *not_restored(operation)) if self._direction.down else remarks

    def _exists(self, operation: Any) -> bool:
        return key_of(operation) not in self._created

    def _apart(self, operation: Any) -> bool:
        """Whether an operation may be done online: its table is there, in use, and no partitioned one."""
        return self._online and self._exists(operation) and key_of(operation) not in self._facts.partitioned

    # -- NOT NULL ------------------------------------------------------------------------------------------

    def _add_not_null(self, operation: ops.AddColumnOp) -> Iterator[Due]:
        if self._direction.down:
            yield self._lost(operation)
            yield Due(operation)
            return
        column = operation.column
        nullable = ops.AddColumnOp(
            operation.table_name, _nullable(column), schema=operation.schema, **operation.kw
        )
        yield Due(nullable)
        yield from self._set_not_null(operation, column)

    def _lost(self, operation: ops.AddColumnOp) -> Due:
        name = dotted(*key_of(operation), operation.column.name)
        because = f"{name} is NOT NULL, and what it held is gone: it can come back into an empty table only."
        return Due(self._guard(operation.table_name, because=because, schema=operation.schema))

    def _add_serial(self, operation: ops.AddColumnOp, specification: str) -> Iterator[Due]:
        """A column with the sequence that numbers the rows: PostgreSQL does it without firing triggers."""
        if self._direction.down:
            yield self._lost(operation)
        yield Due(serial_column(operation, specification, self._facts.dialect))

    def _not_null(self, operation: ops.AlterColumnOp) -> Iterator[Due]:
        name = dotted(*key_of(operation), operation.column_name)
        if self._direction.down:
            because = f"{name} is to be NOT NULL again and holds NULLs: fill or delete those rows first."
            yield self._no_nulls(operation, operation.column_name, because)
            yield Due(operation)
        else:
            yield from self._set_not_null(
                operation, sa.Column(operation.column_name, operation.existing_type)
            )

    def _set_not_null(
        self, operation: ops.AddColumnOp | ops.AlterColumnOp, column: sa.Column[Any]
    ) -> Iterator[Due]:
        name = dotted(*key_of(operation), column.name)
        remark = f"Fill {name} here, in the rows that are there: the next line stops while it holds NULLs."
        if self._apart(operation) and (key_of(operation), column.name) not in self._demanding:
            set_not_null = SetNotNullOp(operation.table_name, column.name, schema=operation.schema)
            yield Due(set_not_null, Part.AFTER, (remark,))
            return
        because = f"{name} is to be NOT NULL and holds NULLs: fill them in this revision, before this line."
        refuse = self._no_nulls(operation, column.name, because)
        yield Due(refuse.operation, remarks=(remark,))
        yield Due(
            ops.AlterColumnOp(
                operation.table_name,
                column.name,
                schema=operation.schema,
                existing_type=column.type,
                modify_nullable=False,
            )
        )

    def _no_nulls(self, operation: Any, column: str, because: str) -> Due:
        quoted = self._facts.dialect.identifier_preparer.quote(column)
        return Due(
            self._guard(
                operation.table_name, because=because, where=f"{quoted} IS NULL", schema=operation.schema
            )
        )

    # -- types ---------------------------------------------------------------------------------------------

    def _change_type(self, operation: ops.AlterColumnOp, remarks: tuple[str, ...]) -> Iterator[Due]:
        old, new = operation.existing_type, operation.modify_type
        if old is None or new is None:
            yield Due(operation, remarks=remarks)
            return
        if reason := self._refused(operation, old, new):
            quoted = self._facts.dialect.identifier_preparer.quote(operation.column_name)
            yield Due(
                self._guard(
                    operation.table_name,
                    because=reason,
                    where=f"{quoted} IS NOT NULL",
                    schema=operation.schema,
                )
            )
        cast = self._facts.cast(old, new)
        if cast not in {Cast.SAME, Cast.NONE}:
            column = self._facts.dialect.identifier_preparer.quote(operation.column_name)
            through = "" if cast is Cast.EXPLICIT else f"::{cast}"
            operation.kw["postgresql_using"] = f"{column}{through}::{self._facts.sql_of(new)}"
        # PostgreSQL casts no default with USING, and what it casts by itself is another expression.
        default = operation.existing_server_default
        has_default = cast is not Cast.SAME and isinstance(default, sa.DefaultClause | str | sa.TextClause)
        if has_default:
            yield Due(_default(operation, None, old))
        yield Due(operation, remarks=remarks)
        if has_default and not self._default_follows(operation):
            yield Due(_default(operation, self._kept_default(operation), new))

    def _refused(self, operation: ops.AlterColumnOp, old: Any, new: Any) -> str | None:
        have, want = _dimensions(old), _dimensions(new)
        if not have or not want or have == want:
            return None
        name = dotted(*key_of(operation), operation.column_name)
        return (
            f"{name} holds vectors of {have} dimensions, which cannot become {want}: "
            f"set them to NULL or delete the rows, and compute them anew afterwards."
        )

    def _default_follows(self, operation: ops.AlterColumnOp) -> bool:
        return any(
            isinstance(other, ops.AlterColumnOp)
            and (key_of(other), other.column_name) == (key_of(operation), operation.column_name)
            and other.modify_server_default is not False
            for other in self._direction.operations
        )

    def _kept_default(self, operation: ops.AlterColumnOp) -> Any:
        """The default that an altered column keeps, as its new type writes it."""
        column = self._direction.columns.get((key_of(operation), operation.column_name))
        if self._direction.down or column is None:
            return operation.existing_server_default
        return column.server_default

    # -- indexes and constraints ---------------------------------------------------------------------------

    def _index(self, operation: ops.CreateIndexOp | ops.DropIndexOp) -> Due:
        # A foreign key needs the unique index that it refers to, in the transaction that makes or drops it.
        index = operation.to_index()
        columns = frozenset(str(getattr(column, "name", "")) for column in index.expressions)
        if not self._apart(operation) or (index.unique and (key_of(operation), columns) in self._referred):
            return Due(operation)
        operation.kw["postgresql_concurrently"] = True
        return Due(operation, Part.BEFORE if isinstance(operation, ops.DropIndexOp) else Part.AFTER)

    def _constraint(self, operation: ops.CreateForeignKeyOp | ops.CreateCheckConstraintOp) -> Iterator[Due]:
        yield Due(operation)
        name = operation.constraint_name
        if not isinstance(name, str):
            return
        if isinstance(operation, ops.CreateForeignKeyOp):
            table, schema = operation.source_table, operation.kw.get("source_schema")
        else:
            table, schema = operation.table_name, operation.schema
        if self._online and (schema, table) not in self._created | self._facts.partitioned:
            operation.kw["postgresql_not_valid"] = True
            yield Due(ValidateConstraintOp(name, str(table), schema=schema), Part.AFTER)


def _default(operation: ops.AlterColumnOp, default: Any, type_: TypeEngine[Any]) -> ops.AlterColumnOp:
    return ops.AlterColumnOp(
        operation.table_name,
        operation.column_name,
        schema=operation.schema,
        existing_type=type_,
        modify_server_default=default,
    )


def _needs_value(column: sa.Column[Any]) -> bool:
    """Whether rows that are there have no value for a new column that must have one."""
    return (
        not column.nullable
        and column.server_default is None
        and column.computed is None
        and not column.identity
    )


def _nullable(column: sa.Column[Any]) -> sa.Column[Any]:
    return sa.Column(column.name, column.type, nullable=True, comment=column.comment)


def new_labels(operation: Any) -> list[str]:
    """The labels that an operation of alembic-postgresql-enum adds to a type; none for others."""
    if getattr(operation, "operation_name", None) != "add_enum_value":
        return []
    return [label for label in operation.new_values if label not in operation.old_values]


def _texts(operation: Any) -> Iterator[str]:
    """The literals in the defaults and conditions of an operation."""
    items = [getattr(operation, "column", None), *getattr(operation, "columns", ())]
    defaults = [item.server_default for item in items if isinstance(item, sa.Column)]
    conditions = [item.sqltext for item in items if isinstance(item, sa.CheckConstraint)]
    options = getattr(operation, "kw", {})
    for said in (
        *defaults,
        *conditions,
        getattr(operation, "modify_server_default", None),
        getattr(operation, "condition", None),
        options.get("postgresql_where"),
    ):
        text = getattr(said, "arg", said)
        yield from _LITERAL.findall(str(text))
        if isinstance(text, str):
            yield text


_IDENTITY = re.compile(r" ADD GENERATED (?:ALWAYS|BY DEFAULT) AS IDENTITY\b")
_LITERAL = re.compile(r"'([^']*)'")


def _dimensions(type_: Any) -> int | None:
    """How many numbers a type of pgvector holds; ``None`` when that is open, or it is another type."""
    dimensions = getattr(type_, "dim", None)
    return dimensions if isinstance(dimensions, int) else None


def _demanded_not_null(operation: MigrateOperation) -> list[str]:
    """The columns that an operation of the same transaction needs to be NOT NULL."""
    if isinstance(operation, ops.CreatePrimaryKeyOp):
        return [str(column) for column in operation.columns]
    if isinstance(operation, ops.AlterColumnOp) and isinstance(operation.modify_server_default, sa.Identity):
        return [operation.column_name]
    if isinstance(operation, StatementsOp) and any(map(_IDENTITY.search, operation.statements)):
        return [operation.column_name]
    return []


def _as_made(operation: MigrateOperation) -> MigrateOperation | None:
    """What made the constraint that an operation drops, if that is known; any other operation itself."""
    if not isinstance(operation, ops.DropConstraintOp):
        return operation
    try:
        return operation.reverse()
    except ValueError:
        return None


def _referent(operation: ops.CreateForeignKeyOp) -> tuple[TableKey, frozenset[str]]:
    table = (operation.kw.get("referent_schema"), str(operation.referent_table))
    return table, frozenset(map(str, operation.remote_cols))
