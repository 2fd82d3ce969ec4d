"""A database's tables in outline: what tells two tables apart, read cheaply and compared as it is.

:mod:`headway.catalogue.reading` says all about a table, in words that a migration can be written with. To see
that nothing differs takes much less: rows as the catalogue has them, and PostgreSQL prints but what has no
other form (types, defaults, conditions). Two outlines that are equal are of tables that the whole reading
tells nothing apart of, names of foreign keys and primary keys aside, which no comparison looks at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from sqlalchemy import text

from headway.catalogue import outline_queries as queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection

    from headway.catalogue.shapes import Name

_PERIODS = (18,)
"""The release that has foreign keys over periods of time."""
_LISTS = (15,)
"""The release that has ``ON DELETE SET NULL (columns)`` and ``NULLS NOT DISTINCT``."""


class ColumnOutline(NamedTuple):
    """A column.

    Attributes:
        type: as PostgreSQL prints it.
        collation: oid of the collation; ``None`` for the type's own.
        source: where its values come from: ``generated``, ``identity``, ``serial`` or ``default``, with all
            that belongs to it.
    """

    type: str
    collation: int | None
    source: tuple[object, ...]


class Key(NamedTuple):
    """A primary key or a unique constraint; not ``usual`` when it says more than is here."""

    columns: tuple[str, ...]
    include: frozenset[str] = frozenset()
    nulls_not_distinct: bool = False
    deferrable: bool = False
    deferred: bool = False
    usual: bool = True


class Reference(NamedTuple):
    """A foreign key, apart from its name.

    ``actions`` are ``confupdtype``, ``confdeltype`` and ``confmatchtype`` in one word. It is not ``usual``
    when it says more than is here, or refers to a table that was not read.
    """

    columns: tuple[str, ...]
    table: Name
    referred: tuple[str, ...]
    actions: str
    deferrable: bool
    deferred: bool
    usual: bool = True


class IndexOutline(NamedTuple):
    """An index that no constraint made.

    Attributes:
        keys: names of columns; ``None`` for an expression.
        classes: operator classes; ``None`` for the type's default.
        sorting: ``pg_index.indoption``.
        collations: oids; ``None`` for the column's own.
        printed: expressions and condition.
        more: that it is invalid, or the parameters of its operator classes; ``None`` as a rule.
    """

    unique: bool
    method: str
    keys: tuple[str | None, ...]
    classes: tuple[Name | None, ...]
    sorting: tuple[int, ...]
    collations: tuple[int | None, ...]
    include: frozenset[str]
    options: frozenset[str]
    printed: tuple[str | None, str | None]
    nulls_not_distinct: bool
    more: str | None


Part: TypeAlias = "Key | IndexOutline | tuple[object, ...]"
"""What has a name upon a table: a unique constraint, an index; a check or an exclusion as it is printed."""


@dataclass(slots=True)
class Outline:
    """One table.

    Attributes:
        oid: of ``pg_class``.
        of_others: whether it is an extension's, or a partition.
        nullable: the names of the columns that take NULL.
        comments: of the columns that have one, by name; the table's own under ``""``.
        reference_names: of the foreign keys.
        keys: the primary key.
        names: of all constraints and indexes.
    """

    oid: int = 0
    of_others: bool = False
    columns: dict[str, ColumnOutline] = field(default_factory=dict)
    nullable: set[str] = field(default_factory=set)
    comments: dict[str, str] = field(default_factory=dict)
    keys: dict[str, Part] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)
    reference_names: list[str] = field(default_factory=list)
    uniques: dict[str, Part] = field(default_factory=dict)
    checks: dict[str, Part] = field(default_factory=dict)
    excludes: dict[str, Part] = field(default_factory=dict)
    indexes: dict[str, Part] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Enumerated:
    """An enum type: its labels in their order, and whether it is an extension's."""

    labels: tuple[str, ...]
    of_extension: bool


def read_outlines(connection: Connection, schemas: Iterable[str]) -> dict[Name, Outline]:
    """The tables of ``schemas``, without what is temporary; of :data:`~headway.catalogue.SCRATCH`, what is.

    The caller has emptied the ``search_path``: what is printed comes with its schema.

    Args:
        connection: in a transaction.
        schemas: names, not quoted; one that does not exist holds nothing.

    Raises:
        sqlalchemy.exc.DBAPIError: the catalogue cannot be read.
    """
    return _Reading(connection, sorted(schemas)).whole()


def read_enums(connection: Connection, schemas: Iterable[str]) -> dict[Name, Enumerated]:
    """The enum types of ``schemas``.

    Raises:
        sqlalchemy.exc.DBAPIError: the catalogue cannot be read.
    """
    rows = connection.execute(text(queries.ENUMS), {"schemas": sorted(schemas)})
    return {
        (schema, name): Enumerated(tuple(labels or ()), of_extension)
        for schema, name, labels, of_extension in rows
    }


class _Reading:
    """Reads kind after kind, each for all tables at once."""

    def __init__(self, connection: Connection, schemas: list[str]) -> None:
        self._connection = connection
        self._version = connection.dialect.server_version_info or ()
        self._outlines: dict[int, Outline] = {}
        self._names: dict[int, Name] = {}
        self._schemas = schemas
        # By table and number.
        self._columns: dict[int, dict[int, str]] = {}
        self._kinds: dict[ColumnOutline, ColumnOutline] = {}
        self._collations: dict[tuple[int, int], int] = {}
        self._sequences: dict[tuple[int, int], tuple[object, ...]] = {}
        self._owned: dict[tuple[int, int], set[str]] = {}

    def whole(self) -> dict[Name, Outline]:
        for oid, schema, name, of_others, comment in self._rows(queries.TABLES, schemas=self._schemas):
            self._names[oid] = (schema, name)
            self._outlines[oid] = Outline(oid, of_others, comments={"": comment} if comment else {})
            self._columns[oid] = {}
        self._read_sequences()
        self._read_columns()
        keys = self._read_indexes()
        self._read_constraints(keys)
        return {self._names[oid]: outline for oid, outline in self._outlines.items()}

    def _rows(self, query: str, **parameters: Any) -> Iterable[Any]:
        return self._connection.execute(text(query), parameters)

    def _of_tables(self, query: str) -> Iterable[Any]:
        return self._rows(query, tables=[*self._outlines])

    def _read_sequences(self) -> None:
        for relation, position, kind, name, *options in self._of_tables(queries.SEQUENCES):
            if kind == "i":
                self._sequences[relation, position] = tuple(options)
            else:
                spelled = name.replace("'", "''")
                self._owned.setdefault((relation, position), set()).add(f"nextval('{spelled}'::regclass)")

    def _read_columns(self) -> None:
        for row in self._of_tables(queries.COLUMNS):
            oid, position, name, type_, collation, own, required, comment, *source = row
            outline = self._outlines[oid]
            self._columns[oid][position] = name
            self._collations[oid, position] = collation
            column = ColumnOutline(type_, own, self._source(oid, position, *source))
            # Thousands of columns have some dozens of kinds between them; one object each is less to keep.
            outline.columns[name] = self._kinds.setdefault(column, column)
            if not required:
                outline.nullable.add(name)
            if comment:
                outline.comments[name] = comment

    def _source(
        self, oid: int, position: int, generated: str, identity: str, printed: str | None
    ) -> tuple[object, ...]:
        if generated:
            return ("generated", generated, printed)
        if identity:
            return ("identity", identity, self._sequences.get((oid, position)))
        if printed is not None and printed in self._owned.get((oid, position), ()):
            return ("serial",)
        return ("default", printed)

    def _read_indexes(self) -> dict[int, IndexOutline]:
        """Note the indexes; those of constraints come back by their oids."""
        classes = {oid: (schema, name) for oid, schema, name in self._rows(queries.OPERATOR_CLASSES)}
        distinct = queries.NULLS_NOT_DISTINCT if self._version >= _LISTS else "false"
        keys: dict[int, IndexOutline] = {}
        for row in self._of_tables(queries.INDEXES.format(nulls_not_distinct=distinct)):
            oid, relation, name, of_constraint = row[:4]
            outline = self._index(relation, classes, row)
            self._outlines[relation].names.add(name)
            if of_constraint:
                keys[oid] = outline
            else:
                self._outlines[relation].indexes[name] = outline
        return keys

    def _index(self, relation: int, classes: Mapping[int, Name], row: Any) -> IndexOutline:
        names = self._columns[relation]
        keys = row.indkey[: row.indnkeyatts]
        collations = zip(keys, row.indcollation, strict=True)
        return IndexOutline(
            row.indisunique,
            row.amname,
            tuple(names.get(key) for key in keys),
            tuple(classes.get(oid) for oid in row.indclass),
            tuple(row.indoption),
            tuple(self._own_collation(relation, key, oid) for key, oid in collations),
            frozenset(names[key] for key in row.indkey[row.indnkeyatts :]),
            frozenset(row.reloptions or ()),
            (row.expressions, row.condition),
            row.nulls_not_distinct,
            row.more,
        )

    def _own_collation(self, relation: int, key: int, collation: int) -> int | None:
        """``None`` for what an index has by itself: the column's, or the default of an expression."""
        usual = self._collations.get((relation, key), _DEFAULT_COLLATION)
        return None if collation in {0, usual} else collation

    def _read_constraints(self, keys: Mapping[int, IndexOutline]) -> None:
        parts = [queries.SET_COLUMNS] if self._version >= _LISTS else []
        parts += [queries.PERIOD] if self._version >= _PERIODS else []
        more = " OR ".join(parts) or "false"
        for row in self._of_tables(queries.CONSTRAINTS.format(more=more)):
            relation, name, kind, columns, *rest = row
            outline, names = self._outlines[relation], self._columns[relation]
            outline.names.add(name)
            # A check may be over what is no column of anybody's: tableoid.
            over = tuple(names.get(position, "") for position in columns or ())
            referred, foreign, actions, deferrable, deferred, no_inherit, printed, index, odd = rest
            if kind == "f":
                theirs = self._columns.get(referred, {})
                outline.reference_names.append(name)
                outline.references.append(
                    Reference(
                        over,
                        self._names.get(referred, ("", "")),
                        tuple(theirs.get(position, "") for position in foreign),
                        actions,
                        deferrable,
                        deferred,
                        referred in self._names and not odd,
                    )
                )
            elif kind in {"c", "x"}:
                others = outline.checks if kind == "c" else outline.excludes
                others[name] = (printed, no_inherit)
            else:
                made = keys[index]
                distinct, usual = made.nulls_not_distinct, made.more is None and not odd
                others = outline.keys if kind == "p" else outline.uniques
                others[name] = Key(over, made.include, distinct, deferrable, deferred, usual)


_DEFAULT_COLLATION = 100
"""pg_collation.dat: ``default``."""
