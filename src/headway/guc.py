"""What a session has set (PostgreSQL's own word: GUC), so that it can be put back as it was."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from headway.alone import singly

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.engine import Connection

# pg_settings shows neither role nor session_authorization, and it shows the running transaction's own kind.
# Who the session is comes first, for it decides what may be set; its authorization resets the role.
_SET = text("""
    SELECT name, setting, reset_val FROM (
        SELECT 1 AS place, 'session_authorization' AS name,
            pg_catalog.current_setting('session_authorization') AS setting, CAST(NULL AS text) AS reset_val
        UNION ALL SELECT 2, 'role', pg_catalog.current_setting('role'), 'none'
        UNION ALL SELECT 3, name, setting, reset_val FROM pg_catalog.pg_settings
        WHERE (source = 'session' OR name = 'search_path')
            AND name NOT IN ('transaction_isolation', 'transaction_read_only', 'transaction_deferrable')
    ) AS known ORDER BY place, name
""")
_PUT_BACK = text("""
    SELECT pg_catalog.set_config(setting ->> 0, setting ->> 1, false)
    FROM pg_catalog.jsonb_array_elements(CAST(CAST(:settings AS text) AS jsonb)) AS setting
""")


_AS_BEFORE = text("""
    SELECT pg_catalog.set_config('session_authorization', :session_authorization, true),
        pg_catalog.set_config('role', :role, true)
""")


def act_as_before(connection: Connection, before: Mapping[str, str]) -> None:
    """Be who the session was, for the rest of the transaction that the caller has open."""
    names = ("session_authorization", "role")
    connection.execute(_AS_BEFORE, {name: before[name] for name in names})


def session_values(connection: Connection) -> dict[str, str]:
    """What the session has set, by name; role and search path in any case."""
    with singly(connection):
        return {row.name: row.setting for row in connection.execute(_SET)}


def put_back(connection: Connection, before: Mapping[str, str]) -> None:
    """Set everything as :func:`session_values` found it, in a short transaction.

    Settings of an extension's own that the server does not list in ``pg_settings`` stay as they are.
    """
    with connection.begin():
        now = connection.execute(_SET).all()
        wanted = {row.name: before.get(row.name, row.reset_val) for row in now}
        wanted |= {name: value for name, value in before.items() if name not in wanted}
        present = {row.name: row.setting for row in now}
        changes = [(name, value) for name, value in wanted.items() if present.get(name) != value]
        if changes:
            connection.execute(_PUT_BACK, {"settings": json.dumps(changes)})


@contextmanager
def kept(connection: Connection) -> Iterator[Mapping[str, str]]:
    """Whatever is set within the block holds until its end, and is then as it was.

    What the block left open is rolled back first. A connection that died has nothing to put back.

    Yields:
        What was set before, by name, role included.
    """
    before = session_values(connection)
    try:
        yield before
    except BaseException:
        with suppress(SQLAlchemyError):  # an error from here would hide the one that matters
            _leave(connection, before)
        raise
    _leave(connection, before)


def _leave(connection: Connection, before: Mapping[str, str]) -> None:
    if connection.closed or connection.invalidated:
        return
    connection.rollback()  # does nothing without a transaction; one whose COMMIT failed is no longer active
    put_back(connection, before)
