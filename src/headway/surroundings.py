"""What a plan meets in the live database: how large what it touches is, and who is in its way now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from headway.diagnosis import read_error
from headway.onlooking import onlooking
from headway.peers import COLUMNS, read_peer
from headway.results import LiveTable, LockMode, Obstacle, relations_of
from headway.sqlite import DIALECT as SQLITE
from headway.sqltext import skeleton

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection, Row

    from headway.results import StatementReview, StepReview

_LOCK_NOT_AVAILABLE = "55P03"

_KINDS = {
    "r": "table",
    "p": "table",
    "i": "index",
    "I": "index",
    "v": "view",
    "m": "materialized view",
    "S": "sequence",
    "f": "foreign table",
}

# As RelationLock has it: with its schema, unless that is public.
_NAME = "CASE WHEN {0}.nspname = 'public' THEN {1}.relname ELSE {0}.nspname || '.' || {1}.relname END"

# A partitioned relation comes with its partitions, however many the live database has of them; anything else
# by itself. What a lock keeps from being measured is told from the pages that the last VACUUM or ANALYZE saw.
_MEMBERS = """
    SELECT {name} AS relation, class.oid, CAST(class.relkind AS text) AS relkind,
        CASE WHEN class.relispartition THEN (
            SELECT {root_name} FROM pg_catalog.pg_class AS root
            JOIN pg_catalog.pg_namespace AS home ON home.oid = root.relnamespace
            WHERE root.oid = pg_catalog.pg_partition_root(class.oid)) END AS partition_of,
        member.oid AS member, member.reltuples, {size} AS size
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS place ON place.oid = class.relnamespace
    JOIN LATERAL (
        SELECT class.oid AS relid UNION SELECT relid FROM pg_catalog.pg_partition_tree(class.oid)
    ) AS tree ON true
    JOIN pg_catalog.pg_class AS member ON member.oid = tree.relid
    WHERE {name} = ANY(CAST(:names AS text[]))
        AND pg_catalog.left(place.nspname, 3) <> 'pg_'
        AND CAST(class.relkind AS text) = ANY(CAST(:kinds AS text[]))
    ORDER BY relation
"""
_MEASURED = "coalesce(pg_catalog.pg_table_size(member.oid), 0)"
_REMEMBERED = "member.relpages * CAST(pg_catalog.current_setting('block_size') AS bigint)"

_HOLDERS = text(f"""
    SELECT held.relation AS oid, held.mode, coalesce(held.pid, 0) AS pid, {COLUMNS},
        coalesce(activity.xact_start, activity.query_start) AS since
    FROM pg_catalog.pg_locks AS held
    LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = held.pid
    WHERE held.locktype = 'relation' AND held.relation = ANY(CAST(:oids AS oid[]))
        AND held.database = (
            SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        AND held.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
    ORDER BY since, pid
""")  # noqa: S608  # a constant

_ONLOOKERS = text(f"""
    SELECT activity.pid, {COLUMNS}, activity.xact_start AS since
    FROM pg_catalog.pg_stat_activity AS activity
    WHERE activity.datname = pg_catalog.current_database() AND activity.backend_xmin IS NOT NULL
        AND activity.backend_type = 'client backend' AND activity.pid <> pg_catalog.pg_backend_pid()
    ORDER BY since, pid
""")  # noqa: S608  # a constant


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What was found; empty where nothing is known of what the steps touch, and on SQLite."""

    tables: tuple[LiveTable, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()


@dataclass(frozen=True, slots=True)
class _Want:
    """A lock that a step is going to take."""

    revision: str
    statement: int
    relation: str
    mode: LockMode
    is_index: bool
    concurrently: bool


def survey_surroundings(connection: Connection, steps: Sequence[StepReview]) -> Surroundings:
    """Measure what the steps touch, and find who would keep them waiting if they ran now.

    Nothing is written, and nothing stronger than ACCESS SHARE is taken: sizes are read under it. It takes no
    privilege; what the role may not see of other sessions is ``None``.

    Args:
        connection: no transaction is open on it.
        steps: with the locks that their statements take; without any, nothing is asked.
    """
    names = sorted({*relations_of(steps)})
    if not names or connection.dialect.name == SQLITE:
        return Surroundings()
    rows = _members(connection, names)
    members = _members_by_name(rows)
    with onlooking(connection):
        oids = sorted({row.member for row in rows})
        holders = connection.execute(_HOLDERS, {"oids": oids}).all()
        wants = list(_wants(steps))
        watchers = connection.execute(_ONLOOKERS).all() if any(want.concurrently for want in wants) else ()
    return Surroundings(
        tuple(_tables(rows)), (*_holders(wants, members, holders), *_snapshots(wants, holders, watchers))
    )


def _members(connection: Connection, names: Sequence[str]) -> Sequence[Row[Any]]:
    parameters = {"names": names, "kinds": list(_KINDS)}
    try:
        with onlooking(connection):
            return connection.execute(text(_members_query(_MEASURED)), parameters).all()
    except DBAPIError as error:
        if read_error(error).sqlstate != _LOCK_NOT_AVAILABLE:
            raise
    with onlooking(connection):
        return connection.execute(text(_members_query(_REMEMBERED)), parameters).all()


def _members_query(size: str) -> str:
    return _MEMBERS.format(
        name=_NAME.format("place", "class"), root_name=_NAME.format("home", "root"), size=size
    )


def _members_by_name(rows: Iterable[Row[Any]]) -> Mapping[int, frozenset[str]]:
    """By the oid of each relation that may be locked, the names by which the steps know it."""
    found: dict[int, set[str]] = {}
    for row in rows:
        found.setdefault(row.member, set()).add(row.relation)
    return {oid: frozenset(names) for oid, names in found.items()}


def _tables(rows: Sequence[Row[Any]]) -> Iterator[LiveTable]:
    for name in dict.fromkeys(row.relation for row in rows):
        members = [row for row in rows if row.relation == name]
        counted = [row.reltuples for row in members if row.reltuples >= 0]  # -1: never analysed
        first = members[0]
        yield LiveTable(
            name,
            _KINDS[first.relkind],
            int(sum(counted)) if counted and first.relkind not in {"v", "S"} else None,
            int(sum(row.size for row in members)),
            first.partition_of,
        )


def _wants(steps: Iterable[StepReview]) -> Iterator[_Want]:
    for step in steps:
        for statement in step.statements:
            concurrently = _is_concurrent(statement)
            for lock in statement.locks:
                yield _Want(
                    step.revision,
                    statement.position,
                    lock.relation,
                    lock.mode,
                    lock.kind == "index",
                    concurrently,
                )


def _is_concurrent(statement: StatementReview) -> bool:
    return not statement.transactional and "CONCURRENTLY" in skeleton(statement.sql).upper().split()


def _holders(
    wants: Sequence[_Want], members: Mapping[int, frozenset[str]], holders: Iterable[Row[Any]]
) -> Iterator[Obstacle]:
    """Each session once for each table that it is in the way at, and for an index where it is at no table."""
    found: dict[tuple[int, str], tuple[_Want, Obstacle]] = {}
    # A predicate lock of SERIALIZABLE is among them, which nobody waits for.
    modes = [(LockMode(row.mode), row) for row in holders if row.mode in {*LockMode}]
    for held, row in sorted(modes, key=lambda each: each[0].strength, reverse=True):
        conflicts = (
            want for want in wants if want.relation in members[row.oid] and want.mode.conflicts_with(held)
        )
        want = next(conflicts, None)
        if want is not None and (row.pid, want.relation) not in found:
            found[row.pid, want.relation] = want, _obstacle(want, held, row)
    at_tables = {pid for (pid, _), (want, _) in found.items() if not want.is_index}
    for (pid, _), (want, obstacle) in found.items():
        if not want.is_index or pid not in at_tables:
            yield obstacle


def _snapshots(
    wants: Sequence[_Want], holders: Iterable[Row[Any]], watchers: Iterable[Row[Any]]
) -> Iterator[Obstacle]:
    """CONCURRENTLY waits for every transaction that may still see what was before (manual, CREATE INDEX)."""
    want = next((want for want in wants if want.concurrently), None)
    if want is None:
        return
    known = {row.pid for row in holders}
    for row in watchers:
        if row.pid not in known:
            yield _obstacle(want, None, row)


def _obstacle(want: _Want, held: LockMode | None, row: Row[Any]) -> Obstacle:
    return Obstacle(want.revision, want.statement, want.relation, want.mode, held, read_peer(row))
