"""What the writing of a revision must know of the database, asked when it is needed."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
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

    def _name(self, type_: TypeEngine[Any]) -> str:
        return _COLLATION.sub("", self.sql_of(type_))

    def _rows(self, sql: str, **parameters: str) -> list[Any]:
        if self._connection is None:
            return []
        return list(self._connection.execute(text(sql), parameters))
