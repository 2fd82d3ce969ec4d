"""Other sessions of the server: who holds us up, and, when asked, out of the way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from headway.alone import singly
from headway.diagnosis import read_error
from headway.results import CancelBlockers, Peer

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

QUERY_LENGTH = 200
"""Characters of a query that are kept; enough to recognise it in a line of a log."""

_AUTOVACUUM = "autovacuum worker"
_CLIENT = "client backend"
_INSUFFICIENT_PRIVILEGE = "42501"

# Rows that the server does not let us see have no backend_start, and a remark in place of the query.
COLUMNS = """
    activity.application_name, activity.usename, pg_catalog.host(activity.client_addr) AS client_host,
    activity.client_port, activity.backend_type, activity.state,
    CASE WHEN activity.backend_start IS NOT NULL THEN pg_catalog.left(activity.query, 1000) END AS query
"""

_BLOCKERS = text(f"""
    SELECT DISTINCT blocker.pid, {COLUMNS}, coalesce(activity.xact_start, activity.query_start) AS since
    FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(CAST(:pid AS integer))) AS blocker (pid)
    LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = blocker.pid
    ORDER BY since, blocker.pid
""")  # noqa: S608  # a constant

# Looked at again in the same breath: the blocker may have gone on to something harmless meanwhile.
_CANCEL = text("""
    SELECT pg_catalog.pg_cancel_backend(CAST(:blocker AS integer))
    WHERE CAST(:blocker AS integer) = ANY (pg_catalog.pg_blocking_pids(CAST(:pid AS integer)))
""")

# A session's query may set a password, or name one in a URL or a connection string. Where it ends, quoted how
# often, cannot be told in a query that was cut off; so nothing behind it is kept.
_PASSWORD_FOLLOWS = re.compile(r"password\b|://[^\s:/@']*:", re.IGNORECASE)


def blockers_of(connection: Connection, pid: int) -> tuple[Peer, ...]:
    """Who keeps a session waiting for a lock, those that began first coming first.

    ``since`` is when their transaction began. A prepared transaction has no session: its ``pid`` is 0.
    ``pg_blocking_pids`` stops the lock manager for a moment, so once a second is often enough (PostgreSQL
    manual, section 9.27).

    Args:
        connection: another connection than the one that waits, with no transaction open.
        pid: the server process that waits.

    Returns:
        Nobody when it does not wait, or no longer exists.
    """
    with singly(connection):
        rows = connection.execute(_BLOCKERS, {"pid": pid}).all()
    return tuple(map(read_peer, rows))


def cancel_blockers(connection: Connection, pid: int, *, kinds: CancelBlockers) -> tuple[Peer, ...]:
    """Cancel what keeps a session waiting: autovacuum first, then clients if they are meant too.

    A cancelled client gets an error (57014). One that sits idle in a transaction runs nothing that could be
    cancelled and is left alone, as is what our role may not signal: for autovacuum it must be a superuser,
    or from PostgreSQL 18 on have ``pg_signal_autovacuum_worker``; for other roles ``pg_signal_backend``.

    Args:
        connection: another connection than the one that waits, with no transaction open.
        pid: the server process that waits.
        kinds: whose work may be cancelled.

    Returns:
        Those that were sent a cancel; nobody when there was nobody to send it to.
    """
    if kinds is CancelBlockers.NONE:
        return ()
    blockers = blockers_of(connection, pid)
    chosen = [peer for peer in blockers if peer.backend_type == _AUTOVACUUM]
    if kinds is CancelBlockers.ALL:
        chosen += [peer for peer in blockers if peer.backend_type == _CLIENT and peer.state == "active"]
    return tuple(peer for peer in chosen if _cancel(connection, peer.pid, pid))


def _cancel(connection: Connection, blocker: int, pid: int) -> bool:
    try:
        with singly(connection):
            return bool(connection.scalar(_CANCEL, {"blocker": blocker, "pid": pid}))
    except DBAPIError as error:
        if read_error(error).sqlstate == _INSUFFICIENT_PRIVILEGE:
            return False
        raise


def read_peer(row: Any) -> Peer:
    """Read a row of ``pid``, :data:`COLUMNS` and ``since``, where pg_stat_activity is called ``activity``."""
    return Peer(
        pid=row.pid,
        application_name=row.application_name or None,
        user=row.usename,
        # PostgreSQL manual, table 27.3: no address and port -1 mean a Unix socket.
        client=row.client_host or ("local" if row.client_port == -1 else None),
        backend_type=row.backend_type,
        state=row.state,
        since=row.since,
        query=_presentable(row.query) if row.query else None,
    )


def _presentable(query: str) -> str:
    found = _PASSWORD_FOLLOWS.search(query)
    line = " ".join((f"{query[: found.end()]} ***" if found else query).split())
    return line if len(line) <= QUERY_LENGTH else line[: QUERY_LENGTH - 1] + "…"
