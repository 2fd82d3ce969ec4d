"""Whether two definitions of PostgreSQL's own come to the same once it has read them again.

What it prints is not always what it prints of what it printed: of ``x IN ('a', 'b')`` over a varchar it makes
``ANY ((ARRAY['a'::character varying, …])::text[])``, and of that, when a downgrade has created it again,
``ANY (ARRAY[('a'::character varying)::text, …])``. And a column's change of type changes the casts in what is
upon it, which PostgreSQL does by itself. So both are given to the columns that the models ask for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.autogenerate.blueprint import Unit
from headway.autogenerate.scratch import build, rolled_back
from headway.catalogue import SCRATCH, Index, read_catalogue

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from headway import catalogue

_TABLE = "headway_scratch_again"
_NAMES = ("headway_scratch_one", "headway_scratch_other")


def same_when_read_again(
    connection: Connection,
    table: catalogue.Table,
    one: catalogue.Index | catalogue.Constraint,
    other: catalogue.Index | catalogue.Constraint,
) -> bool:
    """Whether two parts are the same upon the columns of ``table``, whatever they are called.

    False when PostgreSQL takes one of them no longer.
    """
    quote = connection.dialect.identifier_preparer.quote
    statements = [
        _index(part, name, quote)
        if isinstance(part, Index)
        else f"ALTER TABLE {_TABLE} ADD CONSTRAINT {name} {part.definition}"
        for part, name in zip((one, other), _NAMES, strict=True)
    ]
    found = _built(connection, table, tuple(statements))
    if found is None:
        return False
    if isinstance(one, Index):
        indexes = {index.name: index for index in found.indexes}
        first, second = (indexes[name] for name in _NAMES)
        return (first.elements, first.where) == (second.elements, second.where)
    constraints = {constraint.name: constraint for constraint in found.constraints}
    return constraints[_NAMES[0]].definition == constraints[_NAMES[1]].definition


def same_expression_when_read_again(
    connection: Connection, table: catalogue.Table, one: catalogue.Column, other: catalogue.Column
) -> bool:
    """Whether the expressions of two generated columns are the same upon the columns of ``table``."""
    statements = tuple(
        f"ALTER TABLE {_TABLE} ADD COLUMN {name} {other.type} "
        f"GENERATED ALWAYS AS ({column.expression}) STORED"
        for column, name in zip((one, other), _NAMES, strict=True)
    )
    found = _built(connection, table, statements)
    if found is None:
        return False
    first, second = (found.column(name) for name in _NAMES)
    return first is not None and second is not None and first.expression == second.expression


def _built(
    connection: Connection, table: catalogue.Table, statements: tuple[str, ...]
) -> catalogue.Table | None:
    quote = connection.dialect.identifier_preparer.quote
    columns = ", ".join(_column(column, quote) for column in table.columns)
    with rolled_back(connection):
        unit = Unit("a definition", (f"CREATE TEMPORARY TABLE {_TABLE} ({columns})", *statements))
        refused = build(connection, [unit], of=None)
        read = read_catalogue(connection, [SCRATCH], tables_only=True) if not refused else None
    tables = read.tables.values() if read else ()
    return next((found for found in tables if found.name == _TABLE), None)


def _column(column: catalogue.Column, quote: Callable[[str], str]) -> str:
    collation = f" COLLATE {column.collation}" if column.collation else ""
    return f"{quote(column.name)} {column.type}{collation}"


def _index(index: catalogue.Index, name: str, quote: Callable[[str], str]) -> str:
    keys = ", ".join(_element(element, quote) for element in index.elements)
    where = f" WHERE {index.where}" if index.where else ""
    return f"CREATE INDEX {name} ON {_TABLE} USING {index.method} ({keys}){where}"


def _element(element: catalogue.IndexElement, quote: Callable[[str], str]) -> str:
    words = [element.text]
    for before, named in (("COLLATE ", element.collation), ("", element.opclass)):
        if named is not None:
            words.append(before + ".".join(map(quote, named)))
    return " ".join(words) + (" DESC" if element.descending else "")
