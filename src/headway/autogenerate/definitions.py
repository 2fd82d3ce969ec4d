"""What makes two indexes or constraints the same, apart from their names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from headway.catalogue import Index

if TYPE_CHECKING:
    from headway.catalogue import Constraint, Table

_WORD = re.compile(r'"((?:[^"]|"")+)"|([^\W\d][\w$]*)')


@dataclass(frozen=True, slots=True)
class Definition:
    """What an index or a constraint says.

    Attributes:
        text: all of it, for people.
        columns: the columns that it may depend on; what only looks like one is no harm.
    """

    parts: tuple[object, ...]
    text: str = field(compare=False)
    columns: frozenset[str] = field(compare=False)

    def __str__(self) -> str:
        return self.text


def definition_of(found: Index | Constraint, table: Table) -> Definition:
    """The definition of one of a table's indexes or constraints."""
    if isinstance(found, Index):
        return _of_index(found, table)
    if found.kind == "c":
        # Whether it has been validated is no matter of the models.
        parts: tuple[object, ...] = (found.expression, found.no_inherit)
        text = f"CHECK ({found.expression})" + (" NO INHERIT" if found.no_inherit else "")
    else:
        parts, text = (found.definition,), found.definition
    return Definition(parts, text, columns_in(table, found.columns, text))


def unspelled(found: Index | Constraint) -> tuple[object, ...]:
    """What tells a definition apart from others however its expressions are written."""
    if not isinstance(found, Index):
        return (found.kind, found.no_inherit, found.deferrable, found.deferred)
    elements = [
        replace(element, text="", collation=element.collation if element.column else None)
        for element in found.elements
    ]
    return (
        *(found.unique, found.method, tuple(elements), frozenset(found.include)),
        *(frozenset(found.options), found.where is None, found.nulls_not_distinct, found.valid),
    )


def _of_index(index: Index, table: Table) -> Definition:
    parts = (
        index.unique,
        index.method,
        index.elements,
        frozenset(index.include),
        frozenset(index.options),
        index.where,
        index.nulls_not_distinct,
        index.valid,
    )
    keys = ", ".join(_shown(element) for element in index.elements)
    text = f"{'UNIQUE ' if index.unique else ''}{index.method} ({keys})"
    for word, value in (
        ("INCLUDE", ", ".join(index.include)),
        ("WITH", ", ".join(index.options)),
        ("WHERE", index.where or ""),
    ):
        text += f" {word} ({value})" if value else ""
    text += " NULLS NOT DISTINCT" if index.nulls_not_distinct else ""
    text += "" if index.valid else " INVALID"
    named = tuple(element.column for element in index.elements if element.column)
    return Definition(parts, text, columns_in(table, (*named, *index.include), text))


def _shown(element: object) -> str:
    text: str = element.text  # type: ignore[attr-defined]  # an IndexElement
    return text


def columns_in(table: Table, named: tuple[str, ...], text: str) -> frozenset[str]:
    """The columns of a table that a text may depend on, and those that are ``named`` anyway."""
    words = {(quoted or bare).replace('""', '"') for quoted, bare in _WORD.findall(text)}
    return frozenset(named) | {column.name for column in table.columns if column.name in words}
