"""What operations destroy, read from the operations themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alembic.operations import ops
from sqlalchemy.dialects import postgresql

from headway.autogenerate.operations import AnnotatedOp, DropSchemaOp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.types import TypeEngine

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are not annotated

# Types whose every value another of the same row holds without a change; from left to right only.
_WIDENING = (
    ("smallint", "integer", "bigint", "numeric"),
    ("smallint", "integer", "double precision"),
    ("smallint", "real", "double precision"),
    ("char", "varchar", "text", "citext"),
    ("halfvec", "vector"),
    ("json", "text"),
    ("date", "timestamp"),
    ("uuid", "text"),
)
_SYNONYMS = {
    "float": "double precision",
    "decimal": "numeric",
    "bool": "boolean",
    "timestamp without time zone": "timestamp",
    "time without time zone": "time",
    "character varying": "varchar",
    "character": "char",
}
# What PostgreSQL rounds or cuts without a word when the column's type changes. Elsewhere it refuses the value
# that does not fit (manual 8.1 to 8.5; the casts of pgvector).
_ROUNDED = {
    "numeric": {"smallint", "integer", "bigint", "real", "double precision"},
    "double precision": {"smallint", "integer", "bigint", "real", "numeric"},
    "real": {"smallint", "integer", "bigint", "numeric"},
    "bigint": {"real", "double precision", "boolean"},
    "integer": {"real", "boolean"},
    "timestamp": {"date", "time"},
    "timestamp with time zone": {"date", "time", "time with time zone", "timestamp"},
    "time with time zone": {"time"},
    "interval": {"time"},
    "vector": {"halfvec"},
    "jsonb": set(),
    "json": {"jsonb"},
}
_NUMBERS = re.compile(r"\s*\(([\d, ]+)\)")


@dataclass(frozen=True, slots=True)
class Destruction:
    """Data or a structure that an operation takes away.

    ``kind`` is ``table``, ``column``, ``schema``, ``type`` (values of a column are rounded or cut) or
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

    Tables, columns and schemas that are dropped, values of enums that are removed, and changes of type that
    round or cut values without a word. A change that PostgreSQL refuses when a value does not fit destroys
    nothing; nor does the loss of an index or a constraint, which can be built again.
    """
    return tuple(found for operation in operations for found in _of(operation))


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
    old, new = operation.existing_type, operation.modify_type
    if old is None or new is None or not loses_precision(old, new):
        return
    column = dotted(operation.schema, operation.table_name, operation.column_name)
    yield Destruction("type", column, f"from {_sql(old)} to {_sql(new)}, which rounds or cuts its values")


def _of_enum(operation: Any) -> Iterator[Destruction]:
    # alembic-postgresql-enum's operation is known by its name: the package need not be installed.
    if getattr(operation, "operation_name", None) == "change_enum_variants":
        gone = [value for value in operation.old_values if value not in operation.new_values]
        if gone:
            yield Destruction("enum values", operation.name, ", ".join(map(repr, gone)))


def dotted(*names: str | None) -> str:
    """A name with those it belongs to, as people write it."""
    return ".".join(str(name) for name in names if name)


def loses_precision(old: TypeEngine[Any], new: TypeEngine[Any]) -> bool:
    """Whether PostgreSQL rounds or cuts values without a word when a column changes its type."""
    (name, numbers), (new_name, new_numbers) = _parts(old), _parts(new)
    if name != new_name:
        widens = any(
            name in row and new_name in row and row.index(name) < row.index(new_name) for row in _WIDENING
        )
        return not widens and new_name in _ROUNDED.get(name, ())
    if name == "numeric":
        return len(new_numbers) > 0 and (numbers == () or _scale(new_numbers) < _scale(numbers))
    if name.startswith(("time", "interval")):
        return new_numbers < numbers if numbers and new_numbers else bool(new_numbers)
    return False


def _scale(numbers: tuple[int, ...]) -> int:
    return numbers[1] if len(numbers) > 1 else 0


def _parts(type_: TypeEngine[Any]) -> tuple[str, tuple[int, ...]]:
    text = _sql(type_).lower()
    found = _NUMBERS.search(text)
    numbers = tuple(int(number) for number in found[1].split(",")) if found else ()
    name = _NUMBERS.sub("", text)
    return _SYNONYMS.get(name, name), numbers


def _sql(type_: TypeEngine[Any]) -> str:
    return type_.compile(dialect=_DIALECT)
