"""The statements that read everything a database holds as parts: each with the SQL that makes it.

Ordinary ones, of a fixed number whatever the size of the database. All are printed with an empty search_path.
"""

from __future__ import annotations

from headway.catalogue.part_rows import MADE_BY_ITSELF, class_, no_member
from headway.catalogue.parts_alone import ALONE
from headway.catalogue.parts_of_tables import OF_TABLES

# Those asked for, or all that are not the system's.
_SHARED = f"""
    WITH place AS MATERIALIZED (
        SELECT space.oid, space.nspname FROM pg_catalog.pg_namespace AS space
        WHERE space.nspname !~ '^pg_' AND space.nspname <> 'information_schema'
            AND (CAST(:schemas AS text[]) IS NULL OR space.nspname = ANY(CAST(:schemas AS text[])))
    ), relation AS MATERIALIZED (
        SELECT class.*, place.nspname, pg_catalog.format('%I.%I', place.nspname, class.relname) AS called
        FROM pg_catalog.pg_class AS class JOIN place ON place.oid = class.relnamespace
        WHERE class.relkind IN ('r', 'p', 'v', 'm', 'S', 'c') AND {no_member("pg_class", "class.oid")}
    ), stored AS (SELECT * FROM relation WHERE relkind IN ('r', 'p', 'm')
    ), owned AS (
        SELECT link.objid AS sequence, link.refobjid AS relation, link.refobjsubid AS position, link.deptype
        FROM pg_catalog.pg_depend AS link
        WHERE link.classid = {class_("pg_class")} AND link.refclassid = {class_("pg_class")}
            AND link.refobjsubid > 0 AND link.deptype IN ('a', 'i')
            AND EXISTS (SELECT FROM pg_catalog.pg_sequence AS seq WHERE seq.seqrelid = link.objid)
    )
"""  # noqa: S608  # constants of ours

PARTS = f"{_SHARED} " + " UNION ALL ".join((*ALONE, *OF_TABLES))  # as above
"""A row for each part, in no order: kind, its catalogue, oid, position, schema, table, name, its SQL."""

ALIASES = f"""
    SELECT {class_("pg_attrdef")}, CAST(oid AS bigint), {class_("pg_class")}, CAST(adrelid AS bigint)
        FROM pg_catalog.pg_attrdef
    UNION ALL SELECT {class_("pg_rewrite")}, CAST(oid AS bigint), {class_("pg_class")},
        CAST(ev_class AS bigint) FROM pg_catalog.pg_rewrite WHERE rulename = '_RETURN' AND oid >= 16384
    UNION ALL SELECT {class_("pg_type")}, CAST(oid AS bigint), {class_("pg_class")}, CAST(typrelid AS bigint)
        FROM pg_catalog.pg_type WHERE typrelid <> 0 AND oid >= 16384
    UNION ALL SELECT {class_("pg_type")}, CAST(oid AS bigint), {class_("pg_type")}, CAST(typelem AS bigint)
        FROM pg_catalog.pg_type WHERE typelem <> 0 AND typcategory = 'A' AND oid >= 16384
    UNION ALL SELECT {class_("pg_type")},
        CAST(pg_catalog.to_jsonb(range) ->> 'rngmultitypid' AS bigint), {class_("pg_type")},
        CAST(rngtypid AS bigint) FROM pg_catalog.pg_range AS range WHERE rngtypid >= 16384
    UNION ALL SELECT {class_("pg_class")}, CAST(conindid AS bigint), {class_("pg_constraint")},
        CAST(oid AS bigint) FROM pg_catalog.pg_constraint WHERE contype IN ('p', 'u', 'x')
    UNION ALL SELECT CAST(classid AS bigint), CAST(objid AS bigint), CAST(refclassid AS bigint),
        CAST(refobjid AS bigint) FROM pg_catalog.pg_depend AS link WHERE deptype = 'e'
            OR deptype = 'i' AND classid = {class_("pg_class")} AND refclassid = {class_("pg_class")}
                AND EXISTS (SELECT FROM pg_catalog.pg_sequence AS seq WHERE seq.seqrelid = link.objid)
"""  # noqa: S608  # as above
"""What is within another object: its catalogue and oid, and the other one's."""

EDGES = """
    SELECT DISTINCT CAST(classid AS bigint), CAST(objid AS bigint), CAST(refclassid AS bigint),
        CAST(refobjid AS bigint)
    FROM pg_catalog.pg_depend
    WHERE objid >= 16384 AND refobjid >= 16384 AND deptype IN ('n', 'a', 'i', 'P', 'S')
"""
"""What needs what, by catalogue and oid; only between what users made (FirstNormalObjectId)."""

_UNSPOKEN = {
    "pg_proc": "item.prokind = 'a'",
    "pg_operator": "true",
    "pg_opclass": "true",
    "pg_opfamily": "true",
    "pg_cast": "true",
    "pg_type": "item.typtype IN ('b', 'p') AND NOT (item.typtype = 'b' AND item.typcategory = 'A')",
    "pg_ts_config": "true",
    "pg_ts_dict": "true",
    "pg_ts_parser": "true",
    "pg_ts_template": "true",
    "pg_conversion": "true",
    "pg_transform": "true",
    "pg_language": "true",
    "pg_am": "true",
    "pg_foreign_data_wrapper": "true",
    "pg_foreign_server": "true",
    "pg_publication": "true",
    "pg_event_trigger": "true",
    "pg_default_acl": "true",
    "pg_class": "item.relkind = 'f' OR item.reloftype <> 0 OR item.reltablespace <> 0 AND item.relkind <> 'i'"
    " OR item.relkind = 'i' AND EXISTS (SELECT FROM pg_catalog.pg_index AS entry "
    "WHERE entry.indexrelid = item.oid AND NOT entry.indisvalid)",
}

_WHY = """CASE WHEN what.type = 'index' THEN 'invalid index' WHEN what.type IN ('table', 'materialized view')
    THEN what.type || ' of a type or in a tablespace of its own:' ELSE what.type END"""

UNSPOKEN = " UNION ALL ".join(
    [
        f"SELECT CAST(what.schema AS text), {_WHY} || ' ' || what.identity "  # noqa: S608  # constants of ours
        f"FROM pg_catalog.{catalogue} AS item "
        f"CROSS JOIN pg_catalog.pg_identify_object(CAST({class_(catalogue)} AS oid), item.oid, 0) AS what "
        f"WHERE item.oid >= 16384 AND ({where}) AND {no_member(catalogue, 'item.oid', within=MADE_BY_ITSELF)}"
        for catalogue, where in _UNSPOKEN.items()
    ]
    + [
        f"SELECT CAST(what.schema AS text), 'privileges on ' || what.type || ' ' || what.identity "  # noqa: S608  # as above
        f"FROM pg_catalog.{catalogue} AS item "
        f"CROSS JOIN pg_catalog.pg_identify_object(CAST({class_(catalogue)} AS oid), item.oid, 0) AS what "
        f"WHERE item.oid >= 16384 AND item.{acl} IS NOT NULL "
        f"AND {no_member(catalogue, 'item.oid', within=MADE_BY_ITSELF)}"
        for catalogue, acl in {
            "pg_class": "relacl",
            "pg_proc": "proacl",
            "pg_type": "typacl",
            "pg_namespace": "nspacl",
        }.items()
    ]
)
"""What no part tells of, or not all of it: schema and description."""
