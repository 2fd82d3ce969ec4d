"""The statements that read tables in outline, one for each kind of object, for all tables at once.

Numbers of columns come as ``oid[]``: about an array type that asyncpg does not know by itself, ``smallint[]``
or ``name[]``, it asks the server, in each connection anew, which takes longer than most of these statements.
"""

from __future__ import annotations

TABLES = """
    SELECT class.oid, place.nspname, class.relname,
        class.relispartition OR EXISTS (
            SELECT FROM pg_catalog.pg_depend AS link
            WHERE link.classid = CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
                AND link.objid = class.oid AND link.deptype = 'e'),
        note.description
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS place ON place.oid = class.relnamespace
    LEFT JOIN pg_catalog.pg_description AS note ON note.objoid = class.oid AND note.objsubid = 0
        AND note.classoid = CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
    WHERE class.relkind IN ('r', 'p') AND (
        class.relpersistence <> 't' AND place.nspname = ANY(CAST(:schemas AS text[]))
        OR place.oid = pg_catalog.pg_my_temp_schema() AND 'pg_temp' = ANY(CAST(:schemas AS text[])))
"""

# Those that a column owns ('a'), or that are inside it ('i').
SEQUENCES = """
    SELECT link.refobjid, link.refobjsubid, CAST(link.deptype AS text),
        CAST(CAST(seq.seqrelid AS pg_catalog.regclass) AS text),
        seq.seqstart, seq.seqincrement, seq.seqmin, seq.seqmax, seq.seqcache, seq.seqcycle
    FROM pg_catalog.pg_sequence AS seq
    JOIN pg_catalog.pg_depend AS link ON link.objid = seq.seqrelid
        AND link.classid = CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
        AND link.refclassid = CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
    WHERE link.refobjid = ANY(CAST(:tables AS oid[])) AND link.refobjsubid > 0 AND link.deptype IN ('a', 'i')
"""

COLUMNS = """
    SELECT att.attrelid, att.attnum, att.attname,
        pg_catalog.format_type(att.atttypid, att.atttypmod), att.attcollation,
        CASE WHEN att.attcollation <> type.typcollation THEN att.attcollation END,
        att.attnotnull, note.description, CAST(att.attgenerated AS text), CAST(att.attidentity AS text),
        pg_catalog.pg_get_expr(value.adbin, value.adrelid)
    FROM pg_catalog.pg_attribute AS att
    JOIN pg_catalog.pg_type AS type ON type.oid = att.atttypid
    LEFT JOIN pg_catalog.pg_attrdef AS value ON value.adrelid = att.attrelid AND value.adnum = att.attnum
    LEFT JOIN pg_catalog.pg_description AS note
        ON note.objoid = att.attrelid AND note.objsubid = att.attnum
        AND note.classoid = CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
    WHERE att.attrelid = ANY(CAST(:tables AS oid[])) AND att.attnum > 0 AND NOT att.attisdropped
"""

OPERATOR_CLASSES = """
    SELECT class.oid, place.nspname, class.opcname
    FROM pg_catalog.pg_opclass AS class
    JOIN pg_catalog.pg_namespace AS place ON place.oid = class.opcnamespace
    WHERE NOT class.opcdefault
"""

NULLS_NOT_DISTINCT = "entry.indnullsnotdistinct"
"""Of PostgreSQL 15."""

INDEXES = """
    SELECT entry.indexrelid, entry.indrelid, class.relname,
        entry.indexrelid IN (SELECT con.conindid FROM pg_catalog.pg_constraint AS con
            WHERE con.contype IN ('p', 'u', 'x')),
        entry.indisunique, method.amname, entry.indnkeyatts,
        CAST(CAST(entry.indkey AS smallint[]) AS oid[]) AS indkey, CAST(entry.indclass AS oid[]) AS indclass,
        CAST(CAST(entry.indoption AS smallint[]) AS oid[]) AS indoption,
        CAST(entry.indcollation AS oid[]) AS indcollation,
        class.reloptions,
        pg_catalog.pg_get_expr(entry.indexprs, entry.indrelid) AS expressions,
        pg_catalog.pg_get_expr(entry.indpred, entry.indrelid) AS condition,
        {nulls_not_distinct} AS nulls_not_distinct,
        CASE WHEN entry.indisvalid THEN more.parameters ELSE 'invalid' END AS more
    FROM pg_catalog.pg_index AS entry
    JOIN pg_catalog.pg_class AS class ON class.oid = entry.indexrelid
    JOIN pg_catalog.pg_am AS method ON method.oid = class.relam
    LEFT JOIN (
        SELECT att.attrelid AS index,
            pg_catalog.string_agg(pg_catalog.concat(att.attnum, att.attoptions), ' ' ORDER BY att.attnum)
                AS parameters
        FROM pg_catalog.pg_attribute AS att
        WHERE att.attoptions IS NOT NULL
        GROUP BY att.attrelid
    ) AS more ON more.index = entry.indexrelid
    WHERE entry.indrelid = ANY(CAST(:tables AS oid[]))
"""

SET_COLUMNS = "con.confdelsetcols IS NOT NULL"
"""``ON DELETE SET NULL (column)``, of PostgreSQL 15."""
PERIOD = "con.conperiod"
"""``WITHOUT OVERLAPS`` and ``PERIOD``, of PostgreSQL 18."""

CONSTRAINTS = """
    SELECT con.conrelid, con.conname, CAST(con.contype AS text), CAST(con.conkey AS oid[]),
        con.confrelid, CAST(con.confkey AS oid[]),
        pg_catalog.concat(con.confupdtype, con.confdeltype, con.confmatchtype),
        con.condeferrable, con.condeferred, con.connoinherit,
        CASE con.contype WHEN 'c' THEN pg_catalog.pg_get_expr(con.conbin, con.conrelid)
            WHEN 'x' THEN pg_catalog.pg_get_constraintdef(con.oid) END,
        con.conindid, {more}
    FROM pg_catalog.pg_constraint AS con
    WHERE con.conrelid = ANY(CAST(:tables AS oid[])) AND con.contype IN ('c', 'f', 'p', 'u', 'x')
"""

ENUMS = """
    SELECT place.nspname, type.typname,
        (SELECT pg_catalog.array_agg(CAST(label.enumlabel AS text) ORDER BY label.enumsortorder)
            FROM pg_catalog.pg_enum AS label WHERE label.enumtypid = type.oid),
        EXISTS (SELECT FROM pg_catalog.pg_depend AS link
            WHERE link.classid = CAST('pg_catalog.pg_type' AS pg_catalog.regclass)
                AND link.objid = type.oid AND link.deptype = 'e')
    FROM pg_catalog.pg_type AS type
    JOIN pg_catalog.pg_namespace AS place ON place.oid = type.typnamespace
    WHERE type.typtype = 'e' AND place.nspname = ANY(CAST(:schemas AS text[]))
"""
