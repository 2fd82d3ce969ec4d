"""Read what autogenerate compares in bulk: every schema at once where SQLAlchemy can, schema by schema else.

Alembic reads the first schema in bulk and every table of the others on its own, eight queries each, for its
cache is filled once (``_InspectorConv._pre_cache``, Alembic 1.20); and it asks about the owner of each
sequence on its own. Here the inspector that Alembic asks is filled beforehand and answers from memory. What
is read is what SQLAlchemy reads, so the operations are those that Alembic would find.
"""

from __future__ import annotations

import copy
import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import BIGINT, INTEGER, SMALLINT
from sqlalchemy.engine.reflection import ObjectKind, ObjectScope, ReflectionDefaults

from headway.autogenerate.likeness import likeness_of
from headway.ledger.names import LAYOUT_COLUMN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy.engine import Connection, Inspector
    from sqlalchemy.engine.interfaces import TableKey

BY_OID = ("pk_constraint", "unique_constraints", "indexes")
"""What SQLAlchemy asks for by the tables' oids, whatever their schema."""

BY_SCHEMA = ("columns", "foreign_keys", "check_constraints", "table_comment", "table_options")
"""What SQLAlchemy asks for by one schema's name."""

_TABLES = text("""\
SELECT n.nspname, c.relname, c.oid,
  pg_catalog.pg_table_is_visible(c.oid) AND n.nspname <> 'pg_catalog' AS visible,
  c.relispartition OR EXISTS (
    SELECT FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'
  ) OR EXISTS (
    SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = :layout_column
  ) AS of_others,
  EXISTS (
    SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f'
  ) AS foreign_keys,
  EXISTS (
    SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c'
  ) AS check_constraints,
  pg_catalog.obj_description(c.oid, 'pg_class') IS NOT NULL AS table_comment,
  c.reloptions IS NOT NULL OR c.reltablespace <> 0 OR c.relam NOT IN (0, 2) OR EXISTS (
    SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid
  ) OR pg_catalog.current_setting('default_table_access_method') <> 'heap' AS table_options
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
  AND (n.nspname = ANY (CAST(:named AS text[])) OR :visible AND pg_catalog.pg_table_is_visible(c.oid))
ORDER BY n.nspname, c.relname""")
"""2 is the oid of the access method heap (pg_am.dat); whatever else a table has is read, then."""

_OWNED_SEQUENCES = text("""\
SELECT s.oid::pg_catalog.regclass::pg_catalog.text, a.attname
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass""")

_NEXTVAL = re.compile(r"nextval\('(.+?)'::regclass\)")


def fill(context: AutogenContext, schemas: Iterable[str | None]) -> None:
    """Fill the inspector of ``context`` with all it will be asked about these schemas.

    Tables that nobody's models are expected to hold are kept from being compared, hence from being dropped,
    unless the models do hold them: those of extensions, headway's ledger, Alembic's version table where its
    schema is named although it is the default one, and partitions, which come and go with time.

    Args:
        context: the comparison that begins.
        schemas: what is compared; ``None`` is what the search path shows.
    """
    connection = context.connection
    if connection is not None:
        inspector = context.inspector
        reading = _Reading(context, inspector, connection, {*schemas})
        _answer_from_memory(inspector, reading.whole())
        context.migration_context.impl.autogen_column_reflect = (  # type: ignore[method-assign]  # of this one object
            _serials_known(connection)
        )


@dataclass(slots=True)
class _Memory:
    """What was read; ``tables`` holds every table to compare, by schema."""

    tables: dict[str | None, list[str]] = field(default_factory=dict)
    found: dict[str, dict[TableKey, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Reading:
    context: AutogenContext
    inspector: Inspector
    connection: Connection
    schemas: set[str | None]

    def whole(self) -> _Memory:
        memory = _Memory(
            {schema: [] for schema in self.schemas}, {kind: {} for kind in (*BY_OID, *BY_SCHEMA)}
        )
        available = self._available()
        wanted: dict[TableKey, Any] = {}
        alike = likeness_of(self.context).tables
        for key, table in available.items():
            if key in alike:
                continue
            memory.tables[key[0]].append(key[1])
            if self.context.run_name_filters(key[1], "table", {"schema_name": key[0]}):
                wanted[key] = table
        for kind in BY_SCHEMA:
            for schema in self.schemas:
                memory.found[kind].update(self._in_schema(kind, schema, wanted, available))
        oids = [(table.oid, key) for key, table in wanted.items()]
        for kind, found in _by_oid(self.connection, self.inspector, oids).items():
            memory.found[kind] = found
        return memory

    def _available(self) -> dict[TableKey, Any]:
        """The tables in these schemas that are to be compared."""
        default = self.connection.dialect.default_schema_name
        held = {(t.schema if t.schema != default else None, t.name) for t in self.context.sorted_tables}
        migrations = self.context.migration_context
        version_schema = migrations.version_table_schema
        version = (version_schema if version_schema != default else None, migrations.version_table)
        named = [schema for schema in self.schemas if schema is not None]
        rows = self.connection.execute(
            _TABLES, {"layout_column": LAYOUT_COLUMN, "named": named, "visible": None in self.schemas}
        ).all()
        available = {}
        for table in rows:
            keys = [(table.nspname, table.relname)] if table.nspname in self.schemas else []
            keys += [(None, table.relname)] if table.visible and None in self.schemas else []
            for key in keys:
                if key in held or not (table.of_others or key == version):
                    available[key] = table
        return available

    def _in_schema(
        self, kind: str, schema: str | None, wanted: Mapping[TableKey, Any], available: Mapping[TableKey, Any]
    ) -> dict[TableKey, Any]:
        names = [key[1] for key in wanted if key[0] == schema]
        default = getattr(ReflectionDefaults, kind)
        found = {(schema, name): default() for name in names}
        if any(getattr(wanted[schema, name], kind, True) for name in names):
            # Reading all is cheaper than naming most of it; SQLAlchemy and Alembic do the same.
            most = len(names) * 2 > sum(key[0] == schema for key in available)
            read = getattr(self.inspector, f"get_multi_{kind}")
            with suppress(NotImplementedError):  # SQLAlchemy 2.0 knows no table options
                found |= read(schema=schema, filter_names=None if most else names)
        return found


def _by_oid(
    connection: Connection, inspector: Inspector, oids: Sequence[tuple[int, TableKey]]
) -> dict[str, dict[TableKey, Any]]:
    """What SQLAlchemy finds out by oid, of all schemas in one query each.

    A copy of the dialect is told the tables, with key in place of name, where it would look up one schema's.
    """
    dialect: Any = copy.copy(connection.dialect)
    dialect._get_table_oids = lambda *_, **__: oids  # noqa: SLF001  # a canary watches it
    everything = {
        "schema": None,
        "filter_names": None,
        "scope": ObjectScope.ANY,
        "kind": ObjectKind.TABLE,
        "info_cache": inspector.info_cache,
    }
    return {
        kind: {
            key: value for (_, key), value in getattr(dialect, f"get_multi_{kind}")(connection, **everything)
        }
        for kind in BY_OID
    }


def _answer_from_memory(inspector: Inspector, memory: _Memory) -> None:
    asked: Any = inspector
    from_server = asked.get_table_names

    @wraps(from_server)
    def get_table_names(schema: str | None = None, **kw: Any) -> list[str]:
        known = memory.tables.get(schema)
        return from_server(schema, **kw) if known is None or kw else [*known]

    asked.get_table_names = get_table_names
    for kind, found in memory.found.items():
        setattr(asked, f"get_{kind}", _one(getattr(asked, f"get_{kind}"), found))
        setattr(asked, f"get_multi_{kind}", _many(getattr(asked, f"get_multi_{kind}"), found, memory))


def _one(from_server: Callable[..., Any], found: Mapping[TableKey, Any]) -> Callable[..., Any]:
    @wraps(from_server)
    def get(table_name: str, schema: str | None = None, **kw: Any) -> Any:
        key = (schema, table_name)
        return from_server(table_name, schema, **kw) if kw or key not in found else found[key]

    return get


def _many(
    from_server: Callable[..., Any], found: Mapping[TableKey, Any], memory: _Memory
) -> Callable[..., Any]:
    @wraps(from_server)
    def get_multi(
        schema: str | None = None, filter_names: Sequence[str] | None = None, *args: Any, **kw: Any
    ) -> Any:
        names = memory.tables.get(schema, []) if filter_names is None else filter_names
        keys = [(schema, name) for name in names]
        if args or kw or schema not in memory.tables or (filter_names and not found.keys() >= {*keys}):
            return from_server(schema, filter_names, *args, **kw)
        return {key: found[key] for key in keys if key in found}

    return get_multi


def _serials_known(connection: Connection) -> Callable[[Inspector, Any, Any], None]:
    """``PostgresqlImpl.autogen_column_reflect`` (Alembic 1.20), for SMALLSERIAL too, with one query."""
    owners: dict[str, str] | None = None

    def forget_default_of_serial(_: Inspector, __: Any, column: Any) -> None:
        nonlocal owners
        if not column.get("default") or not isinstance(column["type"], BIGINT | INTEGER | SMALLINT):
            return
        sequence = _NEXTVAL.match(column["default"])
        if sequence is None:
            return
        if owners is None:
            owners = {row[0]: row[1] for row in connection.execute(_OWNED_SEQUENCES)}
        if owners.get(sequence[1]) == column["name"]:
            del column["default"]

    return forget_default_of_serial
