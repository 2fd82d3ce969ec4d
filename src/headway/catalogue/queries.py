"""The one statement that reads a catalogue: a row for each object, as a kind, its table, and JSON."""

from __future__ import annotations

# To the end of the transaction, or until it is rolled back to a savepoint. Everything that is printed with
# names in it is of a relation, and no relation is found before this is.
_EMPTIED = "SELECT pg_catalog.set_config('search_path', '', true)"

_RELATIONS = """
    SELECT class.oid, class.relname, class.relkind, place.nspname, class.relispartition,
        class.relpersistence
    FROM emptied CROSS JOIN pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS place ON place.oid = class.relnamespace
    WHERE class.relkind IN ('r', 'p', 'S') AND (
        place.nspname = ANY(CAST(:schemas AS text[]))
        OR place.oid = pg_catalog.pg_my_temp_schema() AND 'pg_temp' = ANY(CAST(:schemas AS text[])))
"""
_SOME_RELATIONS = f"""{_RELATIONS}
    AND class.relkind <> 'S' AND (class.relpersistence = 't' OR class.oid = ANY(CAST(:only AS oid[])))
"""

_MEMBERS = """
    SELECT link.classid, link.objid, extension.extname
    FROM pg_catalog.pg_depend AS link
    JOIN pg_catalog.pg_extension AS extension ON extension.oid = link.refobjid
    WHERE link.deptype = 'e' AND link.refclassid = CAST('pg_catalog.pg_extension' AS pg_catalog.regclass)
"""

# A sequence that a column owns ('a'), or that is inside it ('i').
_OWNED = """
    SELECT link.objid AS sequence, link.refobjid AS relation, link.refobjsubid AS position, link.deptype
    FROM pg_catalog.pg_depend AS link
    JOIN pg_catalog.pg_sequence AS seq ON seq.seqrelid = link.objid
    WHERE link.classid = CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
        AND link.refclassid = CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
        AND link.refobjsubid > 0 AND link.deptype IN ('a', 'i')
"""

# A default that takes values from a sequence which its own column owns.
_SERIALS = """
    SELECT DISTINCT ON (value.oid) value.oid AS value, place.nspname, class.relname
    FROM owned
    JOIN pg_catalog.pg_attrdef AS value ON value.adrelid = owned.relation AND value.adnum = owned.position
    JOIN pg_catalog.pg_depend AS used ON used.refobjid = owned.sequence AND used.objid = value.oid
        AND used.classid = CAST('pg_catalog.pg_attrdef' AS pg_catalog.regclass)
    JOIN pg_catalog.pg_class AS class ON class.oid = owned.sequence
    JOIN pg_catalog.pg_namespace AS place ON place.oid = class.relnamespace
    WHERE owned.deptype = 'a'
    ORDER BY value.oid, class.relname
"""

_TABLES = """
    SELECT 'table', CAST(relation.oid AS bigint), 0, pg_catalog.jsonb_build_object(
        'schema', relation.nspname, 'name', relation.relname, 'extension', member.extname,
        'parent', CASE WHEN relation.relispartition THEN (
            SELECT pg_catalog.jsonb_build_array(place.nspname, parent.relname)
            FROM pg_catalog.pg_inherits AS link
            JOIN pg_catalog.pg_class AS parent ON parent.oid = link.inhparent
            JOIN pg_catalog.pg_namespace AS place ON place.oid = parent.relnamespace
            WHERE link.inhrelid = relation.oid) END,
        'comment', pg_catalog.obj_description(relation.oid, 'pg_class'),
        'unlogged', relation.relpersistence = 'u',
        'partition_by', pg_catalog.pg_get_partkeydef(relation.oid))
    FROM relation
    LEFT JOIN member ON member.objid = relation.oid
        AND member.classid = CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
    WHERE relation.relkind IN ('r', 'p')
"""

_COLUMNS = """
    SELECT 'column', CAST(relation.oid AS bigint), CAST(att.attnum AS integer), pg_catalog.jsonb_build_object(
        'name', att.attname,
        'type', pg_catalog.format_type(att.atttypid, att.atttypmod),
        'category', type.typcategory,
        'collation', CASE WHEN att.attcollation <> type.typcollation
            THEN pg_catalog.quote_ident(at.nspname) || '.' || pg_catalog.quote_ident(rule.collname) END,
        'nullable', NOT att.attnotnull,
        'default', CASE WHEN att.attgenerated = ''
            THEN pg_catalog.pg_get_expr(value.adbin, value.adrelid) END,
        'generated', att.attgenerated,
        'expression', CASE WHEN att.attgenerated <> ''
            THEN pg_catalog.pg_get_expr(value.adbin, value.adrelid) END,
        'identity', CASE WHEN att.attidentity <> '' THEN pg_catalog.jsonb_build_object(
            'always', att.attidentity = 'a', 'start', seq.seqstart, 'increment', seq.seqincrement,
            'minimum', seq.seqmin, 'maximum', seq.seqmax, 'cache', seq.seqcache, 'cycle', seq.seqcycle) END,
        'serial', CASE WHEN serial.value IS NOT NULL
            THEN pg_catalog.jsonb_build_array(serial.nspname, serial.relname) END,
        'comment', pg_catalog.col_description(relation.oid, att.attnum))
    FROM relation
    JOIN pg_catalog.pg_attribute AS att ON att.attrelid = relation.oid
    JOIN pg_catalog.pg_type AS type ON type.oid = att.atttypid
    LEFT JOIN pg_catalog.pg_collation AS rule ON rule.oid = att.attcollation
    LEFT JOIN pg_catalog.pg_namespace AS at ON at.oid = rule.collnamespace
    LEFT JOIN pg_catalog.pg_attrdef AS value ON value.adrelid = relation.oid AND value.adnum = att.attnum
    LEFT JOIN owned AS inner_one ON inner_one.relation = relation.oid
        AND inner_one.position = att.attnum AND inner_one.deptype = 'i'
    LEFT JOIN pg_catalog.pg_sequence AS seq ON seq.seqrelid = inner_one.sequence
    LEFT JOIN serial ON serial.value = value.oid
    WHERE relation.relkind IN ('r', 'p') AND att.attnum > 0 AND NOT att.attisdropped
"""

_CONSTRAINTS = """
    SELECT 'constraint', CAST(con.conrelid AS bigint), 0, pg_catalog.jsonb_build_object(
        'name', con.conname, 'kind', con.contype,
        'definition', pg_catalog.pg_get_constraintdef(con.oid),
        'columns', (SELECT pg_catalog.jsonb_agg(att.attname ORDER BY key.place)
            FROM pg_catalog.unnest(con.conkey) WITH ORDINALITY AS key (position, place)
            JOIN pg_catalog.pg_attribute AS att
                ON att.attrelid = con.conrelid AND att.attnum = key.position),
        'expression', pg_catalog.pg_get_expr(con.conbin, con.conrelid),
        'validated', con.convalidated, 'deferrable', con.condeferrable, 'deferred', con.condeferred,
        'no_inherit', con.connoinherit AND con.contype = 'c',
        'referred', CASE WHEN con.confrelid <> 0 THEN (
            SELECT pg_catalog.jsonb_build_array(place.nspname, other.relname)
            FROM pg_catalog.pg_class AS other
            JOIN pg_catalog.pg_namespace AS place ON place.oid = other.relnamespace
            WHERE other.oid = con.confrelid) END,
        'referred_columns', (SELECT pg_catalog.jsonb_agg(att.attname ORDER BY key.place)
            FROM pg_catalog.unnest(con.confkey) WITH ORDINALITY AS key (position, place)
            JOIN pg_catalog.pg_attribute AS att
                ON att.attrelid = con.confrelid AND att.attnum = key.position),
        'operators', (SELECT pg_catalog.jsonb_agg(
                CASE place.nspname WHEN 'pg_catalog' THEN operator.oprname
                ELSE pg_catalog.format('OPERATOR(%I.%s)', place.nspname, operator.oprname) END
                ORDER BY key.place)
            FROM pg_catalog.unnest(con.conexclop) WITH ORDINALITY AS key (operator, place)
            JOIN pg_catalog.pg_operator AS operator ON operator.oid = key.operator
            JOIN pg_catalog.pg_namespace AS place ON place.oid = operator.oprnamespace),
        'index', index.relname)
    FROM relation
    JOIN pg_catalog.pg_constraint AS con ON con.conrelid = relation.oid
    LEFT JOIN pg_catalog.pg_class AS index ON index.oid = con.conindid
    WHERE relation.relkind IN ('r', 'p') AND con.contype IN ('c', 'f', 'p', 'u', 'x')
"""

# `indnullsnotdistinct` is of PostgreSQL 15; a row as JSON simply lacks it before.
_INDEXES = """
    SELECT 'index', CAST(entry.indrelid AS bigint), 0, pg_catalog.jsonb_build_object(
        'name', index.relname, 'unique', entry.indisunique, 'method', method.amname,
        'elements', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                'text', pg_catalog.pg_get_indexdef(entry.indexrelid, place, true),
                'column', att.attname,
                'opclass', CASE WHEN NOT opclass.opcdefault
                    THEN pg_catalog.jsonb_build_array(home.nspname, opclass.opcname) END,
                'options', key.attoptions,
                'collation', CASE WHEN rule.oid <> coalesce(att.attcollation, 100)
                    THEN pg_catalog.jsonb_build_array(at.nspname, rule.collname) END,
                'descending', entry.indoption[place - 1] & 1 = 1,
                'nulls_first', entry.indoption[place - 1] & 2 = 2) ORDER BY place)
            FROM pg_catalog.generate_series(1, CAST(entry.indnkeyatts AS integer)) AS place
            JOIN pg_catalog.pg_attribute AS key ON key.attrelid = entry.indexrelid AND key.attnum = place
            LEFT JOIN pg_catalog.pg_attribute AS att
                ON att.attrelid = entry.indrelid AND att.attnum = entry.indkey[place - 1] AND att.attnum <> 0
            LEFT JOIN pg_catalog.pg_opclass AS opclass ON opclass.oid = entry.indclass[place - 1]
            LEFT JOIN pg_catalog.pg_namespace AS home ON home.oid = opclass.opcnamespace
            LEFT JOIN pg_catalog.pg_collation AS rule ON rule.oid = entry.indcollation[place - 1]
            LEFT JOIN pg_catalog.pg_namespace AS at ON at.oid = rule.collnamespace),
        'include', (SELECT pg_catalog.jsonb_agg(att.attname ORDER BY place)
            FROM pg_catalog.generate_series(entry.indnkeyatts + 1, CAST(entry.indnatts AS integer)) AS place
            JOIN pg_catalog.pg_attribute AS att
                ON att.attrelid = entry.indrelid AND att.attnum = entry.indkey[place - 1]),
        'options', index.reloptions,
        'where', pg_catalog.pg_get_expr(entry.indpred, entry.indrelid),
        'nulls_not_distinct',
            coalesce(CAST(pg_catalog.to_jsonb(entry) ->> 'indnullsnotdistinct' AS boolean), false),
        'valid', entry.indisvalid,
        'constraint', EXISTS (SELECT FROM pg_catalog.pg_constraint AS con
            WHERE con.conindid = entry.indexrelid AND con.contype IN ('p', 'u', 'x')
                AND con.conrelid = entry.indrelid))
    FROM relation
    JOIN pg_catalog.pg_index AS entry ON entry.indrelid = relation.oid
    JOIN pg_catalog.pg_class AS index ON index.oid = entry.indexrelid
    JOIN pg_catalog.pg_am AS method ON method.oid = index.relam
    WHERE relation.relkind IN ('r', 'p')
"""

_ENUMS = """
    SELECT 'enum', 0, 0, pg_catalog.jsonb_build_object(
        'schema', place.nspname, 'name', type.typname, 'extension', member.extname,
        'type', pg_catalog.format_type(type.oid, NULL),
        'labels', (SELECT pg_catalog.jsonb_agg(label.enumlabel ORDER BY label.enumsortorder)
            FROM pg_catalog.pg_enum AS label WHERE label.enumtypid = type.oid))
    FROM emptied CROSS JOIN pg_catalog.pg_type AS type
    JOIN pg_catalog.pg_namespace AS place ON place.oid = type.typnamespace
    LEFT JOIN member ON member.objid = type.oid
        AND member.classid = CAST('pg_catalog.pg_type' AS pg_catalog.regclass)
    WHERE type.typtype = 'e' AND place.nspname = ANY(CAST(:schemas AS text[]))
"""

_SEQUENCES = """
    SELECT 'sequence', 0, 0, pg_catalog.jsonb_build_object(
        'schema', relation.nspname, 'name', relation.relname, 'extension', member.extname,
        'type', pg_catalog.format_type(seq.seqtypid, NULL), 'start', seq.seqstart,
        'increment', seq.seqincrement, 'minimum', seq.seqmin, 'maximum', seq.seqmax, 'cache', seq.seqcache,
        'cycle', seq.seqcycle, 'internal', owned.deptype IS NOT DISTINCT FROM 'i',
        'owner', CASE WHEN owned.relation IS NOT NULL THEN (
            SELECT pg_catalog.jsonb_build_array(place.nspname, class.relname, att.attname)
            FROM pg_catalog.pg_class AS class
            JOIN pg_catalog.pg_namespace AS place ON place.oid = class.relnamespace
            JOIN pg_catalog.pg_attribute AS att
                ON att.attrelid = class.oid AND att.attnum = owned.position
            WHERE class.oid = owned.relation) END)
    FROM relation
    JOIN pg_catalog.pg_sequence AS seq ON seq.seqrelid = relation.oid
    LEFT JOIN owned ON owned.sequence = relation.oid
    LEFT JOIN member ON member.objid = relation.oid
        AND member.classid = CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
"""

_EXTENSIONS = """
    SELECT 'extension', 0, 0, pg_catalog.jsonb_build_object(
        'name', extension.extname, 'schema', place.nspname, 'version', extension.extversion)
    FROM pg_catalog.pg_extension AS extension
    JOIN pg_catalog.pg_namespace AS place ON place.oid = extension.extnamespace
"""

# Not the array types that come with each (category A).
_EXTENSION_TYPES = """
    SELECT 'extension_type', 0, 0, pg_catalog.jsonb_build_object(
        'schema', place.nspname, 'name', type.typname, 'extension', member.extname)
    FROM member
    JOIN pg_catalog.pg_type AS type ON type.oid = member.objid
        AND member.classid = CAST('pg_catalog.pg_type' AS pg_catalog.regclass)
    JOIN pg_catalog.pg_namespace AS place ON place.oid = type.typnamespace
    WHERE type.typcategory <> 'A' AND type.typtype IN ('b', 'd', 'e', 'r')
"""

_SHARED = (
    f"WITH emptied AS MATERIALIZED ({_EMPTIED}), relation AS MATERIALIZED ({{relations}}), "
    f"member AS ({_MEMBERS}), owned AS ({_OWNED}), serial AS ({_SERIALS})"
)
_TABLE_PARTS = (_TABLES, _COLUMNS, _CONSTRAINTS, _INDEXES)


def _statement(*parts: str, relations: str = _RELATIONS) -> str:
    shared = _SHARED.format(relations=relations)
    rows = " UNION ALL ".join(parts)
    return (
        f"{shared} SELECT kind, relation, CAST(item AS text) FROM ({rows})"  # noqa: S608  # as above
        " AS found (kind, relation, position, item) ORDER BY relation, position"
    )


TABLES_ONLY = _statement(*_TABLE_PARTS)
"""Tables with all that is in them."""
EVERYTHING = _statement(*_TABLE_PARTS, _ENUMS, _SEQUENCES, _EXTENSIONS, _EXTENSION_TYPES)
SOME_TABLES = _statement(*_TABLE_PARTS, _ENUMS, _EXTENSION_TYPES, relations=_SOME_RELATIONS)
"""The tables whose oids are named, temporary ones, and the types that tables have."""
