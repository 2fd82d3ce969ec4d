"""What a database says of its revisions, asked without SQLAlchemy."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from headway.database import driver_connection
from headway.errors import DatabaseError
from headway.placement import version_schema
from headway.threads import in_thread
from headway.url import DatabaseURL
from headway.verdict import NO_LEDGER, ledger_sum

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headway.project import VersionTable
    from headway.results import Application
    from headway.url import AnyURL
    from headway.verdict import Verdict

_NO_LEDGER = (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.InsufficientPrivilegeError)

_DIRTY = """
    SELECT revision FROM {history} AS entry
    WHERE outcome <> 'succeeded' AND pg_catalog.jsonb_array_length(journal) > 0 {own} AND NOT EXISTS (
        SELECT FROM {history} AS later
        WHERE later.revision = entry.revision AND later.id > entry.id AND later.outcome = 'succeeded' {same}
    )
    ORDER BY id DESC LIMIT 1
"""
_KNOWN = """
    FROM (
        SELECT entry.*, pg_catalog.max(id) FILTER (WHERE applied IS NOT NULL)
            OVER (PARTITION BY revision) AS since
        FROM {history} AS entry
        WHERE outcome = 'succeeded' {own}
    ) AS known
    WHERE id >= since
"""
# What decides whether an applied revision is what was applied, as JSON: it is said in one way only.
_SAID = "CAST(pg_catalog.json_build_array(revision, applied, checksum) AS text)"
_RECORD = f"""
    SELECT revision, operation, applied, checksum, database_user, os_user, host,
        pg_catalog.to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS recorded_at,
        {_SAID} AS said
    {_KNOWN}
    ORDER BY id
"""
_OWN = {
    "own": "AND entry.version_table = "
    f"pg_catalog.concat({version_schema('$1', '$2')}, '.', CAST($2 AS text))",
    "same": "AND later.version_table = entry.version_table",
}
# The first layout of the ledger had no such column.
_ALL = {"own": "", "same": ""}

# The same in one question, for whoever knows what the answer was. No arrays: asyncpg would ask for their
# types, in six round trips. Where there are as many rows as names, no name has a space in it.
_ROWS = """
    (SELECT pg_catalog.concat(pg_catalog.count(*), ' ', pg_catalog.string_agg(version_num, ' '))
        FROM {versions}) AS rows
"""
_AGAIN = f"""
    SELECT {_ROWS}, ({_DIRTY}) AS dirty, (
        SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
            coalesce(pg_catalog.string_agg({_SAID}, CAST(E'\\n' AS text) ORDER BY id), ''), 'UTF8')), 'hex')
        {_KNOWN}
    ) AS ledger
"""  # constants
# A ledger that has come since, or may be read now, would have to be asked.
_AGAIN_WITHOUT = f"""
    SELECT {_ROWS}, CAST(NULL AS text) AS dirty,
        CASE WHEN coalesce(pg_catalog.has_any_column_privilege(pg_catalog.to_regclass($1), 'SELECT'), false)
            THEN NULL ELSE '{NO_LEDGER}' END AS ledger
"""  # constants


class Glance(NamedTuple):
    """What a database says of its revisions.

    Attributes:
        rows: the version table's, sorted.
        dirty: the revision that was interrupted; ``None`` as a rule.
        record: how each applied revision came to be so; empty to a role that may not read the ledger.
        ledger: whether there is a ledger that may be read.
        sum: of what the record was read from, as a :class:`headway.verdict.Verdict` has it; ``None`` where
            :func:`still_says` could not ask for the same.
    """

    rows: tuple[str, ...]
    dirty: str | None = None
    record: Mapping[str, Application] = MappingProxyType({})
    ledger: bool = False
    sum: str | None = None


async def look(url: AnyURL, table: VersionTable, *, source: str) -> Glance:
    """Ask a database for its revisions, without SQLAlchemy.

    Raises:
        ConnectionFailedError: the database cannot be reached.
        DatabaseError: the table cannot be read, or is somebody else's.
    """
    if not isinstance(url, DatabaseURL):
        from headway import sqlite

        # A revision there is undone whole, or done.
        rows, record = await in_thread(
            lambda: (sqlite.fetch_versions(url, table), sqlite.fetch_record(url, table))
        )
        return Glance(rows, record=record or {}, ledger=record is not None)
    async with driver_connection(url, source=source) as connection:
        rows = await fetch_versions(connection, table)
        dirty = await _ask_ledger(connection, _DIRTY, table)
        if dirty is None:
            return Glance(rows, sum=NO_LEDGER)
        from headway.planning import read_record

        told = await _ask_ledger(connection, _RECORD, table) or _Told((), own=False)
        return Glance(
            rows,
            str(dirty.rows[0]["revision"]) if dirty.rows else None,
            read_record(told.rows),
            ledger=True,
            sum=ledger_sum(row["said"] for row in told.rows) if told.own else None,
        )


async def still_says(url: DatabaseURL, verdict: Verdict, *, source: str) -> bool:
    """Whether a database says what it said when somebody judged it to be at head; one question.

    Args:
        url: of the database.
        verdict: what was judged then.
        source: the setting the URL came from, for errors.

    Returns:
        Also ``False`` where the server refuses the question: what it is asked of may be gone.

    Raises:
        ConnectionFailedError: the database cannot be reached.
    """
    versions = _qualified(verdict.schema, verdict.table)
    history = _qualified(verdict.schema, "migration_history")
    async with driver_connection(url, source=source) as connection:
        try:
            if verdict.ledger == NO_LEDGER:
                said = await connection.fetchrow(_AGAIN_WITHOUT.format(versions=versions), history)
            else:
                question = _AGAIN.format(versions=versions, history=history, **_OWN)
                said = await connection.fetchrow(question, verdict.schema, verdict.table)
        except asyncpg.PostgresConnectionError:
            raise
        except asyncpg.PostgresError:
            return False
    if said is None or said["dirty"] is not None or said["ledger"] != verdict.ledger:
        return False
    count, *rows = said["rows"].split(" ")
    return count == str(len(verdict.rows)) and sorted(rows) == list(verdict.rows or [""])


async def fetch_versions(
    connection: asyncpg.Connection[asyncpg.Record], table: VersionTable
) -> tuple[str, ...]:
    """The version table's rows, sorted; empty when there is no such table.

    Raises:
        DatabaseError: the role may not read it, or it is somebody else's table.
    """
    name = _qualified(table.schema, table.name)
    try:
        rows = await connection.fetch(f"SELECT version_num FROM {name}")  # noqa: S608  # quoted above
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return ()
    except asyncpg.InsufficientPrivilegeError as error:
        raise await _unreadable(connection, table, error) from error
    except asyncpg.UndefinedColumnError as error:
        raise await _foreign(connection, f"{name} has no column version_num", error.sqlstate) from error
    versions = [row["version_num"] for row in rows]
    if not all(isinstance(version, str) for version in versions):
        raise await _foreign(connection, f"{name} holds something else than text in version_num")
    return tuple(sorted(versions))


async def _foreign(
    connection: asyncpg.Connection[asyncpg.Record], fault: str, sqlstate: str | None = None
) -> DatabaseError:
    database, _ = await _who(connection)
    return DatabaseError(
        f"{database}: the version table {fault}",
        sqlstate=sqlstate,
        hint="Alembic's own has one column, version_num varchar(32) NOT NULL. Is this the right database? "
        "If that table is something else's, give env.run() in env.py another version_table=.",
    )


async def _unreadable(
    connection: asyncpg.Connection[asyncpg.Record], table: VersionTable, error: asyncpg.PostgresError
) -> DatabaseError:
    database, role = await _who(connection)
    usage = f"GRANT USAGE ON SCHEMA {_quoted(table.schema)} TO {role}; " if table.schema else ""
    return DatabaseError(
        f"{database}: {error}",
        sqlstate=error.sqlstate,
        hint=f"Asking where a database stands takes no more than this, from the owner of the table: {usage}"
        f"GRANT SELECT ON {_qualified(table.schema, table.name)} TO {role};",
    )


async def _who(connection: asyncpg.Connection[asyncpg.Record]) -> tuple[str, str]:
    """The database's name, and the role's as SQL has it."""
    return (
        await connection.fetchval("SELECT pg_catalog.current_database()"),
        await connection.fetchval("SELECT pg_catalog.quote_ident(current_user)"),
    )


class _Told(NamedTuple):
    """A ledger's answer, and whether it keeps apart what belongs to which version table."""

    rows: Sequence[asyncpg.Record]
    own: bool


async def _ask_ledger(
    connection: asyncpg.Connection[asyncpg.Record], question: str, table: VersionTable
) -> _Told | None:
    """The answer; ``None`` where there is no ledger, or none that this role may read.

    An application's probe needs no right to it: an upgrade that was interrupted has not written its version,
    so the version rows alone say ``behind``.
    """
    history = _qualified(table.schema, "migration_history")
    try:
        own = question.format(history=history, **_OWN)
        return _Told(await connection.fetch(own, table.schema, table.name), own=True)
    except asyncpg.UndefinedColumnError:
        pass
    except _NO_LEDGER:
        return None
    try:
        return _Told(await connection.fetch(question.format(history=history, **_ALL)), own=False)
    except asyncpg.UndefinedColumnError:
        return None  # somebody else's table


def _qualified(schema: str | None, name: str) -> str:
    return ".".join(_quoted(part) for part in (schema, name) if part)


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
