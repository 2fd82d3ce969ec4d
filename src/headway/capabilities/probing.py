"""Ask a server what it can do: one SELECT, and a few more only where a pooler stands in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from headway.capabilities.pooling import pooling_of
from headway.placement import version_schema
from headway.results import Capabilities

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from headway.project import VersionTable

# Only catalogue columns and functions that every supported version has. A table is looked for without
# to_regclass(), which fails where the user may not use the schema.
_QUESTION = text(f"""
SELECT pg_catalog.pg_backend_pid() AS pid,
       pg_catalog.current_setting('server_version') AS server_version,
       pg_catalog.current_setting('server_version_num')::integer AS server_version_num,
       pg_catalog.pg_is_in_recovery() AS standby,
       pg_catalog.current_setting('transaction_read_only')::boolean AS read_only,
       (SELECT source FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only')
           AS read_only_source,
       place.schema,
       space.oid IS NOT NULL AS schema_exists,
       pg_catalog.pg_get_userbyid(space.nspowner)::text AS schema_owner,
       coalesce(pg_catalog.has_schema_privilege(space.oid, 'CREATE'), false) AS can_create,
       (SELECT pg_catalog.has_table_privilege(oid, 'SELECT')
               AND pg_catalog.has_table_privilege(oid, 'INSERT')
               AND pg_catalog.has_table_privilege(oid, 'UPDATE')
               AND pg_catalog.has_table_privilege(oid, 'DELETE')
          FROM pg_catalog.pg_class
         WHERE relname = :table AND relnamespace = space.oid) AS can_write_versions,
       current_user::text AS "user",
       (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) AS superuser,
       pg_catalog.current_database()::text AS database,
       pg_catalog.current_setting('application_name') AS application_name,
       coalesce(
           pg_catalog.has_function_privilege(
               pg_catalog.to_regprocedure('pg_catalog.pg_xact_status(pg_catalog.xid8)'), 'EXECUTE'),
           false) AS transaction_status,
       pg_catalog.has_table_privilege('pg_catalog.pg_locks', 'SELECT') AS locks_visible,
       pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS activity_visible,
       pg_catalog.pg_has_role('pg_signal_backend', 'USAGE') AS can_signal,
       ARRAY(SELECT name::text FROM pg_catalog.pg_available_extensions ORDER BY 1) AS extensions_available,
       ARRAY(SELECT extname::text FROM pg_catalog.pg_extension ORDER BY 1) AS extensions_installed
  FROM (SELECT CAST({version_schema()} AS text) AS schema) AS place
  LEFT JOIN pg_catalog.pg_namespace AS space ON space.nspname = place.schema
""")  # noqa: S608  # our own SQL


def probe(connection: Connection, *, version_table: VersionTable) -> Capabilities:
    """Find out what this server can do for the connection's user.

    Nothing is written and no transaction stays open. Directly connected this is one SELECT. Behind a pooler a
    second connection is opened and closed twice, on the same engine's terms, to see whether the pooler
    keeps a server process for a connection (:mod:`headway.capabilities.pooling`).

    Args:
        connection: with no transaction open; of asyncpg or psycopg.
        version_table: where the applied revisions are kept; its schema is the one judged.

    Returns:
        What was found; whether it suffices is for :func:`headway.capabilities.require_migratable`.

    Raises:
        sqlalchemy.exc.DBAPIError: the server refused the question. A pooler in *statement* mode does, or
            closes the connection, at the first BEGIN.
    """
    with connection.begin():
        row = (
            connection.execute(
                _QUESTION.bindparams(schema=version_table.schema, table=version_table.name),
            )
            .mappings()
            .one()
        )
    found = dict(row)
    pid: int = found.pop("pid")
    for name in ("extensions_available", "extensions_installed"):
        found[name] = tuple(found[name])
    return Capabilities(pooling=pooling_of(connection, pid), **found)
