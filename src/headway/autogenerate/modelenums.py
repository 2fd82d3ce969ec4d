"""The enum types that models use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, Enum
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Table
    from sqlalchemy.types import TypeEngine


@dataclass(frozen=True, slots=True)
class ModelEnum:
    """An enum type of the models; ``tables`` are those that use it."""

    schema: str
    name: str
    labels: tuple[str, ...]
    tables: tuple[Table, ...]


def enums_of(tables: Iterable[Table], default: str) -> Iterator[ModelEnum]:
    """The enum types of ``tables``; ``default`` is the schema of one that names none."""
    found: dict[tuple[str, str], tuple[tuple[str, ...], list[Table]]] = {}
    for table in tables:
        for column in table.columns:
            enum = enum_in(column.type)
            if enum is not None and enum.name is not None:
                key = (enum.schema or default, str(enum.name))
                found.setdefault(key, (tuple(enum.enums), []))[1].append(table)
    for (schema, name), (labels, using) in found.items():
        yield ModelEnum(schema, name, labels, tuple(using))


def enum_in(type_: TypeEngine[Any]) -> Enum | None:
    """The enum that a column's type is, or is an array of; ``None`` when there is none in the database."""
    if isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance
    if isinstance(type_, ARRAY):
        return enum_in(type_.item_type)
    return type_ if isinstance(type_, Enum) and type_.native_enum else None
