"""What the writing of a revision must know of the database, asked when it is needed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Sequence, text

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Column
    from sqlalchemy.types import TypeEngine

_ARRAY = re.compile(r"(?:\s*\[\d*\])+\Z")
_COLLATION = re.compile(r"\s+COLLATE\s+.*\Z", re.IGNORECASE)

# PostgreSQL casts arrays as their elements; it casts any type to text types on assignment, and from them only
# explicitly (manual, CREATE CAST). `null` stands for a type that is yet to be created.
_CAST = """
    SELECT CASE
        WHEN b.oid IS NULL THEN 'text'
        WHEN a.oid = b.oid THEN 'same'
        WHEN c.castcontext IN ('i', 'a') THEN 'none'
        WHEN c.castcontext = 'e' THEN 'explicit'
        WHEN b.typcategory = 'S' THEN 'none'
        WHEN a.typcategory = 'S' THEN 'explicit'
        WHEN 'B' IN (a.typcategory, b.typcategory) AND 'N' IN (a.typcategory, b.typcategory) THEN 'integer'
        ELSE 'text'
    END
    FROM (SELECT pg_catalog.to_regtype(:old) AS old, pg_catalog.to_regtype(:new) AS new) AS asked
    LEFT JOIN pg_catalog.pg_type AS a ON a.oid = asked.old
    LEFT JOIN pg_catalog.pg_type AS b ON b.oid = asked.new
    LEFT JOIN pg_catalog.pg_cast AS c ON c.castsource = a.oid AND c.casttarget = b.oid
"""


# What PostgreSQL compiled with a type in it; a plain index or a UNIQUE it rebuilds by itself.
_UPON_ENUM = """
    WITH type AS (
        SELECT t.oid FROM pg_catalog.pg_type AS t
        JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
        WHERE t.typname = :name AND n.nspname = :schema
    ), used AS (
        SELECT a.attrelid, a.attnum FROM pg_catalog.pg_attribute AS a
        JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
        WHERE a.attnum > 0 AND NOT a.attisdropped AND (t.oid IN (TABLE type) OR t.typelem IN (TABLE type))
    )
    SELECT con.conname,
        pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I',
            CAST(con.conrelid AS pg_catalog.regclass), con.conname),
        pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s',
            CAST(con.conrelid AS pg_catalog.regclass), con.conname, pg_catalog.pg_get_constraintdef(con.oid))
    FROM pg_catalog.pg_constraint AS con
    WHERE con.contype IN ('c', 'x') AND con.coninhcount = 0 AND EXISTS (
        SELECT 1 FROM used WHERE used.attrelid = con.conrelid AND used.attnum = ANY (con.conkey))
    UNION ALL
    SELECT c.relname,
        pg_catalog.format('DROP INDEX %s', CAST(i.indexrelid AS pg_catalog.regclass)),
        pg_catalog.pg_get_indexdef(i.indexrelid)
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid AND NOT c.relispartition
    WHERE (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL)
        AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint AS con WHERE con.conindid = i.indexrelid)
        AND EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d
            JOIN used ON used.attrelid = d.refobjid AND used.attnum = d.refobjsubid
            WHERE d.objid = i.indexrelid AND d.classid = CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
                AND d.refclassid = CAST('pg_catalog.pg_class' AS pg_catalog.regclass))
    ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Dependent:
    """A constraint or an index, with the statements that drop it and make it again."""

    name: str
    drop: str
    create: str


# A column depends on its type, or on the type's array; an index on its operator classes (manual, pg_depend).
_IN_USE = """
    SELECT DISTINCT e.extname
    FROM pg_catalog.pg_extension AS e
    JOIN pg_catalog.pg_depend AS member
        ON member.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
        AND member.refobjid = e.oid AND member.deptype = 'e'
    LEFT JOIN pg_catalog.pg_type AS t
        ON member.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = member.objid
    JOIN pg_catalog.pg_depend AS used
        ON used.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND used.refclassid = member.classid AND used.refobjid = ANY (ARRAY[member.objid, t.typarray])
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS own
        WHERE own.classid = used.classid AND own.objid = used.objid AND own.deptype = 'e'
    )
"""


class Cast(StrEnum):
    """What ALTER COLUMN ... TYPE needs to turn the values of one type into another's."""

    SAME = "same"
    """Nothing: it is the type of before, with other numbers."""
    NONE = "none"
    """Nothing: PostgreSQL casts on assignment."""
    EXPLICIT = "explicit"
    """``USING x::T``."""
    INTEGER = "integer"
    """``USING x::integer::T``: a boolean casts to no other number, nor from one."""
    TEXT = "text"
    """``USING x::text::T``: there is no cast between the two."""


class Facts:
    """One database, as far as the operations of a revision depend on it.

    Args:
        context: its connection is asked; without one nothing is known, and nothing is there.
    """

    def __init__(self, context: MigrationContext) -> None:
        self._connection = context.connection
        self.dialect = context.dialect

    @cached_property
    def extensions(self) -> frozenset[str]:
        """The extensions that the database has."""
        return frozenset(row[0] for row in self._rows("SELECT extname FROM pg_catalog.pg_extension"))

    @cached_property
    def extensions_in_use(self) -> frozenset[str]:
        """The extensions whose types columns have, or whose operator classes indexes have."""
        return frozenset(row[0] for row in self._rows(_IN_USE))

    @cached_property
    def schemas(self) -> frozenset[str]:
        """The schemas that the database has."""
        return frozenset(row[0] for row in self._rows("SELECT nspname FROM pg_catalog.pg_namespace"))

    @cached_property
    def partitioned(self) -> frozenset[tuple[str | None, str]]:
        """Schema and name of the partitioned tables; ``None`` for the connection's default schema."""
        found = self._rows(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class AS c "
            "JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind = 'p'"
        )
        return frozenset(
            (None if schema == self.dialect.default_schema_name else schema, name) for schema, name in found
        )

    def upon_enum(self, schema: str, name: str) -> list[Dependent]:
        """The checks, exclusions and indexes whose text has a column of an enum type in it."""
        return [Dependent(*row) for row in self._rows(_UPON_ENUM, schema=schema, name=name)]

    def cast(self, old: TypeEngine[Any], new: TypeEngine[Any]) -> Cast:
        """What a column of type ``old`` needs to become one of type ``new``."""
        names = {"old": self._name(old), "new": self._name(new)}
        if all(_ARRAY.search(name) for name in names.values()):
            names = {which: _ARRAY.sub("", name) for which, name in names.items()}
        rows = self._rows(_CAST, **names)
        return Cast(rows[0][0]) if rows else Cast.EXPLICIT

    def sql_of(self, type_: TypeEngine[Any]) -> str:
        """A type as SQL writes it."""
        return type_.compile(dialect=self.dialect)

    def serial(self, column: Column[Any]) -> str | None:
        """A column as CREATE TABLE has it, if SQLAlchemy makes it ``SERIAL`` there; ``None`` for others."""
        table: Any = column.table  # ``None`` for one that a hook of the project has made
        if table is None or table.autoincrement_column is not column:
            return None
        if column.server_default is not None or isinstance(column.default, Sequence):
            return None
        compiler: Any = self.dialect.ddl_compiler(self.dialect, None)  # type: ignore[arg-type]  # it needs none
        return str(compiler.get_column_specification(column))

    def _name(self, type_: TypeEngine[Any]) -> str:
        return _COLLATION.sub("", self.sql_of(type_))

    def _rows(self, sql: str, **parameters: str) -> list[Any]:
        if self._connection is None:
            return []
        return list(self._connection.execute(text(sql), parameters))
