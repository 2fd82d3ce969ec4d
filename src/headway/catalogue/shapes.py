"""The objects of a database's catalogue.

Every SQL text is PostgreSQL's own (``format_type``, ``pg_get_expr``, ``pg_get_constraintdef``), printed with
an empty ``search_path``: what is not in ``pg_catalog`` is named with its schema, whatever the session's path.
Two objects of the same database that are spelt alike are alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Name: TypeAlias = tuple[str, str]
"""A schema and a name in it, both as the catalogue has them: not quoted."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The sequence behind ``GENERATED … AS IDENTITY``; names as in ``pg_sequence``."""

    always: bool
    start: int
    increment: int
    minimum: int
    maximum: int
    cache: int
    cycle: bool


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        type: with its modifiers: ``character varying(40)``, ``public.vector(3)``.
        category: ``pg_type.typcategory``: ``S`` for strings, ``A`` for arrays, …
        collation: ``None`` for that of the type.
        default: ``None`` without one, and for generated columns.
        generated: ``s`` stored, ``v`` virtual, empty for neither.
        expression: of a generated column.
        serial: the sequence that the column owns and its default takes values from, as ``SERIAL`` makes it.
    """

    name: str
    type: str
    category: str
    collation: str | None
    nullable: bool
    default: str | None
    generated: str
    expression: str | None
    identity: Identity | None
    serial: Name | None
    comment: str | None


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint of a table.

    Attributes:
        kind: ``pg_constraint.contype``: ``c`` check, ``f`` foreign key, ``p`` primary key, ``u`` unique,
            ``x`` exclusion.
        definition: the whole of it but its name, as ``ALTER TABLE … ADD`` takes it.
        columns: those it names, in its order; for a check in the table's.
        expression: of a check.
        referred: the table that a foreign key refers to.
        operators: of an exclusion, one for each element of its index.
        index: the index that it uses: of its own, or, for a foreign key, that of the key it refers to.
    """

    name: str
    kind: str
    definition: str
    columns: tuple[str, ...]
    expression: str | None
    validated: bool
    deferrable: bool
    deferred: bool
    no_inherit: bool
    referred: Name | None
    referred_columns: tuple[str, ...]
    operators: tuple[str, ...]
    index: str | None


@dataclass(frozen=True, slots=True)
class IndexElement:
    """One key of an index.

    Attributes:
        text: the column's name, quoted where it must be, or the expression.
        column: the column's name; ``None`` for an expression.
        opclass: the operator class; ``None`` for the type's default.
        options: the operator class's parameters (``siglen=32``).
        collation: ``None`` for the column's own.
    """

    text: str
    column: str | None
    opclass: Name | None
    options: tuple[str, ...]
    collation: Name | None
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class Index:
    """An index, a constraint's own included.

    Attributes:
        options: what stands in ``WITH (…)``, as ``name=value``.
        where: the predicate of a partial index.
        valid: false for what a failed ``CREATE INDEX CONCURRENTLY`` leaves.
        constraint: whether a constraint made it.
    """

    name: str
    unique: bool
    method: str
    elements: tuple[IndexElement, ...]
    include: tuple[str, ...]
    options: tuple[str, ...]
    where: str | None
    nulls_not_distinct: bool
    valid: bool
    constraint: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table, partitioned ones included; columns in its order, the rest by name.

    Attributes:
        parent: the partitioned table that it is a partition of.
        extension: the extension that it belongs to.
        unlogged: whether it is lost in a crash.
        partition_by: what a partitioned table says of itself: ``RANGE (at)``.
    """

    schema: str
    name: str
    parent: Name | None
    extension: str | None
    comment: str | None
    unlogged: bool = False
    partition_by: str | None = None
    columns: tuple[Column, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    indexes: tuple[Index, ...] = ()

    def column(self, name: str) -> Column | None:
        """The column of that name; ``None`` when there is none."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True)
class EnumType:
    """An enum type; labels in its order. ``type`` is how columns spell it."""

    schema: str
    name: str
    type: str
    labels: tuple[str, ...]
    extension: str | None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence.

    Attributes:
        owner: the table and the column that it goes with when they are dropped.
        internal: whether it is the one behind an identity column.
    """

    schema: str
    name: str
    type: str
    start: int
    increment: int
    minimum: int
    maximum: int
    cache: int
    cycle: bool
    owner: tuple[Name, str] | None
    internal: bool
    extension: str | None


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension that is installed; ``schema`` is where it keeps its objects."""

    name: str
    schema: str
    version: str


@dataclass(frozen=True, slots=True)
class ExtensionType:
    """A type that an extension brought."""

    schema: str
    name: str
    extension: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What some schemas of one database hold; extensions and their types are those of the whole database."""

    tables: Mapping[Name, Table] = field(default_factory=dict)
    enums: Mapping[Name, EnumType] = field(default_factory=dict)
    sequences: Mapping[Name, Sequence] = field(default_factory=dict)
    extensions: Mapping[str, Extension] = field(default_factory=dict)
    extension_types: tuple[ExtensionType, ...] = ()
