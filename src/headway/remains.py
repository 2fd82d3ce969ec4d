"""What an interrupted statement left behind, and whether it may be taken away.

A name proves nothing: what was there before a statement first began is somebody else's, whatever it is
called. So the journal says, before such a statement begins, what there is (:func:`indexes_before`). Only
what came afterwards, is INVALID, is as the statement describes it, and is worked at by nobody, is its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from headway.diagnosis import read_error
from headway.errors import RefusedError
from headway.indexes import GAP, QUALIFIED, named_index, new_index, refuse_invalid

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from headway.indexes import NewIndex

_DROP = re.compile(
    rf"{GAP}DROP\b{GAP}INDEX\b{GAP}CONCURRENTLY\b{GAP}(?:IF\b{GAP}EXISTS\b{GAP})?(?P<name>{QUALIFIED})",
    re.IGNORECASE,
)
_REINDEX = re.compile(
    rf"{GAP}REINDEX\b{GAP}(?P<options>\([^)]*\){GAP})?(?P<kind>INDEX|TABLE|SCHEMA|DATABASE|SYSTEM)\b{GAP}"
    rf"(?P<concurrently>CONCURRENTLY\b{GAP})?(?P<name>{QUALIFIED})?",
    re.IGNORECASE,
)
_CREATE = re.compile(rf"{GAP}CREATE\b{GAP}(?:UNIQUE\b{GAP})?INDEX\b{GAP}CONCURRENTLY\b", re.IGNORECASE)

_INVALID = text("""
    SELECT indexrelid FROM pg_catalog.pg_index WHERE NOT (indisvalid AND indisready AND indislive)
""")
_RELATION = text("SELECT CAST(pg_catalog.to_regclass(CAST(:name AS text)) AS oid)")

# What REINDEX was at: an index, or tables with their TOAST tables, and the partitions of either; or all there
# is. It makes <index>_ccnew, renames the old one <index>_ccold when it swaps them, and numbers and cuts names
# as it needs to (PostgreSQL manual, REINDEX).
_LEFTOVERS = text(r"""
    WITH wanted AS (
        SELECT CAST(pg_catalog.to_regclass(CAST(:name AS text)) AS oid) AS oid
        WHERE CAST(:kind AS text) IN ('INDEX', 'TABLE')
    ), tree AS (
        SELECT oid FROM wanted
        UNION SELECT CAST(part.relid AS oid) FROM wanted, pg_catalog.pg_partition_tree(wanted.oid) AS part
        UNION SELECT oid FROM pg_catalog.pg_class WHERE CAST(:kind AS text) = 'SCHEMA'
            AND relnamespace = CAST(pg_catalog.to_regnamespace(CAST(:name AS text)) AS oid)
    ), original AS (
        SELECT entry.indexrelid, entry.indrelid, index.relname
        FROM pg_catalog.pg_index AS entry
        JOIN pg_catalog.pg_class AS index ON index.oid = entry.indexrelid
        WHERE CASE
            WHEN CAST(:kind AS text) = 'INDEX' THEN entry.indexrelid IN (SELECT oid FROM tree)
            WHEN CAST(:kind AS text) IN ('TABLE', 'SCHEMA') THEN entry.indrelid IN (
                SELECT oid FROM tree
                UNION SELECT reltoastrelid FROM pg_catalog.pg_class WHERE oid IN (SELECT oid FROM tree)
            )
            ELSE true
        END
    )
    SELECT DISTINCT entry.indexrelid, entry.indrelid,
        pg_catalog.format('%I.%I', place.nspname, index.relname) AS name
    FROM pg_catalog.pg_index AS entry
    JOIN pg_catalog.pg_class AS index ON index.oid = entry.indexrelid
    JOIN pg_catalog.pg_namespace AS place ON place.oid = index.relnamespace
    JOIN original ON original.indrelid = entry.indrelid AND original.indexrelid <> entry.indexrelid
    WHERE NOT entry.indisvalid AND index.relname ~ '_cc(new|old)[0-9]*$'
        AND CASE WHEN pg_catalog.octet_length(CAST(index.relname AS text)) < 60
            THEN pg_catalog.regexp_replace(index.relname, '_cc(new|old)[0-9]*$', '') = original.relname
            ELSE pg_catalog.starts_with(
                original.relname, pg_catalog.regexp_replace(index.relname, '_cc(new|old)[0-9]*$', ''))
        END
    ORDER BY name
""")

# CREATE INDEX CONCURRENTLY and its kin keep this lock on the table, and all but the first on the index, from
# beginning to end. So do VACUUM and ANALYZE, which build nothing, and which autovacuum gives up when we wait.
# Of other roles the progress views show the pid and no more; it is enough.
_AT_WORK = text("""
    SELECT DISTINCT pid FROM pg_catalog.pg_locks
    WHERE locktype = 'relation' AND mode = 'ShareUpdateExclusiveLock'
        AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        AND relation = ANY (CAST(:relations AS oid[])) AND pid <> pg_catalog.pg_backend_pid()
        AND pid NOT IN (SELECT pid FROM pg_catalog.pg_stat_progress_vacuum
            UNION ALL SELECT pid FROM pg_catalog.pg_stat_progress_analyze)
    ORDER BY pid
""")
# The very backend, and not another that got its number; idle means that it is done with our statement. What
# we are not shown counts for it.
_ORPHAN = text("""
    SELECT pid FROM pg_catalog.pg_stat_activity
    WHERE pid = CAST(:pid AS integer) AND pid <> pg_catalog.pg_backend_pid()
        AND coalesce(backend_start = CAST(CAST(:start AS text) AS timestamptz), true)
        AND coalesce(state <> 'idle', true)
        AND datid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
""")
_DEFINITION = text("""
    SELECT indisunique, pg_catalog.pg_get_indexdef(indexrelid) AS definition
    FROM pg_catalog.pg_index WHERE indexrelid = CAST(:index AS oid)
""")
_TWIN = text("""
    SELECT indexrelid FROM pg_catalog.pg_index
    WHERE indrelid = CAST(pg_catalog.to_regclass('pg_temp.headway_twin') AS oid)
""")
_TWIN_LOCK_S = 2
_LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, slots=True)
class Begun:
    """What the journal has of a statement that an earlier attempt began.

    Attributes:
        indexes_before: what :func:`indexes_before` returned before it first began; ``None`` when nobody
            looked, and then nothing can be proved to be its own.
        backend_pid: the server process that ran it last; ``None`` when it is our own.
        backend_start: when that process began.
    """

    indexes_before: tuple[int, ...] | None = None
    backend_pid: int | None = None
    backend_start: datetime | None = None


@dataclass(frozen=True, slots=True)
class Remains:
    """What an earlier attempt at a statement left.

    Attributes:
        done: it was brought to its end, and died before it could say so.
        leftovers: INVALID indexes that are its own, quoted; they are to be dropped before it runs again.
        at_work: server processes that are still at it, or at what it left.
        indexes_before: for the journal: what :func:`indexes_before` returned before it first began.
    """

    done: bool = False
    leftovers: tuple[str, ...] = ()
    at_work: tuple[int, ...] = ()
    indexes_before: tuple[int, ...] | None = None


def dropped_index(statement: str) -> str | None:
    """The name in a ``DROP INDEX CONCURRENTLY``, as it is written; ``None`` for another statement."""
    found = _DROP.match(statement)
    return found["name"] if found else None


def indexes_before(connection: Connection, statement: str) -> tuple[int, ...]:
    """What is somebody else's, whatever becomes of a statement: to be journalled before it first begins.

    Joins the caller's transaction.

    Returns:
        Oids: of what has the name that the statement gives an index, or drops; for REINDEX, of all INVALID
        indexes. Empty for statements that leave nothing of the kind.

    Raises:
        RefusedError: an INVALID index has the name, or the statement gives none.
    """
    if _CREATE.match(statement):
        wanted = _create_of(statement)
        found = named_index(connection, str(wanted.index), wanted.table)
        if found is not None and found.usable is False and not found.partitioned:
            refuse_invalid(found)
        return () if found is None else (found.oid,)
    if dropped := _DROP.match(statement):
        oid = connection.execute(_RELATION, {"name": dropped["name"]}).scalar()
        return () if oid is None else (oid,)
    if _reindexed(statement):
        return tuple(connection.execute(_INVALID).scalars())
    return ()


def remains_of(connection: Connection, statement: str, begun: Begun) -> Remains:
    """What an earlier attempt at a statement left, as it is at this moment. Joins the caller's transaction.

    Args:
        connection: the one that is to run the statement, so that names mean what they mean to it.
        statement: the one about to run again.
        begun: what the journal has of it.

    Returns:
        Nothing but ``at_work`` when somebody is: what they leave is not to be seen yet.

    Raises:
        RefusedError: an INVALID index has the statement's name that is not its own.
    """
    return replace(_look(connection, statement, begun), indexes_before=begun.indexes_before)


def end_transaction(connection: Connection) -> None:
    """End what a read began beneath SQLAlchemy, whose own transaction goes on; what it SET stays."""
    driver: Any = connection.connection.dbapi_connection
    driver.commit()


def _look(connection: Connection, statement: str, begun: Begun) -> Remains:
    if begun.backend_pid is not None:
        start = begun.backend_start.isoformat() if begun.backend_start else None
        parameters = {"pid": begun.backend_pid, "start": start}
        if orphan := connection.execute(_ORPHAN, parameters).scalars().all():
            return Remains(at_work=tuple(orphan))
    if _CREATE.match(statement):
        return _created(connection, _create_of(statement), begun)
    if dropped := _DROP.match(statement):
        gone = connection.execute(_RELATION, {"name": dropped["name"]}).scalar() is None
        return Remains(done=gone and bool(begun.indexes_before))
    if reindexed := _reindexed(statement):
        parameters = {"kind": reindexed["kind"].upper(), "name": reindexed["name"]}
        rows = connection.execute(_LEFTOVERS, parameters).all()
        before = begun.indexes_before
        own = [row for row in rows if before is not None and row.indexrelid not in before]
        return _unless_at_work(connection, own)
    return Remains()


def _created(connection: Connection, wanted: NewIndex, begun: Begun) -> Remains:
    found = named_index(connection, str(wanted.index), wanted.table)
    if found is None or found.name is None or not found.on_it or found.partitioned:
        return Remains()  # the server will say what is in the way
    usable = found.usable
    before = begun.indexes_before
    strange = before is None or found.oid in before or _differs(connection, found.oid, wanted)
    if strange and usable:
        return Remains()
    if strange:
        refuse_invalid(found)
    if usable:
        return Remains(done=True)
    return _unless_at_work(connection, [found])


def _unless_at_work(connection: Connection, own: list[Any]) -> Remains:
    relations = sorted({oid for row in own for oid in (row.indexrelid, row.indrelid)})
    busy = connection.execute(_AT_WORK, {"relations": relations}).scalars().all() if relations else ()
    return Remains(leftovers=tuple(row.name for row in own), at_work=tuple(busy))


def _differs(connection: Connection, index: int, wanted: NewIndex) -> bool:
    """Whether an index is certainly not the one that a statement describes.

    The server is asked to make that one, on an empty twin of the table that nobody sees. Where it will not
    (the role may make no temporary tables, say), nothing is certain.
    """
    point = connection.begin_nested()
    unique = "UNIQUE " if wanted.unique else ""
    definition = wanted.definition.strip().rstrip(";")
    try:
        for statement in (
            f"SET LOCAL lock_timeout = '{_TWIN_LOCK_S}s'",
            f"CREATE TEMPORARY TABLE headway_twin (LIKE {wanted.table})",
            f"CREATE {unique}INDEX ON pg_temp.headway_twin {definition}",
        ):
            connection.exec_driver_sql(statement)
        twin = connection.execute(_TWIN).scalar_one()
        mine, theirs = (_definition(connection, oid) for oid in (twin, index))
    except DBAPIError as error:
        if read_error(error).sqlstate == _LOCK_NOT_AVAILABLE:
            raise
        return False
    finally:
        point.rollback()
    return mine != theirs


def _definition(connection: Connection, index: int) -> tuple[bool, str]:
    row = connection.execute(_DEFINITION, {"index": index}).one()
    return row.indisunique, row.definition.partition(" USING ")[2]


def _reindexed(statement: str) -> re.Match[str] | None:
    found = _REINDEX.match(statement)
    concurrently = found and (found["concurrently"] or "CONCURRENTLY" in (found["options"] or "").upper())
    return found if concurrently else None


def _create_of(statement: str) -> NewIndex:
    wanted = new_index(statement)
    if wanted is None or wanted.index is None:
        raise RefusedError(
            "CREATE INDEX CONCURRENTLY without a name that could be looked for: if it were interrupted, "
            "nobody could tell what it left",
            hint="Give the index a name, as in CREATE INDEX CONCURRENTLY idx_tasks_due ON tasks (due_date).",
        )
    return wanted
