"""Sets of models as plain data: drawn at random, changed at random, and made into ``MetaData``.

Everything is a frozen dataclass whose ``repr`` is the Python that makes it, so that what a test fails on can
be kept as a case of its own. Types and defaults are Python source, as a model's author writes them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import pgvector.sqlalchemy as pv
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

SCHEMAS = (None, "other", "Mixed Case")
"""Where tables may be; all but the first must exist before a migration runs."""

_NAMES = {"sa": sa, "pg": pg, "pv": pv}


class _Terse:
    """Its repr leaves out what is as usual."""

    def __repr__(self) -> str:
        said = ", ".join(
            f"{item.name}={getattr(self, item.name)!r}"
            for item in fields(self)  # type: ignore[arg-type]  # dataclasses only
            if getattr(self, item.name) != item.default
        )
        return f"{type(self).__name__}({said})"


@dataclass(frozen=True, repr=False)
class Enumeration(_Terse):
    """An enum type."""

    name: str
    values: tuple[str, ...]
    schema: str | None = None


@dataclass(frozen=True, repr=False)
class Col(_Terse):
    """A column; ``type`` is source, or the name of an enumeration after ``enum:`` or ``enum[]:``."""

    name: str
    type: str
    null: bool = True
    default: str | None = None
    computed: str | None = None
    stored: bool = True
    identity: str | None = None
    comment: str | None = None


@dataclass(frozen=True, repr=False)
class Unique(_Terse):
    """A unique constraint."""

    name: str | None
    columns: tuple[str, ...]
    options: str = ""


@dataclass(frozen=True, repr=False)
class Check(_Terse):
    """A check constraint."""

    name: str | None
    text: str
    columns: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Exclude(_Terse):
    """An exclusion constraint of one column; ``options`` is source of keyword arguments."""

    name: str
    column: str
    operator: str
    options: str = ""


@dataclass(frozen=True, repr=False)
class Foreign(_Terse):
    """A foreign key onto another table's primary key; ``target`` is schema and name."""

    name: str | None
    columns: tuple[str, ...]
    target: tuple[str | None, str]
    options: str = ""


@dataclass(frozen=True, repr=False)
class Ind(_Terse):
    """An index; ``elements`` is source of what it is over, ``columns`` what that needs."""

    name: str
    elements: str
    columns: tuple[str, ...]
    options: str = ""


@dataclass(frozen=True, repr=False)
class Tab(_Terse):
    """A table."""

    name: str
    columns: tuple[Col, ...]
    schema: str | None = None
    key: tuple[str, ...] = ()
    key_name: str | None = None
    uniques: tuple[Unique, ...] = ()
    checks: tuple[Check, ...] = ()
    excludes: tuple[Exclude, ...] = ()
    foreigns: tuple[Foreign, ...] = ()
    indexes: tuple[Ind, ...] = ()
    comment: str | None = None

    def column(self, name: str) -> Col | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, repr=False)
class Models(_Terse):
    """A set of models.

    ``naming`` says who names constraints: ``given`` here, by a ``convention`` of the metadata, or ``nobody``.
    """

    tables: tuple[Tab, ...] = ()
    enums: tuple[Enumeration, ...] = ()
    naming: str = "given"

    def metadata(self) -> sa.MetaData:
        """The same as SQLAlchemy has it."""
        metadata = sa.MetaData(naming_convention=_CONVENTION if self.naming == "convention" else None)
        types = {
            item.name: sa.Enum(*item.values, name=item.name, schema=item.schema, metadata=metadata)
            for item in self.enums
        }
        for table in self.tables:
            _add(_named(table, self.naming), metadata, types)
        for table in self.tables:
            _relate(_named(table, self.naming), metadata)
        return metadata


_CONVENTION = {
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def _named(table: Tab, naming: str) -> Tab:
    if naming == "given":
        return table
    return replace(
        table,
        key_name=None,
        uniques=tuple(replace(item, name=None) for item in table.uniques),
        foreigns=tuple(replace(item, name=None) for item in table.foreigns),
        checks=table.checks
        if naming == "convention"
        else tuple(replace(item, name=None) for item in table.checks),
    )


def consistent(models: Models) -> Models:
    """The same without what refers to something that is not there, or not of the right kind."""
    enums = {item.name: item for item in models.enums}
    tables = tuple(
        replace(
            table,
            columns=tuple(
                _with_possible_default(column, enums)
                for column in table.columns
                if _enum_of(column) in {None, *enums}
            ),
        )
        for table in models.tables
    )
    tables = tuple(_with_columns(table) for table in tables)
    there = {(table.schema, table.name): table for table in tables}
    tables = tuple(
        replace(table, foreigns=tuple(key for key in table.foreigns if _refers(table, key, there)))
        for table in tables
    )
    used = {_enum_of(column) for table in tables for column in table.columns}
    return Models(tables, tuple(item for item in models.enums if item.name in used), models.naming)


def _with_possible_default(column: Col, enums: dict[str, Enumeration]) -> Col:
    enum = enums.get(_enum_of(column) or "")
    if enum is None or column.default is None or column.type.startswith("enum[]"):
        return column
    return column if _made(column.default) in enum.values else replace(column, default=None)


def _with_columns(table: Tab) -> Tab:
    names = {column.name for column in table.columns}
    plain = {column.name for column in table.columns if column.computed is None}
    key = table.key if plain >= {*table.key} else ()
    return replace(
        table,
        key=key,
        key_name=table.key_name if key else None,
        columns=tuple(
            replace(column, null=False) if column.name in key else column for column in table.columns
        ),
        # PostgreSQL makes no second index for what it indexes already, if one statement asks for both.
        uniques=tuple(
            {i.columns: i for i in table.uniques if names >= {*i.columns} and i.columns != key}.values()
        ),
        checks=tuple(item for item in table.checks if names >= {*item.columns}),
        excludes=tuple(
            {(item.column, item.operator): item for item in table.excludes if item.column in names}.values()
        ),
        foreigns=tuple(item for item in table.foreigns if plain >= {*item.columns}),
        indexes=tuple(item for item in table.indexes if names >= {*item.columns}),
    )


def _refers(table: Tab, key: Foreign, there: dict[tuple[str | None, str], Tab]) -> bool:
    target = there.get(key.target)
    if target is None or not target.key or len(target.key) != len(key.columns):
        return False
    return [_type_in(table, name) for name in key.columns] == [_type_in(target, name) for name in target.key]


def _type_in(table: Tab, name: str) -> str | None:
    column = table.column(name)
    return column.type if column else None


def _enum_of(column: Col) -> str | None:
    kind, _, name = column.type.partition(":")
    return name if kind in {"enum", "enum[]"} else None


def _made(source: str, **more: Any) -> Any:
    return eval(source, {**_NAMES, **more})  # noqa: S307  # the sources are this test's own


def _options(source: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = _made(f"dict({source})", **more)
    return made


def _type(column: Col, types: dict[str, sa.Enum]) -> Any:
    enum = _enum_of(column)
    if enum is None:
        return _made(column.type)
    return pg.ARRAY(types[enum]) if column.type.startswith("enum[]:") else types[enum]


def _column(column: Col, types: dict[str, sa.Enum]) -> sa.Column[Any]:
    extra: list[Any] = []
    if column.computed is not None:
        extra.append(sa.Computed(column.computed, persisted=column.stored))
    if column.identity is not None:
        extra.append(sa.Identity(**_options(column.identity)))
    return sa.Column(
        column.name,
        _type(column, types),
        *extra,
        nullable=column.null,
        server_default=None if column.default is None else _made(column.default),
        comment=column.comment,
    )


def _add(table: Tab, metadata: sa.MetaData, types: dict[str, sa.Enum]) -> None:
    made = sa.Table(
        table.name,
        metadata,
        *(_column(column, types) for column in table.columns),
        schema=table.schema,
        comment=table.comment,
    )
    if table.key:
        made.append_constraint(sa.PrimaryKeyConstraint(*table.key, name=table.key_name))
    for unique in table.uniques:
        made.append_constraint(
            sa.UniqueConstraint(*unique.columns, name=unique.name, **_options(unique.options))
        )
    for check in table.checks:
        made.append_constraint(sa.CheckConstraint(check.text, name=check.name))
    for exclude in table.excludes:
        options = _options(exclude.options)
        element = (made.c[exclude.column], exclude.operator)
        made.append_constraint(pg.ExcludeConstraint(element, name=exclude.name, **options))
    for index in table.indexes:
        elements = _made(f"[{index.elements}]", c=made.c)
        sa.Index(index.name, *elements, **_options(index.options, c=made.c))


def _relate(table: Tab, metadata: sa.MetaData) -> None:
    made = metadata.tables[_key(table.schema, table.name)]
    for foreign in table.foreigns:
        target = metadata.tables[_key(*foreign.target)]
        made.append_constraint(
            sa.ForeignKeyConstraint(
                foreign.columns, [*target.primary_key], name=foreign.name, **_options(foreign.options)
            )
        )


def _key(schema: str | None, name: str) -> str:
    return f"{schema}.{name}" if schema else name


CURRENT: sa.MetaData | None = None
"""What env.py hands over, in a project of a test that sets it."""
