"""Indexes and constraints of the database as SQLAlchemy's objects, with all that PostgreSQL has of them.

From these comes what a downgrade creates again. Alembic's own, made from SQLAlchemy's reflection, lose the
operator classes of expressions, collations, and exclusions whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, literal_column, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.sql.elements import conv

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Table

    from headway import catalogue


class Restorer:
    """Makes the objects of one table.

    Args:
        table: Alembic's, reflected; the objects are attached to it.
        quote: the dialect's, for names in texts.
        path: the schemas whose operator classes and collations need no schema.
    """

    def __init__(self, table: Table, quote: Callable[[str], str], path: frozenset[str]) -> None:
        self._table = table
        self._quote = quote
        self._path = path

    def index(self, found: catalogue.Index) -> Index:
        """An index."""
        options: dict[str, Any] = {
            "postgresql_using": found.method if found.method != "btree" else None,
            "postgresql_include": list(found.include) or None,
            "postgresql_with": dict(option.split("=", 1) for option in found.options) or None,
            "postgresql_where": text(_bindless(found.where)) if found.where else None,
            "postgresql_nulls_not_distinct": found.nulls_not_distinct or None,
            "postgresql_ops": {
                element.column: self._name(element.opclass)
                for element in found.elements
                if element.column and element.opclass and not element.options and _simple(element)
            }
            or None,
        }
        return Index(
            conv(found.name),
            *[self._key(element) for element in found.elements],
            unique=found.unique,
            _table=self._table,
            **{name: value for name, value in options.items() if value is not None},
        )

    def _key(self, element: catalogue.IndexElement) -> Any:
        if element.column is not None and _simple(element) and not element.options:
            return self._table.c[element.column]
        return text(_bindless(self._written(element) + _direction(element)))

    def _written(self, element: catalogue.IndexElement) -> str:
        written = element.text
        if element.collation:
            written += f" COLLATE {self._name(element.collation)}"
        if element.opclass:
            written += f" {self._name(element.opclass)}"
        # With parameters PostgreSQL wants the class named, even the default one; its own text leaves it out.
        return written + (f" ({', '.join(element.options)})" if element.options and element.opclass else "")

    def unique(self, found: catalogue.Constraint, index: catalogue.Index | None) -> UniqueConstraint:
        """A UNIQUE constraint; its index tells the rest."""
        options: dict[str, Any] = {}
        if index is not None and index.include:
            options["postgresql_include"] = list(index.include)
        if index is not None and index.nulls_not_distinct:
            options["postgresql_nulls_not_distinct"] = True
        return UniqueConstraint(
            *[self._table.c[name] for name in found.columns],
            name=conv(found.name),
            **_deferred(found),
            **options,
        )

    def check(self, found: catalogue.Constraint) -> CheckConstraint:
        """A CHECK constraint."""
        options: dict[str, Any] = {} if found.validated else {"postgresql_not_valid": True}
        return CheckConstraint(
            text(_bindless(found.expression or "")), name=conv(found.name), table=self._table, **options
        )

    def exclude(self, found: catalogue.Constraint, index: catalogue.Index) -> ExcludeConstraint:
        """An EXCLUDE constraint; its elements are those of its index, and the operators are in its text."""
        elements: list[Any] = [
            (literal_column(self._written(element)), operator)
            for element, operator in zip(index.elements, found.operators, strict=True)
        ]
        constraint: Any = ExcludeConstraint(
            *elements,
            name=conv(found.name),
            using=index.method,
            where=text(_bindless(index.where)) if index.where else None,
            **_deferred(found),
        )
        self._table.append_constraint(constraint)
        return constraint  # type: ignore[no-any-return]  # SQLAlchemy's constructor is not annotated

    def _name(self, name: catalogue.Name) -> str:
        schema, own = name
        return self._quote(own) if schema in self._path else f"{self._quote(schema)}.{self._quote(own)}"


def _simple(element: catalogue.IndexElement) -> bool:
    return not (element.descending or element.nulls_first or element.collation)


def _direction(element: catalogue.IndexElement) -> str:
    if element.descending:
        return " DESC" if element.nulls_first else " DESC NULLS LAST"
    return " NULLS FIRST" if element.nulls_first else ""


def _bindless(sql: str) -> str:
    return sql.replace(":", r"\:")


def _deferred(found: catalogue.Constraint) -> dict[str, Any]:
    if not found.deferrable:
        return {}
    return {"deferrable": True, "initially": "DEFERRED" if found.deferred else None}
