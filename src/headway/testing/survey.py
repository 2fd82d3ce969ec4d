"""What a database holds at head, and how to tell quickly and exactly what a test has changed of it.

The rows themselves decide, never statistics, which lag. Every row tells which transaction wrote it
(``xmin``): what a test inserted or changed is newer than the moment its database was made, and what it
deleted is missing from the count. Both are asked of the catalogue and of those tables that hold rows at head;
in a table that is empty there, one row is proof enough.
"""

from __future__ import annotations

import graphlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import asyncpg

# FirstNormalObjectId in PostgreSQL's access/transam.h: what has a lower number was made by initdb. Reading
# only what is ours takes a third of the time.
_FIRST = 16384
_PUBLIC = 2200  # PG_PUBLIC_NAMESPACE, in pg_namespace.dat
# The catalogues that DDL writes to, each with the indexed column that holds such numbers.
_NUMBERED = {
    **dict.fromkeys(("pg_attrdef", "pg_cast", "pg_class", "pg_collation", "pg_constraint"), "oid"),
    **dict.fromkeys(("pg_conversion", "pg_opclass", "pg_operator", "pg_opfamily", "pg_proc"), "oid"),
    **dict.fromkeys(("pg_rewrite", "pg_trigger", "pg_ts_config", "pg_ts_dict", "pg_type"), "oid"),
    "pg_attribute": "attrelid",
    "pg_description": "objoid",
    "pg_index": "indexrelid",
}
# Small, or holding what is ours alone: read whole. GRANT on the schema public changes pg_namespace.
_WHOLE = (
    *("pg_default_acl", "pg_enum", "pg_event_trigger", "pg_extension", "pg_foreign_data_wrapper"),
    *("pg_foreign_server", "pg_foreign_table", "pg_inherits", "pg_language", "pg_largeobject_metadata"),
    *("pg_namespace", "pg_partitioned_table", "pg_policy", "pg_publication", "pg_publication_rel"),
    *("pg_range", "pg_sequence", "pg_statistic_ext"),
)

_RELATIONS = """
SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = CAST($1::text AS "char") AND c.relpersistence <> 't'
   AND n.nspname <> 'information_schema' AND NOT pg_catalog.starts_with(n.nspname::text, 'pg_')
 ORDER BY c.oid
"""
_KEYS = (
    "SELECT conrelid, confrelid FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conrelid <> confrelid"
)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence as it stands at head."""

    name: str
    last_value: int
    is_called: bool

    @property
    def moved(self) -> str:
        """The condition under which it stands elsewhere."""
        return f"last_value <> {self.last_value} OR is_called <> {self.is_called}"

    @property
    def restore(self) -> str:
        """The call that puts it back."""
        name = self.name.replace("'", "''")
        return f"pg_catalog.setval('{name}', {self.last_value}, {self.is_called})"


@dataclass(frozen=True, slots=True)
class Survey:
    """What a template holds; the same for every clone of it.

    Attributes:
        empty: tables without a row at head, children before their parents where keys form no circle.
        seeded: tables that hold rows, with their number.
        sequences: all of them.
        catalogue: how many rows the catalogue has.
        hidden: tables whose policies hide rows from this role too, as FORCE ROW LEVEL SECURITY makes them do:
            nobody can tell here what a test has written there.
    """

    empty: tuple[str, ...]
    seeded: tuple[tuple[str, int], ...]
    sequences: tuple[Sequence, ...]
    catalogue: int
    hidden: tuple[str, ...]


async def survey_of(connection: asyncpg.Connection[asyncpg.Record]) -> Survey:
    """Look at a fresh clone."""
    tables = {row["oid"]: row["name"] for row in await connection.fetch(_RELATIONS, "r")}
    keys = [(row["conrelid"], row["confrelid"]) for row in await connection.fetch(_KEYS)]
    counts = {
        name: await connection.fetchval(f"SELECT pg_catalog.count(*) FROM {name}")  # noqa: S608  # quoted
        for name in (tables[oid] for oid in _children_first(tables, keys))
    }
    hidden = [
        name
        for oid, name in tables.items()
        if await connection.fetchval("SELECT pg_catalog.row_security_active($1::oid)", oid)
    ]
    sequences = []
    for row in await connection.fetch(_RELATIONS, "S"):
        found = await connection.fetchrow(f"SELECT last_value, is_called FROM {row['name']}")  # noqa: S608
        if found is not None:
            sequences.append(Sequence(row["name"], found["last_value"], found["is_called"]))
    catalogue = await connection.fetchval(f"SELECT rows FROM ({_catalogue('2')}) AS found")  # noqa: S608
    return Survey(
        empty=tuple(name for name, rows in counts.items() if not rows),
        seeded=tuple((name, rows) for name, rows in counts.items() if rows),
        sequences=tuple(sequences),
        catalogue=catalogue,
        hidden=tuple(hidden),
    )


def question(survey: Survey, begin: str) -> str:
    """The one question that tells all: a row for everything that is not as it was.

    Args:
        survey: how it was.
        begin: the first transaction that does not belong to it.

    Returns:
        A query for ``kind``, ``number`` (in the survey's tuples, or a backend's) and ``bytes`` of a table.
    """
    return " UNION ALL ".join(_parts(survey, begin))


def _parts(survey: Survey, begin: str) -> Iterator[str]:
    changed = f"FROM ({_catalogue(begin)}) AS found WHERE rows <> {survey.catalogue} OR newer <> 0"
    yield f"SELECT 'catalogue' AS kind, 0 AS number, 0::bigint AS bytes {changed}"
    # What is not committed yet would be seen by nobody now, and by the next test later.
    yield (
        "SELECT 'writer', pid, 0 FROM pg_catalog.pg_stat_activity "
        "WHERE backend_xid IS NOT NULL AND backend_type = 'client backend' "
        "AND datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()"
    )
    for number, name in enumerate(survey.empty):
        size = f"pg_catalog.pg_relation_size('{name.replace(chr(39), chr(39) * 2)}')"
        yield f"SELECT 'written', {number}, {size} WHERE EXISTS (SELECT FROM {name})"  # noqa: S608  # quoted
    for number, (name, rows) in enumerate(survey.seeded):
        counted = f"SELECT pg_catalog.count(*) AS rows, {_newer(begin)} AS newer FROM {name}"  # noqa: S608  # quoted
        other = f"WHERE rows <> {rows} OR newer <> 0"
        yield f"SELECT 'seeded', {number}, 0 FROM ({counted}) AS found {other}"  # noqa: S608  # quoted
    for number, sequence in enumerate(survey.sequences):
        yield f"SELECT 'sequence', {number}, 0 FROM {sequence.name} WHERE {sequence.moved}"  # noqa: S608  # quoted


def _catalogue(begin: str) -> str:
    """A query for the number of rows in the catalogue, and of the newer ones among them."""
    numbered = [f"{name} WHERE {column} >= {_FIRST}" for name, column in _NUMBERED.items()]
    own = "(SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())"
    sources = [
        *numbered,
        *_WHOLE,
        f"pg_description WHERE objoid = {_PUBLIC}",
        f"pg_db_role_setting WHERE setdatabase = {own}",
    ]
    counts = [
        f"SELECT pg_catalog.count(*) AS rows, {_newer(begin)} AS newer FROM pg_catalog.{source}"  # noqa: S608  # quoted
        for source in sources
    ]
    total = "SELECT pg_catalog.sum(rows)::bigint AS rows, pg_catalog.sum(newer)::bigint AS newer"
    return f"{total} FROM ({' UNION ALL '.join(counts)}) AS each"


def _newer(begin: str) -> str:
    """How many rows a transaction wrote that began at ``begin`` or later."""
    return f"pg_catalog.count(*) FILTER (WHERE pg_catalog.age(xmin) <= pg_catalog.age('{begin}'::xid))"


def _children_first(tables: Iterable[int], keys: Iterable[tuple[int, int]]) -> Iterator[int]:
    """Tables in an order in which they can be emptied; as they come where keys form a circle."""
    known = {*tables}
    sorter = graphlib.TopologicalSorter[int]({oid: [] for oid in tables})
    for child, parent in keys:
        if {child, parent} <= known:
            sorter.add(parent, child)
    try:
        return iter([*sorter.static_order()])
    except graphlib.CycleError:
        return iter([*tables])
