"""What operations destroy, read from the operations themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alembic.operations import ops
from sqlalchemy.types import to_instance

from headway.autogenerate.exactness import change_of_values, sql_of
from headway.autogenerate.operations import AnnotatedOp, DropSchemaOp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Destruction:
    """Data or a structure that an operation takes away.

    ``kind`` is ``table``, ``column``, ``schema``, ``type`` (values of a column may become others) or
    ``enum values``; ``what`` is the name, and ``detail`` what else must be known, "" when nothing.
    """

    kind: str
    what: str
    detail: str = ""

    def __str__(self) -> str:
        if self.kind == "type":
            return f"changes {self.what} {self.detail}"
        if self.kind == "enum values":
            return f"removes {self.detail} from enum {self.what}"
        return f"drops {self.kind} {self.what}"


def destructions(operations: Iterable[ops.MigrateOperation]) -> tuple[Destruction, ...]:
    """What operations destroy, in their order; empty when they destroy nothing.

    Tables, columns and schemas that are dropped, values of enums that are removed, and changes of type,
    unless each value is known to stay what it is. A change that PostgreSQL refuses when a value does not fit
    destroys nothing; nor does the loss of an index or a constraint, which can be built again.
    """
    return tuple(found for operation in operations for found in _of(operation))


def not_restored(operation: ops.MigrateOperation) -> Iterator[str]:
    """What an operation of a downgrade leaves lost: the structure that it brings back, but not what it held.

    Nothing is said of columns that PostgreSQL calculates, nor of operations that bring back nothing.
    """
    match operation:
        case ops.CreateTableOp():
            yield f"{dotted(operation.schema, operation.table_name)}: its rows do not come back"
        case ops.AddColumnOp() if operation.column.computed is None:
            column = dotted(operation.schema, operation.table_name, operation.column.name)
            yield f"{column}: its values do not come back"
        case ops.AlterColumnOp(existing_type=now, modify_type=before) if (
            now is not None and before is not None
        ):
            if change_of_values(before, now) is not None:
                column = dotted(operation.schema, operation.table_name, operation.column_name)
                yield f"{column}: what the upgrade changed of its values does not come back"


def _of(operation: ops.MigrateOperation) -> Iterator[Destruction]:
    match operation:
        case AnnotatedOp():
            yield from _of(operation.operation)
        case ops.OpContainer():
            yield from destructions(operation.ops)
        case ops.DropTableOp():
            yield Destruction("table", dotted(operation.schema, operation.table_name))
        case ops.DropColumnOp():
            yield Destruction("column", dotted(operation.schema, operation.table_name, operation.column_name))
        case DropSchemaOp():
            yield Destruction("schema", operation.name)
        case ops.AlterColumnOp():
            yield from _of_type(operation)
        case _:
            yield from _of_enum(operation)


def _of_type(operation: ops.AlterColumnOp) -> Iterator[Destruction]:
    if operation.existing_type is None or operation.modify_type is None:
        return
    # A revision may name a class: sa.Text.
    old, new = to_instance(operation.existing_type), to_instance(operation.modify_type)
    if (change := change_of_values(old, new)) is None:
        return
    column = dotted(operation.schema, operation.table_name, operation.column_name)
    yield Destruction("type", column, f"from {sql_of(old)} to {sql_of(new)}, {change}")


def _of_enum(operation: Any) -> Iterator[Destruction]:
    # alembic-postgresql-enum's operation is known by its name: the package need not be installed.
    if getattr(operation, "operation_name", None) == "change_enum_variants":
        gone = [value for value in operation.old_values if value not in operation.new_values]
        if gone:
            yield Destruction("enum values", operation.name, ", ".join(map(repr, gone)))


def dotted(*names: str | None) -> str:
    """A name with those it belongs to, as people write it."""
    return ".".join(str(name) for name in names if name)
