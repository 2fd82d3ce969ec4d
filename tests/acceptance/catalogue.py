"""What PostgreSQL's catalogue says of a database, as text that can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"

_EXTENSIONS = "SELECT extname || ' ' || extversion FROM pg_extension"

# One line per object of the schemas in $1. What belongs to an extension is told by the extension's line.
_OBJECTS = {
    "relation": """
        SELECT format('%s %s %s %s', c.oid::regclass, c.relkind, c.relpersistence, c.reloptions)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY ($1) AND c.relkind <> 'i'
    """,
    "column": """
        SELECT format('%s.%I number %s %s %s default %s identity %s generated %s collation %s comment %s',
                      c.oid::regclass, a.attname,
                      row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum),
                      format_type(a.atttypid, a.atttypmod),
                      CASE WHEN a.attnotnull THEN 'NOT NULL' ELSE 'NULL' END,
                      pg_get_expr(d.adbin, d.adrelid), a.attidentity::text, a.attgenerated::text,
                      a.attcollation::regcollation, col_description(c.oid, a.attnum))
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE n.nspname = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind <> 'i'
    """,
    "constraint": """
        SELECT format('%s %I %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
        FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
        WHERE n.nspname = ANY ($1)
    """,
    "index": """
        SELECT format('%s valid %s', pg_get_indexdef(i.indexrelid), i.indisvalid)
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY ($1)
    """,
    "trigger": """
        SELECT format('%s %s', c.oid::regclass, pg_get_triggerdef(t.oid))
        FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY ($1) AND NOT t.tgisinternal
    """,
    "view": """
        SELECT format('%s %s', c.oid::regclass, pg_get_viewdef(c.oid))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY ($1) AND c.relkind IN ('v', 'm')
    """,
    "function": """
        SELECT pg_get_functiondef(p.oid)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = ANY ($1) AND p.prokind IN ('f', 'p') AND NOT EXISTS (
            SELECT FROM pg_depend e
            WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e'
        )
    """,
    "type": """
        SELECT format('%s %s %s %s', t.oid::regtype, t.typtype, format_type(t.typbasetype, t.typtypmod),
                      (SELECT array_agg(l.enumlabel ORDER BY l.enumsortorder)
                       FROM pg_enum l WHERE l.enumtypid = t.oid))
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE n.nspname = ANY ($1) AND t.typtype IN ('e', 'd', 'r')
    """,
}


async def catalogue(connection: asyncpg.Connection[asyncpg.Record]) -> frozenset[str]:
    """Every schema object that is not the system's own, one line each, independent of order and of oids."""
    schemas = [row[0] for row in await connection.fetch(_SCHEMAS)]
    lines = {f"schema {schema}" for schema in schemas}
    lines.update(f"extension {row[0]}" for row in await connection.fetch(_EXTENSIONS))
    for kind, query in _OBJECTS.items():
        lines.update(f"{kind} {row[0]}" for row in await connection.fetch(query, schemas))
    return frozenset(lines)
