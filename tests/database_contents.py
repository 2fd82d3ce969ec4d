"""Everything in a database that does not depend on when it was written."""

from __future__ import annotations

import re
from typing import Any

import psycopg

_LEDGER = """
    SELECT id, revision, operation, outcome, applied, transactional, description, checksum, sqlstate, error,
        statements_done, statements_total, jsonb_array_length(journal), hash IS NULL, duration_ms IS NULL
    FROM migration_history ORDER BY id
"""
_CATALOGUE = """
    SELECT kind, name, what FROM (
        SELECT concat('relation ', relkind) AS kind, oid::regclass::text AS name,
            obj_description(oid, 'pg_class') AS what
        FROM pg_class WHERE oid >= 16384
        UNION ALL SELECT 'column', concat(attrelid::regclass, '.', attname),
            concat(format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid))
        FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attnum > 0 AND attrelid >= 16384
        UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE oid >= 16384
        UNION ALL SELECT 'function', proname, prosrc FROM pg_proc WHERE oid >= 16384
        UNION ALL SELECT 'enum', enumtypid::regtype::text, enumlabel FROM pg_enum
    ) AS found WHERE name NOT LIKE '%pg_toast%' ORDER BY 1, 2, 3
"""
_MOMENT = re.compile(r"datetime\.datetime\(.*?\)+")


def contents(url: str) -> dict[str, Any]:
    """Catalogue, ledger, versions and rows of a database."""
    with psycopg.connect(url) as connection:

        def rows(sql: str) -> list[tuple[Any, ...]]:
            return connection.execute(sql.encode()).fetchall()

        kept = ("alembic_version", "migration_history", "schema_migrations")
        tables = rows("SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'S') AND oid >= 16384")
        return {
            "catalogue": rows(_CATALOGUE),
            "ledger": rows(_LEDGER),
            "versions": rows("SELECT version_num FROM alembic_version ORDER BY 1"),
            "rows": {
                name: sorted(_MOMENT.sub("", str(row)) for row in rows("SELECT * FROM " + name))  # noqa: S608
                for (name,) in tables
                if name not in kept
            },
        }
