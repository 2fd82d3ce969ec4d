"""Tables, and everything that is of a table."""

from __future__ import annotations

from headway.catalogue.part_rows import COLLATE, SEQUENCE_OPTIONS, USUAL_OPTIONS, part

_TABLES = part(
    "'table'",
    "pg_class",
    "relation.oid",
    schema="relation.nspname",
    name="relation.relname",
    make="""pg_catalog.concat('CREATE ', CASE WHEN relation.relpersistence = 'u' THEN 'UNLOGGED ' END,
        'TABLE ', relation.called)""",
    rest="""pg_catalog.concat(
        ' INHERITS (' || CASE WHEN NOT relation.relispartition THEN (
            SELECT pg_catalog.string_agg(pg_catalog.format('%I.%I', home.nspname, parent.relname), ', '
                ORDER BY link.inhseqno)
            FROM pg_catalog.pg_inherits AS link
            JOIN pg_catalog.pg_class AS parent ON parent.oid = link.inhparent
            JOIN pg_catalog.pg_namespace AS home ON home.oid = parent.relnamespace
            WHERE link.inhrelid = relation.oid) END || ')',
        ' PARTITION BY ' || pg_catalog.pg_get_partkeydef(relation.oid),
        (SELECT pg_catalog.format(' USING %I', method.amname) FROM pg_catalog.pg_am AS method
            WHERE method.oid = relation.relam AND method.amname <> 'heap'),
        ' WITH (' || pg_catalog.array_to_string(relation.reloptions, ', ') || ')')""",
    drop="pg_catalog.format('DROP TABLE %s', relation.called)",
    source="relation WHERE relation.relkind IN ('r', 'p')",
)

_ATTACHED = part(
    "'partition'",
    "pg_class",
    "relation.oid",
    position="-10",
    schema="relation.nspname",
    table="relation.relname",
    name="relation.relname",
    make="pg_catalog.format('ALTER TABLE %I.%I ATTACH PARTITION %s %s', home.nspname, parent.relname, "
    "relation.called, pg_catalog.pg_get_expr(relation.relpartbound, relation.oid))",
    rest="CAST(parent.oid AS text)",
    source="relation JOIN pg_catalog.pg_inherits AS link ON link.inhrelid = relation.oid "
    "JOIN pg_catalog.pg_class AS parent ON parent.oid = link.inhparent "
    "JOIN pg_catalog.pg_namespace AS home ON home.oid = parent.relnamespace WHERE relation.relispartition",
)

# The sequence's name is said only where it is not the one that it would get. A partition has its identity
# from its parent since PostgreSQL 17. NOT NULL has a name since 18; what is NOT VALID is said later.
_COLUMNS = part(
    "'column'",
    "pg_class",
    "relation.oid",
    position="att.attnum",
    schema="relation.nspname",
    table="relation.relname",
    name="att.attname",
    make=f"""pg_catalog.concat(pg_catalog.quote_ident(att.attname), ' ',
        pg_catalog.format_type(att.atttypid, att.atttypmod),
        {COLLATE.format("att.attcollation", "type.typcollation")},
        CASE att.attgenerated
            WHEN 's' THEN ' GENERATED ALWAYS AS (' || pg_catalog.pg_get_expr(value.adbin, value.adrelid)
                || ') STORED'
            WHEN 'v' THEN ' GENERATED ALWAYS AS (' || pg_catalog.pg_get_expr(value.adbin, value.adrelid)
                || ') VIRTUAL'
            ELSE ' DEFAULT ' || pg_catalog.pg_get_expr(value.adbin, value.adrelid) END,
        CASE WHEN att.attidentity <> '' AND NOT (relation.relispartition
                AND CAST(pg_catalog.current_setting('server_version_num') AS integer) >= 170000)
            THEN pg_catalog.concat(' GENERATED ',
                CASE att.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, ' AS IDENTITY',
                ' (' || nullif(pg_catalog.concat_ws(' ',
                    CASE WHEN counter.relname <> relation.relname || '_' || att.attname || '_seq'
                        THEN pg_catalog.format('SEQUENCE NAME %I.%I', relation.nspname, counter.relname) END,
                    CASE WHEN NOT ({USUAL_OPTIONS}) THEN {SEQUENCE_OPTIONS} END), '') || ')') END,
        CASE WHEN att.attnotnull AND coalesce(rule.convalidated, true) THEN pg_catalog.concat(
            ' CONSTRAINT ' || CASE WHEN rule.conname <> relation.relname || '_' || att.attname || '_not_null'
                THEN pg_catalog.quote_ident(rule.conname) END,
            ' NOT NULL', CASE WHEN rule.connoinherit THEN ' NO INHERIT' END) END)""",
    rest="CASE WHEN att.attislocal OR relation.relispartition THEN 'local' ELSE 'inherited' END",
    source="relation JOIN pg_catalog.pg_attribute AS att ON att.attrelid = relation.oid "
    "JOIN pg_catalog.pg_type AS type ON type.oid = att.atttypid "
    "LEFT JOIN pg_catalog.pg_attrdef AS value ON value.adrelid = relation.oid AND value.adnum = att.attnum "
    "LEFT JOIN owned ON owned.relation = relation.oid AND owned.position = att.attnum "
    "AND owned.deptype = 'i' "
    "LEFT JOIN pg_catalog.pg_sequence AS seq ON seq.seqrelid = owned.sequence "
    "LEFT JOIN pg_catalog.pg_class AS counter ON counter.oid = owned.sequence "
    "LEFT JOIN pg_catalog.pg_constraint AS rule ON rule.conrelid = relation.oid AND rule.contype = 'n' "
    "AND rule.conkey = ARRAY[att.attnum] "
    "WHERE relation.relkind IN ('r', 'p') AND att.attnum > 0 AND NOT att.attisdropped",
)

_SETTING = """pg_catalog.format('ALTER TABLE ONLY %s ALTER COLUMN %I ', relation.called, att.attname) || """
_COLUMN_SETTINGS = [
    part(
        f"'{kind}'",
        "pg_class",
        "relation.oid",
        position=f"att.attnum + 10000 * {number}",
        schema="relation.nspname",
        table="relation.relname",
        name="att.attname",
        make=_SETTING + made,
        source="relation JOIN pg_catalog.pg_attribute AS att ON att.attrelid = relation.oid "
        "JOIN pg_catalog.pg_type AS type ON type.oid = att.atttypid "
        "WHERE relation.relkind IN ('r', 'p', 'm') AND att.attnum > 0 AND NOT att.attisdropped "
        f"AND {where}",
    )
    for number, kind, made, where in (
        (
            1,
            "storage",
            (
                "'SET STORAGE ' || CASE att.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' "
                "WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END"
            ),
            "att.attstorage <> type.typstorage",
        ),
        (
            2,
            "compression",
            (
                "'SET COMPRESSION ' || CASE pg_catalog.to_jsonb(att) ->> 'attcompression' "
                "WHEN 'l' THEN 'lz4' ELSE 'pglz' END"
            ),
            "coalesce(pg_catalog.to_jsonb(att) ->> 'attcompression', '') <> ''",
        ),
        (
            3,
            "statistics target",
            "'SET STATISTICS ' || att.attstattarget",
            "coalesce(CAST(att.attstattarget AS integer), -1) <> -1",
        ),
        (
            4,
            "options",
            "'SET (' || pg_catalog.array_to_string(att.attoptions, ', ') || ')'",
            "att.attoptions IS NOT NULL",
        ),
    )
]

# What is inherited comes with the parent; a clone that a partition got of its parent's own is made again by
# ATTACH PARTITION, out of the one that was made before.
_CONSTRAINTS = part(
    """CASE con.contype WHEN 'c' THEN 'check constraint' WHEN 'f' THEN 'foreign key'
        WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique constraint' WHEN 'n' THEN 'not null constraint'
        ELSE 'exclude constraint' END""",
    "pg_constraint",
    "con.oid",
    schema="relation.nspname",
    table="relation.relname",
    name="con.conname",
    make="pg_catalog.format('CONSTRAINT %I %s', con.conname, pg_catalog.pg_get_constraintdef(con.oid))",
    rest="relation.called",
    source="""relation JOIN pg_catalog.pg_constraint AS con ON con.conrelid = relation.oid
        LEFT JOIN pg_catalog.pg_constraint AS above ON above.oid = con.conparentid
        WHERE relation.relkind IN ('r', 'p')
            AND (con.contype IN ('c', 'f', 'p', 'u', 'x') OR con.contype = 'n' AND NOT con.convalidated)
            AND (con.conislocal OR relation.relispartition OR con.contype NOT IN ('c', 'n'))
            AND above.conrelid IS DISTINCT FROM con.conrelid""",
)

_INDEXES = part(
    "'index'",
    "pg_class",
    "entry.indexrelid",
    schema="stored.nspname",
    table="stored.relname",
    name="index.relname",
    make="pg_catalog.pg_get_indexdef(entry.indexrelid)",
    drop="pg_catalog.format('DROP INDEX %I.%I', stored.nspname, index.relname)",
    source="""stored JOIN pg_catalog.pg_index AS entry ON entry.indrelid = stored.oid
        JOIN pg_catalog.pg_class AS index ON index.oid = entry.indexrelid
        WHERE entry.indisvalid AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS con
            WHERE con.conindid = entry.indexrelid AND con.contype IN ('p', 'u', 'x'))""",
)

# pg_get_constraintdef leaves these out.
_INDEX_OPTIONS = part(
    "'options of index'",
    "pg_class",
    "entry.indexrelid",
    position="3",
    schema="stored.nspname",
    table="stored.relname",
    name="index.relname",
    make="pg_catalog.format('ALTER INDEX %I.%I SET (%s)', stored.nspname, index.relname, "
    "pg_catalog.array_to_string(index.reloptions, ', '))",
    source="""stored JOIN pg_catalog.pg_index AS entry ON entry.indrelid = stored.oid
        JOIN pg_catalog.pg_class AS index ON index.oid = entry.indexrelid
        WHERE index.reloptions IS NOT NULL AND EXISTS (SELECT FROM pg_catalog.pg_constraint AS con
            WHERE con.conindid = entry.indexrelid AND con.contype IN ('p', 'u', 'x'))""",
)

_MARKS = [
    part(
        f"'{kind}'",
        "pg_class",
        "entry.indexrelid",
        position=str(number),
        schema="stored.nspname",
        table="stored.relname",
        name="index.relname",
        make=f"pg_catalog.format('ALTER TABLE %s {words} %I', stored.called, index.relname)",
        source="stored JOIN pg_catalog.pg_index AS entry ON entry.indrelid = stored.oid "
        f"JOIN pg_catalog.pg_class AS index ON index.oid = entry.indexrelid WHERE {where}",
    )
    for number, kind, words, where in (
        (1, "clustering", "CLUSTER ON", "entry.indisclustered"),
        (
            2,
            "replica identity",
            "REPLICA IDENTITY USING INDEX",
            "entry.indisreplident AND stored.relreplident = 'i'",
        ),
    )
]

_TABLE_MARKS = [
    part(
        f"'{kind}'",
        "pg_class",
        "stored.oid",
        position=str(-number),
        schema="stored.nspname",
        table="stored.relname",
        name="stored.relname",
        make=f"'ALTER TABLE ' || stored.called || {words}",
        source=f"stored WHERE {where}",
    )
    for number, kind, words, where in (
        (
            1,
            "replica identity",
            "' REPLICA IDENTITY ' || CASE stored.relreplident WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END",
            "stored.relreplident IN ('f', 'n') AND stored.relkind IN ('r', 'p')",
        ),
        (2, "row security", "' ENABLE ROW LEVEL SECURITY'", "stored.relrowsecurity"),
        (3, "forced row security", "' FORCE ROW LEVEL SECURITY'", "stored.relforcerowsecurity"),
    )
]

_OWN_TRIGGER = "NOT act.tgisinternal AND act.tgparentid = 0"
_TRIGGERS = part(
    "'trigger'",
    "pg_trigger",
    "act.oid",
    schema="relation.nspname",
    table="relation.relname",
    name="act.tgname",
    make="pg_catalog.pg_get_triggerdef(act.oid)",
    drop="pg_catalog.format('DROP TRIGGER %I ON %s', act.tgname, relation.called)",
    source=f"relation JOIN pg_catalog.pg_trigger AS act ON act.tgrelid = relation.oid WHERE {_OWN_TRIGGER}",
)
_TRIGGER_STATES = part(
    "'state of trigger'",
    "pg_trigger",
    "act.oid",
    position="1",
    schema="relation.nspname",
    table="relation.relname",
    name="act.tgname",
    make="pg_catalog.format('ALTER TABLE %s %s TRIGGER %I', relation.called, CASE act.tgenabled "
    "WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, act.tgname)",
    source="relation JOIN pg_catalog.pg_trigger AS act ON act.tgrelid = relation.oid "
    f"WHERE {_OWN_TRIGGER} AND act.tgenabled <> 'O'",
)

_RULES = part(
    "'rule'",
    "pg_rewrite",
    "rule.oid",
    schema="relation.nspname",
    table="relation.relname",
    name="rule.rulename",
    make="pg_catalog.rtrim(pg_catalog.pg_get_ruledef(rule.oid), ';')",
    drop="pg_catalog.format('DROP RULE %I ON %s', rule.rulename, relation.called)",
    source="relation JOIN pg_catalog.pg_rewrite AS rule ON rule.ev_class = relation.oid "
    "WHERE rule.rulename <> '_RETURN'",
)

_POLICIES = part(
    "'policy'",
    "pg_policy",
    "policy.oid",
    schema="relation.nspname",
    table="relation.relname",
    name="policy.polname",
    make="""pg_catalog.concat('CREATE POLICY ', pg_catalog.quote_ident(policy.polname), ' ON ',
        relation.called, CASE WHEN NOT policy.polpermissive THEN ' AS RESTRICTIVE' END,
        CASE policy.polcmd WHEN 'r' THEN ' FOR SELECT' WHEN 'a' THEN ' FOR INSERT' WHEN 'w' THEN ' FOR UPDATE'
            WHEN 'd' THEN ' FOR DELETE' END,
        ' TO ' || (SELECT pg_catalog.string_agg(CASE role.one WHEN 0 THEN 'PUBLIC'
                ELSE CAST(CAST(role.one AS pg_catalog.regrole) AS text) END, ', ' ORDER BY role.one)
            FROM pg_catalog.unnest(policy.polroles) AS role (one) WHERE policy.polroles <> '{0}'),
        ' USING (' || pg_catalog.pg_get_expr(policy.polqual, policy.polrelid) || ')',
        ' WITH CHECK (' || pg_catalog.pg_get_expr(policy.polwithcheck, policy.polrelid) || ')')""",
    drop="pg_catalog.format('DROP POLICY %I ON %s', policy.polname, relation.called)",
    source="relation JOIN pg_catalog.pg_policy AS policy ON policy.polrelid = relation.oid",
)

OF_TABLES = (
    *(_TABLES, _ATTACHED, _COLUMNS, *_COLUMN_SETTINGS, _CONSTRAINTS, _INDEXES, _INDEX_OPTIONS),
    *(*_MARKS, *_TABLE_MARKS, _TRIGGERS, _TRIGGER_STATES, _RULES, _POLICIES),
)
"""A SELECT for each kind, over ``relation``, ``stored`` and ``owned``."""
