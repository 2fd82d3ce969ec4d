"""Everything that PostgreSQL's catalogue says of a database's schema, as lines that can be compared.

Left out: the order of columns (none can be put back where it was), names of NOT NULL constraints (PostgreSQL
makes them up), what belongs to an extension (its version tells it) or to the system, and headway's own
bookkeeping.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    import asyncpg

# The names of all objects come with their schema, whoever asks.
_QUALIFIED = "SELECT pg_catalog.set_config('search_path', '', true)"

# Of the schemas that are nobody's but the user's; $1 are the names of bookkeeping tables and views.
_RELATIONS = """
    WITH own AS (
        SELECT c.* FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relname <> ALL ($1)
          AND NOT EXISTS (
              SELECT FROM pg_catalog.pg_depend AS e
              WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid
                AND e.deptype = 'e'
          )
    )
"""
# What lies in a schema by itself: the alias, its catalogue, and the column of its schema are filled in.
_BY_ITSELF = """
    JOIN pg_catalog.pg_namespace AS n ON n.oid = {namespace}
    WHERE $1::text[] IS NOT NULL AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = '{catalogue}'::pg_catalog.regclass AND e.objid = {oid} AND e.deptype = 'e'
    )
"""


def _privileges(granted: str, kind: str, owner: str) -> str:
    """SQL for privileges: what was granted and revoked again is as it was, in whatever order it is kept."""
    default = f"pg_catalog.acldefault({kind}, {owner})"
    return (
        "(SELECT pg_catalog.string_agg(e::text, ', ' ORDER BY e::text) "
        f"FROM pg_catalog.unnest(coalesce({granted}, {default})) AS e)"
    )


# Each gives a name and what there is to say of it, as JSON without what is not set.
_QUERIES: Mapping[str, str] = {
    "schema": """
        SELECT n.nspname AS name, pg_catalog.jsonb_build_object(
            'owner', pg_catalog.pg_get_userbyid(n.nspowner), 'privileges', """
    + _privileges("n.nspacl", "'n'", "n.nspowner")
    + """
        ) AS told
        FROM pg_catalog.pg_namespace AS n
        WHERE $1::text[] IS NOT NULL AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    """,
    "extension": """
        SELECT e.extname AS name, pg_catalog.jsonb_build_object(
            'version', e.extversion, 'schema', e.extnamespace::pg_catalog.regnamespace::text
        ) AS told
        FROM pg_catalog.pg_extension AS e WHERE $1::text[] IS NOT NULL
    """,
    "relation": _RELATIONS
    + """
        SELECT c.oid::pg_catalog.regclass::text AS name, pg_catalog.jsonb_build_object(
            'kind', c.relkind, 'persistence', c.relpersistence, 'options', c.reloptions,
            'row security', c.relrowsecurity, 'forced', c.relforcerowsecurity,
            'replica identity', c.relreplident, 'privileges', """
    + _privileges("c.relacl", "CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\"", "c.relowner")
    + """,
            'owner', pg_catalog.pg_get_userbyid(c.relowner),
            'partition key', CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END,
            'partition', pg_catalog.pg_get_expr(c.relpartbound, c.oid),
            'inherits', (
                SELECT pg_catalog.string_agg(i.inhparent::pg_catalog.regclass::text, ', ' ORDER BY i.inhseqno)
                FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid
            ),
            'definition', CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END,
            'comment', pg_catalog.obj_description(c.oid, 'pg_class')
        ) AS told
        FROM own AS c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    """,
    "column": _RELATIONS
    + """
        SELECT pg_catalog.format('%s.%I', c.oid::pg_catalog.regclass, a.attname) AS name,
               pg_catalog.jsonb_build_object(
            'type', pg_catalog.format_type(a.atttypid, a.atttypmod), 'not null', a.attnotnull,
            'default', pg_catalog.pg_get_expr(d.adbin, d.adrelid),
            'identity', nullif(a.attidentity, ''), 'generated', nullif(a.attgenerated, ''),
            'collation', a.attcollation::pg_catalog.regcollation::text,
            'storage', a.attstorage, 'options', a.attoptions, 'privileges', nullif(a.attacl::text, '{}'),
            'comment', pg_catalog.col_description(c.oid, a.attnum)
        ) AS told
        FROM own AS c JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
        LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
    """,
    "constraint": _RELATIONS
    + """
        SELECT pg_catalog.format('%s.%I', c.oid::pg_catalog.regclass, k.conname) AS name,
               pg_catalog.jsonb_build_object(
            'definition', pg_catalog.pg_get_constraintdef(k.oid),
            'comment', pg_catalog.obj_description(k.oid, 'pg_constraint')
        ) AS told
        FROM own AS c JOIN pg_catalog.pg_constraint AS k ON k.conrelid = c.oid WHERE k.contype <> 'n'
    """,
    "index": _RELATIONS
    + """
        SELECT i.indexrelid::pg_catalog.regclass::text AS name, pg_catalog.jsonb_build_object(
            'definition', pg_catalog.pg_get_indexdef(i.indexrelid), 'valid', i.indisvalid,
            'clustered', i.indisclustered, 'replica identity', i.indisreplident,
            'comment', pg_catalog.obj_description(i.indexrelid, 'pg_class')
        ) AS told
        FROM own AS c JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid
    """,
    "trigger": _RELATIONS
    + """
        SELECT pg_catalog.format('%s.%I', c.oid::pg_catalog.regclass, t.tgname) AS name,
               pg_catalog.jsonb_build_object(
            'definition', pg_catalog.pg_get_triggerdef(t.oid), 'enabled', t.tgenabled,
            'comment', pg_catalog.obj_description(t.oid, 'pg_trigger')
        ) AS told
        FROM own AS c JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal
    """,
    "policy": _RELATIONS
    + """
        SELECT pg_catalog.format('%s.%I', c.oid::pg_catalog.regclass, p.polname) AS name,
               pg_catalog.jsonb_build_object(
            'command', p.polcmd, 'permissive', p.polpermissive,
            'roles', p.polroles::pg_catalog.regrole[]::text,
            'using', pg_catalog.pg_get_expr(p.polqual, c.oid),
            'check', pg_catalog.pg_get_expr(p.polwithcheck, c.oid)
        ) AS told
        FROM own AS c JOIN pg_catalog.pg_policy AS p ON p.polrelid = c.oid
    """,
    "rule": _RELATIONS
    + """
        SELECT pg_catalog.format('%s.%I', c.oid::pg_catalog.regclass, r.rulename) AS name,
               pg_catalog.jsonb_build_object('definition', pg_catalog.pg_get_ruledef(r.oid)) AS told
        FROM own AS c JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = c.oid WHERE r.rulename <> '_RETURN'
    """,
    "statistics": _RELATIONS
    + """
        SELECT pg_catalog.format('%s.%I', c.oid::pg_catalog.regclass, s.stxname) AS name,
               pg_catalog.jsonb_build_object(
            'definition', pg_catalog.pg_get_statisticsobjdef(s.oid)
        ) AS told
        FROM own AS c JOIN pg_catalog.pg_statistic_ext AS s ON s.stxrelid = c.oid
    """,
    "sequence": _RELATIONS
    + """
        SELECT c.oid::pg_catalog.regclass::text AS name, pg_catalog.jsonb_build_object(
            'type', pg_catalog.format_type(s.seqtypid, NULL), 'start', s.seqstart,
            'increment', s.seqincrement,
            'minimum', s.seqmin, 'maximum', s.seqmax, 'cache', s.seqcache, 'cycle', s.seqcycle,
            'owned by', (
                SELECT pg_catalog.format('%s.%I', d.refobjid::pg_catalog.regclass, a.attname)
                FROM pg_catalog.pg_depend AS d
                JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                  AND d.deptype IN ('a', 'i')
            )
        ) AS told
        FROM own AS c JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = c.oid
    """,
    "function": """
        SELECT p.oid::pg_catalog.regprocedure::text AS name, pg_catalog.jsonb_build_object(
            'definition', CASE WHEN p.prokind = 'a' THEN (
                SELECT a.aggtransfn::text || ' ' || a.aggfinalfn::text FROM pg_catalog.pg_aggregate AS a
                WHERE a.aggfnoid = p.oid
            ) ELSE pg_catalog.pg_get_functiondef(p.oid) END,
            'owner', pg_catalog.pg_get_userbyid(p.proowner), 'privileges', """
    + _privileges("p.proacl", "'f'", "p.proowner")
    + """,
            'comment', pg_catalog.obj_description(p.oid, 'pg_proc')
        ) AS told
        FROM pg_catalog.pg_proc AS p
    """
    + _BY_ITSELF.format(namespace="p.pronamespace", catalogue="pg_catalog.pg_proc", oid="p.oid"),
    "type": """
        SELECT t.oid::pg_catalog.regtype::text AS name, pg_catalog.jsonb_build_object(
            'kind', t.typtype, 'base', CASE WHEN t.typtype = 'd' THEN
                pg_catalog.format_type(t.typbasetype, t.typtypmod) END,
            'not null', t.typnotnull, 'default', t.typdefault, 'privileges', """
    + _privileges("t.typacl", "'T'", "t.typowner")
    + """,
            'labels', (
                SELECT pg_catalog.array_agg(l.enumlabel ORDER BY l.enumsortorder)
                FROM pg_catalog.pg_enum AS l WHERE l.enumtypid = t.oid
            ),
            'checks', (
                SELECT pg_catalog.array_agg(k.conname || ' ' || pg_catalog.pg_get_constraintdef(k.oid)
                                            ORDER BY k.conname)
                FROM pg_catalog.pg_constraint AS k WHERE k.contypid = t.oid AND k.contype <> 'n'
            ),
            'of', (
                SELECT pg_catalog.format_type(r.rngsubtype, NULL)
                FROM pg_catalog.pg_range AS r WHERE r.rngtypid = t.oid
            ),
            'comment', pg_catalog.obj_description(t.oid, 'pg_type')
        ) AS told
        FROM pg_catalog.pg_type AS t
    """
    + _BY_ITSELF.format(namespace="t.typnamespace", catalogue="pg_catalog.pg_type", oid="t.oid")
    + "AND (t.typtype IN ('e', 'd', 'r') OR EXISTS ("
    "SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = t.typrelid AND c.relkind = 'c'))",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A schema at one moment: by kind and name of each object, what there is to say of it."""

    objects: Mapping[tuple[str, str], Mapping[str, Any]]

    def differences(self, wanted: Picture) -> tuple[str, ...]:
        """What is not as it is in ``wanted``, a line each; empty when the two are the same."""
        return tuple(self._differences(wanted))

    def _differences(self, wanted: Picture) -> Iterator[str]:
        for key in sorted({*self.objects, *wanted.objects}):
            is_, was = self.objects.get(key), wanted.objects.get(key)
            name = " ".join(key)
            if is_ is None:
                yield f"missing: {name}"
            elif was is None:
                yield f"left over: {name}"
            else:
                yield from (
                    f"changed: {name}: {fact} is {_shown(is_.get(fact))}, was {_shown(was.get(fact))}"
                    for fact in sorted({*is_, *was})
                    if is_.get(fact) != was.get(fact)
                )


def _shown(fact: Any) -> str:
    return "nothing" if fact is None else fact if isinstance(fact, str) else json.dumps(fact)


async def read_picture(
    connection: asyncpg.Connection[asyncpg.Record], bookkeeping: Collection[str]
) -> Picture:
    """Read the catalogue of the connection's database.

    Args:
        connection: with no transaction open.
        bookkeeping: names of tables and views that do not count, in whatever schema.
    """
    objects: dict[tuple[str, str], Mapping[str, Any]] = {}
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(_QUALIFIED)
        for kind, query in _QUERIES.items():
            told = f"SELECT name, pg_catalog.jsonb_strip_nulls(told)::text AS told FROM ({query}) AS found"
            for row in await connection.fetch(told, [*bookkeeping]):
                objects[kind, row["name"]] = json.loads(row["told"])
    return Picture(objects)
