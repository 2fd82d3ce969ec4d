"""What stands by itself or on a view: schemas, extensions, types, sequences, views, routines, comments."""

from __future__ import annotations

from headway.catalogue.part_rows import (
    COLLATE,
    MADE_BY_ITSELF,
    SEQUENCE_OPTIONS,
    USUAL_OPTIONS,
    no_member,
    part,
)

_SCHEMAS = part(
    "'schema'",
    "pg_namespace",
    "place.oid",
    schema="NULL",
    name="place.nspname",
    make="pg_catalog.format('CREATE SCHEMA %I', place.nspname)",
    drop="pg_catalog.format('DROP SCHEMA %I', place.nspname)",
    source=f"place WHERE place.nspname <> 'public' AND {no_member('pg_namespace', 'place.oid')}",
)

_EXTENSIONS = part(
    "'extension'",
    "pg_extension",
    "extension.oid",
    schema="NULL",
    name="extension.extname",
    make="pg_catalog.format('CREATE EXTENSION IF NOT EXISTS %I WITH SCHEMA %I', extension.extname, "
    "home.nspname)",
    drop="pg_catalog.format('DROP EXTENSION %I', extension.extname)",
    source="pg_catalog.pg_extension AS extension "
    "JOIN pg_catalog.pg_namespace AS home ON home.oid = extension.extnamespace "
    "WHERE extension.extname <> 'plpgsql'",
)

_TYPE = "pg_catalog.format_type(type.oid, NULL)"

_ENUMS = part(
    "'enum'",
    "pg_type",
    "type.oid",
    name="type.typname",
    make=f"""pg_catalog.format('CREATE TYPE %s AS ENUM (%s)', {_TYPE}, (
        SELECT pg_catalog.string_agg(pg_catalog.quote_literal(label.enumlabel), ', '
            ORDER BY label.enumsortorder)
        FROM pg_catalog.pg_enum AS label WHERE label.enumtypid = type.oid))""",  # noqa: S608  # as above
    drop=f"pg_catalog.format('DROP TYPE %s', {_TYPE})",
    source="pg_catalog.pg_type AS type JOIN place ON place.oid = type.typnamespace "
    f"WHERE type.typtype = 'e' AND {no_member('pg_type', 'type.oid')}",
)

_DOMAINS = part(
    "'domain'",
    "pg_type",
    "type.oid",
    name="type.typname",
    make=f"""pg_catalog.concat('CREATE DOMAIN ', {_TYPE}, ' AS ',
        pg_catalog.format_type(type.typbasetype, type.typtypmod),
        {COLLATE.format("type.typcollation", "under.typcollation")},
        ' DEFAULT ' || pg_catalog.pg_get_expr(type.typdefaultbin, 0),
        CASE WHEN type.typnotnull THEN ' NOT NULL' END)""",
    drop=f"pg_catalog.format('DROP DOMAIN %s', {_TYPE})",
    source="pg_catalog.pg_type AS type JOIN place ON place.oid = type.typnamespace "
    "JOIN pg_catalog.pg_type AS under ON under.oid = type.typbasetype "
    f"WHERE type.typtype = 'd' AND {no_member('pg_type', 'type.oid')}",
)

_DOMAIN_CONSTRAINTS = part(
    "'domain constraint'",
    "pg_constraint",
    "con.oid",
    table="type.typname",
    name="con.conname",
    make=f"pg_catalog.format('ALTER DOMAIN %s ADD CONSTRAINT %I %s', {_TYPE}, con.conname, "
    "pg_catalog.pg_get_constraintdef(con.oid))",
    source="pg_catalog.pg_constraint AS con JOIN pg_catalog.pg_type AS type ON type.oid = con.contypid "
    "JOIN place ON place.oid = type.typnamespace "
    f"WHERE con.contype = 'c' AND {no_member('pg_type', 'type.oid')}",
)

_RANGES = part(
    "'range'",
    "pg_type",
    "type.oid",
    name="type.typname",
    make=f"""pg_catalog.concat('CREATE TYPE ', {_TYPE}, ' AS RANGE (SUBTYPE = ',
        pg_catalog.format_type(range.rngsubtype, NULL),
        (SELECT pg_catalog.format(', SUBTYPE_OPCLASS = %I.%I', home.nspname, opclass.opcname)
            FROM pg_catalog.pg_opclass AS opclass
            JOIN pg_catalog.pg_namespace AS home ON home.oid = opclass.opcnamespace
            WHERE opclass.oid = range.rngsubopc AND NOT opclass.opcdefault),
        (SELECT pg_catalog.format(', COLLATION = %I.%I', home.nspname, rule.collname)
            FROM pg_catalog.pg_collation AS rule
            JOIN pg_catalog.pg_namespace AS home ON home.oid = rule.collnamespace
            WHERE rule.oid = range.rngcollation),
        CASE WHEN CAST(range.rngcanonical AS oid) <> 0 THEN ', CANONICAL = ' || range.rngcanonical END,
        CASE WHEN CAST(range.rngsubdiff AS oid) <> 0 THEN ', SUBTYPE_DIFF = ' || range.rngsubdiff END,
        ', MULTIRANGE_TYPE_NAME = ' || pg_catalog.format_type(
            CAST(pg_catalog.to_jsonb(range) ->> 'rngmultitypid' AS oid), NULL), ')')""",  # noqa: S608  # as above
    drop=f"pg_catalog.format('DROP TYPE %s', {_TYPE})",
    source="pg_catalog.pg_type AS type JOIN place ON place.oid = type.typnamespace "
    "JOIN pg_catalog.pg_range AS range ON range.rngtypid = type.oid "
    f"WHERE type.typtype = 'r' AND {no_member('pg_type', 'type.oid')}",
)

_COMPOSITES = part(
    "'composite type'",
    "pg_class",
    "relation.oid",
    schema="relation.nspname",
    name="relation.relname",
    make=f"""pg_catalog.format('CREATE TYPE %s AS (%s)', relation.called, (
        SELECT pg_catalog.string_agg(pg_catalog.concat(pg_catalog.quote_ident(att.attname), ' ',
            pg_catalog.format_type(att.atttypid, att.atttypmod),
            {COLLATE.format("att.attcollation", "type.typcollation")}), ', ' ORDER BY att.attnum)
        FROM pg_catalog.pg_attribute AS att JOIN pg_catalog.pg_type AS type ON type.oid = att.atttypid
        WHERE att.attrelid = relation.oid AND att.attnum > 0 AND NOT att.attisdropped))""",  # noqa: S608  # as above
    drop="pg_catalog.format('DROP TYPE %s', relation.called)",
    source="relation WHERE relation.relkind = 'c'",
)

_COLLATIONS = part(
    "'collation'",
    "pg_collation",
    "rule.oid",
    name="rule.collname",
    make="""pg_catalog.format('CREATE COLLATION %I.%I (%s)', place.nspname, rule.collname,
        pg_catalog.concat_ws(', ',
            'PROVIDER = ' || CASE rule.collprovider
                WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
            'LOCALE = ' || pg_catalog.quote_literal(coalesce(pg_catalog.to_jsonb(rule) ->> 'colllocale',
                pg_catalog.to_jsonb(rule) ->> 'colliculocale',
                CASE WHEN rule.collprovider = 'i' THEN CAST(rule.collcollate AS text) END)),
            CASE WHEN rule.collprovider = 'c' THEN pg_catalog.format(
                'LC_COLLATE = %L, LC_CTYPE = %L', rule.collcollate, rule.collctype) END,
            CASE WHEN NOT rule.collisdeterministic THEN 'DETERMINISTIC = false' END,
            'RULES = ' || pg_catalog.quote_literal(pg_catalog.to_jsonb(rule) ->> 'collicurules')))""",
    drop="pg_catalog.format('DROP COLLATION %I.%I', place.nspname, rule.collname)",
    source="pg_catalog.pg_collation AS rule JOIN place ON place.oid = rule.collnamespace "
    f"WHERE {no_member('pg_collation', 'rule.oid')}",
)

_SEQUENCES = part(
    "'sequence'",
    "pg_class",
    "relation.oid",
    schema="relation.nspname",
    name="relation.relname",
    make=f"""pg_catalog.concat('CREATE ', CASE WHEN relation.relpersistence = 'u' THEN 'UNLOGGED ' END,
        'SEQUENCE ', relation.called, ' AS ', pg_catalog.format_type(seq.seqtypid, NULL),
        CASE WHEN NOT ({USUAL_OPTIONS}) THEN ' ' || {SEQUENCE_OPTIONS} END)""",
    drop="CASE WHEN owned.sequence IS NULL THEN pg_catalog.format('DROP SEQUENCE %s', relation.called) END",
    source="relation JOIN pg_catalog.pg_sequence AS seq ON seq.seqrelid = relation.oid "
    "LEFT JOIN owned ON owned.sequence = relation.oid WHERE owned.deptype IS DISTINCT FROM 'i'",
)

_OWNERS = part(
    "'owner of sequence'",
    "pg_class",
    "relation.oid",
    schema="relation.nspname",
    name="relation.relname",
    position="owned.position",
    make="pg_catalog.format('ALTER SEQUENCE %s OWNED BY %s.%I', relation.called, holder.called, att.attname)",
    rest="CAST(holder.oid AS text)",
    source="owned JOIN relation ON relation.oid = owned.sequence "
    "JOIN relation AS holder ON holder.oid = owned.relation "
    "JOIN pg_catalog.pg_attribute AS att ON att.attrelid = holder.oid AND att.attnum = owned.position "
    "WHERE owned.deptype = 'a'",
)

_VIEWS = part(
    "CASE relation.relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END",
    "pg_class",
    "relation.oid",
    schema="relation.nspname",
    name="relation.relname",
    make="""pg_catalog.concat('CREATE ', CASE relation.relkind WHEN 'm' THEN 'MATERIALIZED ' END, 'VIEW ',
        relation.called, ' WITH (' || pg_catalog.array_to_string(relation.reloptions, ', ') || ')', ' AS\n',
        pg_catalog.rtrim(pg_catalog.pg_get_viewdef(relation.oid), ';'),
        CASE WHEN NOT relation.relispopulated THEN '\n  WITH NO DATA' END)""",
    drop="pg_catalog.concat('DROP ', CASE relation.relkind WHEN 'm' THEN 'MATERIALIZED ' END, 'VIEW ', "
    "relation.called)",
    source="relation WHERE relation.relkind IN ('v', 'm')",
)

_VIEW_DEFAULTS = part(
    "'default of view'",
    "pg_attrdef",
    "value.oid",
    schema="relation.nspname",
    table="relation.relname",
    name="att.attname",
    make="pg_catalog.format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', relation.called, att.attname, "
    "pg_catalog.pg_get_expr(value.adbin, value.adrelid))",
    source="relation JOIN pg_catalog.pg_attrdef AS value ON value.adrelid = relation.oid "
    "JOIN pg_catalog.pg_attribute AS att ON att.attrelid = relation.oid AND att.attnum = value.adnum "
    "WHERE relation.relkind = 'v'",
)

_ROUTINES = part(
    "CASE routine.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END",
    "pg_proc",
    "routine.oid",
    name="routine.proname || '(' || pg_catalog.pg_get_function_identity_arguments(routine.oid) || ')'",
    make="pg_catalog.pg_get_functiondef(routine.oid)",
    drop="pg_catalog.format('DROP ROUTINE %I.%I(%s)', place.nspname, routine.proname, "
    "pg_catalog.pg_get_function_identity_arguments(routine.oid))",
    source="pg_catalog.pg_proc AS routine JOIN place ON place.oid = routine.pronamespace "
    f"WHERE routine.prokind <> 'a' AND {no_member('pg_proc', 'routine.oid', within=MADE_BY_ITSELF)}",
)

_STATISTICS = part(
    "'statistics'",
    "pg_statistic_ext",
    "facts.oid",
    name="facts.stxname",
    make="pg_catalog.pg_get_statisticsobjdef(facts.oid)",
    drop="pg_catalog.format('DROP STATISTICS %I.%I', place.nspname, facts.stxname)",
    source="pg_catalog.pg_statistic_ext AS facts JOIN place ON place.oid = facts.stxnamespace",
)

_COMMENTS = """
    SELECT 'comment', CAST(said.classoid AS bigint), CAST(said.objoid AS bigint), said.objsubid,
        CAST(what.schema AS text), NULL, what.type || ' ' || what.identity,
        pg_catalog.format('COMMENT ON %s %s IS %L',
            CASE WHEN what.type LIKE '% column' THEN 'COLUMN' WHEN what.type LIKE '% constraint'
                THEN 'CONSTRAINT' WHEN what.type = 'statistics object' THEN 'STATISTICS'
                ELSE pg_catalog.upper(what.type) END,
            CASE WHEN what.type = 'domain constraint' THEN (
                SELECT pg_catalog.format('%I ON DOMAIN %s', con.conname,
                    pg_catalog.format_type(con.contypid, NULL))
                FROM pg_catalog.pg_constraint AS con WHERE con.oid = said.objoid)
            ELSE what.identity END, said.description), said.description, NULL
    FROM pg_catalog.pg_description AS said
    CROSS JOIN pg_catalog.pg_identify_object(said.classoid, said.objoid, said.objsubid) AS what
    WHERE (said.objoid >= 16384 OR what.type = 'schema') AND what.type <> 'extension'
        AND what.identity IS NOT NULL AND said.description <> 'standard public schema'
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS link WHERE link.deptype = 'e'
            AND link.classid = said.classoid AND link.objid = said.objoid)
"""  # as above

ALONE = (
    *(_SCHEMAS, _EXTENSIONS, _COLLATIONS, _ENUMS, _DOMAINS, _DOMAIN_CONSTRAINTS, _RANGES, _COMPOSITES),
    *(_SEQUENCES, _OWNERS, _VIEWS, _VIEW_DEFAULTS, _ROUTINES, _STATISTICS, _COMMENTS),
)
"""A SELECT for each kind, over ``place``, ``relation`` and ``owned``."""
