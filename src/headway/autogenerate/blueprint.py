"""A model's table as the statements that make it again, as a temporary table under another name.

SQLAlchemy compiles them for the connection's dialect as it compiles ``CREATE TABLE``: what the user's types,
defaults and expressions come to is what the migration would say. Only the names differ, and what a temporary
table cannot have is left out: foreign keys (PostgreSQL manual, CREATE TABLE: they cannot lead out of the
temporary tables), comments, partitioning, storage.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakKeyDictionary

from sqlalchemy import ForeignKeyConstraint, Index, TextClause
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import Constraint, CreateIndex
from sqlalchemy.sql import functions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from sqlalchemy import Column, Dialect, Identity, Table

Part: TypeAlias = Constraint | Index
"""What is made after the columns, with a name of its own."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Statements that stand or fall together; when they fall, the ``pieces`` are tried one by one.

    ``what`` names it to the user.
    """

    what: str
    statements: tuple[str, ...]
    pieces: tuple[Unit, ...] = ()


@dataclass(frozen=True, slots=True)
class Blueprint:
    """One table: the name it gets, and its parts' names."""

    name: str
    unit: Unit
    parts: dict[Part, str] = field(default_factory=dict)


class Draughtsman:
    """Draws blueprints for one dialect; every table gets a name of its own, so schemas do not matter.

    Args:
        dialect: the connection's.
        stand_ins: schema and name of the types for which those of the same name in ``pg_temp`` stand.
    """

    def __init__(self, dialect: Dialect, stand_ins: Collection[tuple[str, str]] = ()) -> None:
        self._names: dict[Any, str] = {}
        self._kinds: dict[Any, str | None] = {}
        twin: Any = copy.copy(dialect)
        # No driver sees these statements as one with parameters: nothing is to be escaped for it, nor taken
        # from what has been.
        twin.paramstyle = "named"
        twin._type_memos = WeakKeyDictionary()  # noqa: SLF001  # a canary watches both of these names
        # There is no CONCURRENTLY inside a transaction.
        twin._supports_create_index_concurrently = False  # noqa: SLF001
        twin.statement_compiler = _without_tables(twin.statement_compiler)
        twin.identifier_preparer = _renaming(type(twin.identifier_preparer), self._names, stand_ins)(twin)
        self._ddl: Any = twin.ddl_compiler(twin, None)
        self._quote = twin.identifier_preparer.quote

    def draw(self, table: Table, name: str) -> Blueprint:
        """The blueprint of ``table`` as ``name``, a lower-case identifier."""
        parts = {part: f"{name}_{number}" for number, part in enumerate(self.parts(table))}
        self._names[table] = name
        self._names.update(parts)
        columns = dict(self._columns(table))
        pieces = [
            Unit(f"column {column}", (f"ALTER TABLE {name} ADD COLUMN {spec}",))
            for column, spec in columns.items()
        ]
        made = [*self._compiled(name, parts)]
        whole = (
            f"CREATE TEMPORARY TABLE {name} ({', '.join(columns.values())})",
            *(statement for unit in made for statement in unit.statements),
        )
        bare = Unit("the table", (f"CREATE TEMPORARY TABLE {name} ()",))
        return Blueprint(name, Unit(table.fullname, whole, (bare, *pieces, *made)), parts)

    def parts(self, table: Table) -> Iterator[Part]:
        """The indexes and constraints that the model's DDL makes, foreign keys aside."""
        inside = [constraint for column in table.columns for constraint in column.constraints]
        # A table without a primary key has an empty one.
        empty = () if table.primary_key.columns else (table.primary_key,)
        for constraint in [*table.constraints, *inside]:
            if isinstance(constraint, ForeignKeyConstraint) or constraint in empty:
                continue
            # SQLAlchemy's own question before it creates one (a type's rule, `ddl_if`); under a canary.
            if constraint._should_create_for_compiler(self._ddl):  # noqa: SLF001
                yield constraint
        yield from table.indexes

    def kind(self, column: Column[Any]) -> str | None:
        """What follows a column's name in CREATE TABLE; ``None`` when SQLAlchemy cannot write it."""
        key = _state(column)
        if key is None or key not in self._kinds:
            written = self.specification(column)
            if written is not None:
                written = written.removeprefix(self._quote(column.name)).strip()
            if key is None:
                return written
            self._kinds[key] = written
        return self._kinds[key]

    def type_of(self, column: Column[Any]) -> str:
        """A column's type as CREATE TABLE has it, its collation included."""
        compiler = self._ddl.dialect.type_compiler_instance
        return str(compiler.process(column.type, type_expression=column))

    def written(self, part: Part, table: Table, name: str, table_name: str) -> str:
        """What makes an index, or follows ADD for a constraint, under these names.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: SQLAlchemy cannot write it.
        """
        self._names[table], self._names[part] = table_name, name
        return self._index(part) if isinstance(part, Index) else str(self._ddl.process(part)).strip()

    def _columns(self, table: Table) -> Iterator[tuple[str, str]]:
        # Generated columns last: they name others.
        for column in sorted(table.columns, key=lambda column: column.computed is not None):
            if not column.system and (spec := self.specification(column)):
                yield column.name, spec

    def specification(self, column: Column[Any]) -> str | None:
        """A column as CREATE TABLE has it, its name first; ``None`` when SQLAlchemy cannot write it."""
        try:
            return str(self._ddl.get_column_specification(column))
        except SQLAlchemyError:
            return None  # a type that cannot be compiled: Alembic will say so, in its own words

    def _compiled(self, table: str, parts: dict[Part, str]) -> Iterable[Unit]:
        for part, name in parts.items():
            try:
                statement = (
                    self._index(part) if isinstance(part, Index) else self._constraint(part, table, name)
                )
            except SQLAlchemyError:
                continue
            if statement:
                yield Unit(f"{part.__visit_name__.replace('_', ' ')} {part.name or ''}".strip(), (statement,))

    def _index(self, index: Index) -> str:
        return str(self._ddl.process(CreateIndex(index)))

    def _constraint(self, constraint: Constraint, table: str, name: str) -> str:
        text = str(self._ddl.process(constraint)).strip()
        if not text:
            return ""  # a UNIQUE over no column
        named = text if text.startswith("CONSTRAINT ") else f"CONSTRAINT {name} {text}"
        return f"ALTER TABLE {table} ADD {named}"


def _state(column: Column[Any]) -> Any:
    """All that an ordinary column's SQL depends on, its name aside; ``None`` for others.

    SQLAlchemy writes a type from what the type's object holds, and the same again from the same.
    """
    if column.computed is not None:
        return None
    default = column.server_default
    serial = column.primary_key and column.table.autoincrement_column is column and column.default is None
    written: Any = None
    if column.identity is not None:
        written = _options(column.identity)
    elif default is not None:
        written = _written(getattr(default, "arg", None))
    if written is None and default is not None:
        return None
    type_ = column.type
    try:
        state: object = frozenset(vars(type_).items())
    except TypeError:
        state = id(type_)  # of an enum, which its columns share, and which lives as long as they
    return (type(type_), column.nullable, serial, written, state)


def _options(identity: Identity) -> tuple[object, ...]:
    """All that PostgreSQL has a word for."""
    return (
        *(identity.always, identity.start, identity.increment, identity.minvalue, identity.maxvalue),
        *(identity.nominvalue, identity.nomaxvalue, identity.cycle, identity.cache),
    )


def _written(default: Any) -> Any:
    """What a default's SQL depends on; ``None`` for what is neither text nor a call without arguments."""
    if type(default) is TextClause and not default._bindparams:  # noqa: SLF001  # a canary watches it
        return (default.text,)
    if (
        type(default).__module__ == functions.__name__  # another's may hold more
        and isinstance(default, functions.FunctionElement)
        and not isinstance(default, functions.next_value)  # a sequence's, and without clauses
        and not default.clauses.clauses
    ):
        return (type(default), default.name, getattr(default, "packagenames", ()))
    return default if type(default) is str else None


def _without_tables(compiler: Any) -> Any:
    """The compiler, never writing a column with its table: the table has another name here."""

    class WithoutTables(compiler):  # type: ignore[misc]  # the class is the dialect's to choose
        def visit_column(self, column: Any, *args: Any, **kw: Any) -> str:
            return str(super().visit_column(column, *args, **kw | {"include_table": False}))

    return WithoutTables


def _renaming(preparer: Any, names: dict[Any, str], stand_ins: Collection[tuple[str, str]]) -> Any:
    """The preparer, giving every table, index, constraint and type the name that it has here."""

    class Renaming(preparer):  # type: ignore[misc]  # as above
        def format_table(self, table: Any, *_: Any, **__: Any) -> str:
            return names[table]

        def format_type(self, type_: Any, *args: Any, **kw: Any) -> str:
            if (type_.schema or self.dialect.default_schema_name, type_.name) in stand_ins:
                return f"pg_temp.{self.quote(type_.name)}"
            return str(super().format_type(type_, *args, **kw))

        def format_constraint(self, constraint: Any, *_: Any, **__: Any) -> str:
            return names[constraint]

    return Renaming
