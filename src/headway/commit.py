"""What became of a COMMIT whose answer was lost with the connection."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from headway.alone import singly
from headway.diagnosis import read_error
from headway.errors import ConnectionFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

# PostgreSQL manual, appendix A: class 08 is the connection's, 57P the operator's, and these three timeouts
# end the session, not only the statement.
_LOST_CLASS = "08"
_LOST = frozenset({"57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04"})

# pg_xact_status says so of an id that was never given out; a role may be forbidden to call it.
_CANNOT_SAY = frozenset({"22023", "42501", "42883", "0A000"})

_TRANSACTION_ID = text("SELECT CAST(pg_catalog.pg_current_xact_id() AS text)")
_STATUS = text("SELECT pg_catalog.pg_xact_status(CAST(CAST(:id AS text) AS xid8))")
# The first eight digits of a WAL file's name are the timeline that is being written now; the control file
# learns of a promotion only at the next checkpoint.
_SERVER = text("""
    SELECT CAST(system_identifier AS text),
        pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8)
    FROM pg_catalog.pg_control_system()
""")


class CommitOutcome(StrEnum):
    """What the server says of a transaction."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    IN_PROGRESS = "in_progress"
    """Its session still lives; ask again."""
    UNKNOWN = "unknown"
    """This server cannot say, or it is not the one that ran the transaction."""


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """Which server, and which of its histories: a promoted standby begins a new timeline.

    Transaction ids mean nothing across either.
    """

    system: str
    timeline: str


def server_identity(connection: Connection) -> ServerIdentity | None:
    """Ask who the server is.

    To be asked at the beginning of a session, not inside a step: where the server refuses it (Amazon Aurora
    does), the refusal would fail the step's transaction.

    Returns:
        ``None`` when the server does not tell.
    """
    try:
        with singly(connection):
            system, timeline = connection.execute(_SERVER).one()
    except DBAPIError as error:
        if is_connection_lost(error):
            raise
        return None
    return ServerIdentity(system, timeline)


def transaction_id(connection: Connection) -> str:
    """The id of the transaction that the caller has open; gives it one if it has none yet.

    Asked again before COMMIT, it must be the same: a revision that ran ``COMMIT`` or ``ROLLBACK`` on its own
    is in another one. Needs PostgreSQL 13.
    """
    return str(connection.scalar(_TRANSACTION_ID))


def transaction_status(
    connection: Connection, transaction: str, *, server: ServerIdentity | None
) -> CommitOutcome:
    """What became of a transaction; asked on another connection (PostgreSQL manual, table 9.86).

    ``COMMITTED`` should be confirmed by what the transaction wrote: an id that had not reached the disk when
    the server crashed is given to another transaction after recovery. ``ABORTED`` needs no confirmation, for
    an id that committed is never given out again.

    Args:
        connection: not the one the transaction ran on.
        transaction: from :func:`transaction_id`.
        server: from :func:`server_identity` on the transaction's own connection.

    Returns:
        ``UNKNOWN`` when this is another server, a standby that was promoted meanwhile, one that does not say
        who it is, or when the transaction is too old to be remembered.
    """
    if server is None or server_identity(connection) != server:
        return CommitOutcome.UNKNOWN
    try:
        with singly(connection):
            status = connection.scalar(_STATUS, {"id": transaction})
    except DBAPIError as error:
        if read_error(error).sqlstate in _CANNOT_SAY:
            return CommitOutcome.UNKNOWN
        raise
    return CommitOutcome(str(status).replace(" ", "_")) if status else CommitOutcome.UNKNOWN


def is_committed(connection: Connection, transaction: str) -> bool:
    """Whether a transaction of the same server has been committed; asked on another connection.

    ``False`` where the server cannot say.
    """
    try:
        with singly(connection):
            return bool(connection.scalar(_STATUS, {"id": transaction}) == CommitOutcome.COMMITTED.value)
    except DBAPIError as error:
        if read_error(error).sqlstate in _CANNOT_SAY:
            return False
        raise


def is_connection_lost(error: BaseException) -> bool:
    """Whether an error means that the connection is gone, so that what was under way has no known end.

    Judged by type and SQLSTATE, along the chain of causes. asyncpg reports a closed connection, and misuse of
    an open one, by the same ``InterfaceError``; headway never shares a connection between tasks, so here
    it means the former. ``asyncio.CancelledError`` is not an error of the connection, though a COMMIT it
    interrupted has no known end either.
    """
    return any(map(_is_loss, _chain(error)))


def _is_loss(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    if isinstance(error, ConnectionFailedError | OSError | EOFError):
        return True
    if type(error) in {asyncpg.InterfaceError, asyncpg.InternalClientError}:
        return True
    sqlstate = str(getattr(error, "sqlstate", None) or "")
    return sqlstate.startswith(_LOST_CLASS) or sqlstate in _LOST


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what caused it, and the driver's own error inside SQLAlchemy's."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        current = waiting.pop()
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            yield current
            waiting += [current.__cause__, getattr(current, "orig", None)]
