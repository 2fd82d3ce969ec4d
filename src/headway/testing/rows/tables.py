"""Tables as a generator of rows must know them, read from the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    import asyncpg

# $1 are the names of bookkeeping tables. A partition is filled through its parent.
_TABLES = """
    SELECT c.oid::bigint AS oid, c.oid::pg_catalog.regclass::text AS name, c.relname,
           c.relkind = 'p' AS partitioned
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> ALL ($1)
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_depend AS e
          WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid AND e.deptype = 'e'
      )
    ORDER BY c.oid
"""
# A domain is followed to the type under it; its rules are gathered on the way.
_COLUMNS = """
    WITH RECURSIVE under (relation, number, type, typmod, not_null, rules) AS (
        SELECT a.attrelid, a.attnum, a.atttypid, a.atttypmod, a.attnotnull, '{}'::text[]
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT u.relation, u.number, t.typbasetype, t.typtypmod, u.not_null OR t.typnotnull,
               u.rules || ARRAY(
                   SELECT pg_catalog.pg_get_expr(k.conbin, 0) COLLATE pg_catalog."default"
                   FROM pg_catalog.pg_constraint AS k WHERE k.contypid = t.oid AND k.contype = 'c'
               )
        FROM under AS u JOIN pg_catalog.pg_type AS t ON t.oid = u.type WHERE t.typtype = 'd'
    )
    SELECT a.attrelid::bigint AS relation, a.attnum AS number, a.attname AS name,
           pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, t.typname AS base, e.typname AS element,
           pg_catalog.format_type(t.oid, u.typmod) AS plain, u.typmod AS typmod, u.not_null,
           u.rules AS rules, a.atthasdef AND a.attgenerated = '' AS has_default,
           a.attgenerated <> '' AS generated,
           a.attidentity <> '' OR coalesce(
               pg_catalog.pg_get_expr(d.adbin, d.adrelid) ~ '^nextval', false
           ) AS counted,
           ARRAY(
               SELECT l.enumlabel::text FROM pg_catalog.pg_enum AS l
               WHERE l.enumtypid IN (t.oid, t.typelem) ORDER BY l.enumsortorder
           ) AS labels,
           (
               SELECT s.typname FROM pg_catalog.pg_range AS r
               JOIN pg_catalog.pg_type AS s ON s.oid = r.rngsubtype
               WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
           ) AS bound,
           t.typtype = 'm' AS multirange
    FROM under AS u
    JOIN pg_catalog.pg_type AS t ON t.oid = u.type AND t.typtype <> 'd'
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = u.relation AND a.attnum = u.number
    LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem AND t.typcategory = 'A'
    LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    ORDER BY a.attrelid, a.attnum
"""
_CONSTRAINTS = """
    SELECT k.conrelid::bigint AS relation, k.conname AS name, k.contype AS kind, k.conkey AS columns,
           k.confrelid::bigint AS parent, k.confkey AS referenced,
           CASE WHEN k.contype = 'c' THEN pg_catalog.pg_get_expr(k.conbin, k.conrelid) END AS rule
    FROM pg_catalog.pg_constraint AS k
    WHERE k.conrelid = ANY ($1::oid[]) AND k.contype IN ('c', 'f', 'p') ORDER BY k.conrelid, k.conname
"""
# A row of a partitioned table must fit one of its partitions.
_PARTITIONS = """
    SELECT i.inhparent::bigint AS relation, p.partattrs::int2[] AS columns,
           pg_catalog.string_agg(
               coalesce(pg_catalog.pg_get_partition_constraintdef(i.inhrelid), 'true'), ' OR '
           ) AS rule
    FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_partitioned_table AS p ON p.partrelid = i.inhparent
    WHERE i.inhparent = ANY ($1::oid[]) GROUP BY i.inhparent, p.partattrs
"""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        number: its number, which stays when it is renamed.
        name: as it is called.
        type: for a cast, with its length or precision.
        base: the name of the type under all domains.
        plain: that type for a cast.
        element: of an array, its elements' type's name; else ``None``.
        typmod: length, precision or dimensions as the type encodes them; -1 for none.
        not_null: whether NULL is refused, by the column or a domain.
        rules: the CHECKs of its domains, which speak of ``VALUE``.
        has_default: whether leaving it out is allowed though NULL is not.
        generated: whether PostgreSQL computes it.
        counted: whether a sequence gives its values.
        labels: of an enum, or of an array of one.
        bound: of a range or multirange, the name of its bounds' type; else ``None``.
        multirange: whether it is several ranges.
    """

    number: int
    name: str
    type: str
    base: str
    plain: str
    element: str | None
    typmod: int
    not_null: bool
    rules: tuple[str, ...]
    has_default: bool
    generated: bool
    counted: bool
    labels: tuple[str, ...]
    bound: str | None
    multirange: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """A CHECK, or what the partitions of a table take: an expression over these columns."""

    columns: tuple[int, ...]
    expression: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key: these columns hold what those of the parent hold."""

    columns: tuple[int, ...]
    parent: int
    referenced: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        oid: its number, which stays when it is renamed.
        name: quoted, and with its schema where needed.
        relname: without either.
        partitioned: whether its rows lie in partitions.
        columns: by number.
        key: numbers of the primary key's columns; empty without one.
        rules: its CHECKs.
        references: its foreign keys.
    """

    oid: int
    name: str
    relname: str
    partitioned: bool
    columns: dict[int, Column]
    key: tuple[int, ...]
    rules: tuple[Rule, ...]
    references: tuple[Reference, ...]


async def read_tables(
    connection: asyncpg.Connection[asyncpg.Record], bookkeeping: Collection[str]
) -> dict[int, Table]:
    """The database's tables by their oid; empty when there are none.

    Args:
        connection: to the database; its search path decides how names are written.
        bookkeeping: names of tables that do not count.
    """
    relations = await connection.fetch(_TABLES, [*bookkeeping])
    oids = [row["oid"] for row in relations]
    columns, constraints, partitions = [await connection.fetch(query, oids) for query in _MORE]
    return {
        row["oid"]: _table(
            row,
            [column for column in columns if column["relation"] == row["oid"]],
            [entry for entry in [*constraints, *partitions] if entry["relation"] == row["oid"]],
        )
        for row in relations
    }


_MORE = (_COLUMNS, _CONSTRAINTS, _PARTITIONS)


def _table(row: Any, columns: list[Any], constraints: list[Any]) -> Table:
    def of(kind: str) -> list[Any]:
        return [entry for entry in constraints if entry.get("kind") == kind.encode()]

    rules = [entry for entry in constraints if entry["rule"] is not None]
    return Table(
        oid=row["oid"],
        name=row["name"],
        relname=row["relname"],
        partitioned=row["partitioned"],
        columns={column["number"]: _column(column) for column in columns},
        key=tuple(of("p")[0]["columns"]) if of("p") else (),
        rules=tuple(Rule(tuple(sorted({*entry["columns"]} - {0})), entry["rule"]) for entry in rules),
        references=tuple(
            Reference(tuple(entry["columns"]), entry["parent"], tuple(entry["referenced"]))
            for entry in of("f")
        ),
    )


def _column(row: Any) -> Column:
    told = {name: row[name] for name in Column.__slots__}
    return Column(**{**told, "rules": tuple(row["rules"]), "labels": tuple(row["labels"])})
