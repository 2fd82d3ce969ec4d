"""Before a statement of an interrupted revision runs again: wait, look, and clear away what it left."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.util import await_only

from headway.alone import send_alone
from headway.diagnosis import read_error
from headway.errors import DirtyError, RefusedError
from headway.events import Warned
from headway.lock import DEFAULT_LOCK_WAIT_S
from headway.remains import Begun, Remains, end_transaction, indexes_before, remains_of
from headway.sqltext import presentable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection

    from headway.door import Door

DROP_WITHIN_MS = 60_000
"""How long dropping a leftover may wait for transactions that began before it, in milliseconds."""

_PAUSE_S = 0.2
# PostgreSQL manual, appendix A: lock_not_available, query_canceled.
_TIMED_OUT = frozenset({"55P03", "57014"})
_TIMEOUTS = text("""
    SELECT pg_catalog.current_setting('lock_timeout') AS lock_timeout,
        pg_catalog.current_setting('statement_timeout') AS statement_timeout
""")
_SET_TIMEOUTS = text("""
    SELECT pg_catalog.set_config('lock_timeout', :lock_timeout, false),
        pg_catalog.set_config('statement_timeout', :statement_timeout, false)
""")


class Clearing:
    """Clears what statements of one revision left. Whatever it does it tells, as :class:`Warned` events.

    Everything is asked and done on the connection that runs the statements, so that names mean what they mean
    to it, and nothing of ours waits for anything of ours. A transaction that a read began there is committed.

    Args:
        door: the open door; its options say how long others are waited for (``lock_wait_s``).
        revision: the revision.
    """

    def __init__(self, door: Door, revision: str) -> None:
        self._door = door
        self._revision = revision

    def look(self, connection: Connection, statement: str, begun: Begun | None) -> Remains:
        """Say what an earlier attempt left, once nobody works at it any more.

        What this returns is to be journalled before :meth:`drop` and before the statement begins.

        Args:
            connection: the one that is to run the statement.
            statement: the one about to run.
            begun: what the journal has of it; ``None`` when it is to begin for the first time.

        Raises:
            RefusedError: an INVALID index has the name, and is not the statement's own; or the statement is a
                ``CREATE INDEX CONCURRENTLY`` that names none.
            DirtyError: others are still at work at it.
        """
        if begun is None:
            remains = Remains(indexes_before=indexes_before(connection, statement))
            end_transaction(connection)
            return remains
        remains = self._once_nobody_works(connection, statement, begun)
        if remains.done:
            shown = presentable(statement)
            self._tell(f"an interrupted attempt had done this, so it is not run again: {shown}")
        return remains

    def forget(self, connection: Connection, statement: str, begun: Begun) -> tuple[str, ...]:
        """Drop what a statement left that the server refused, and that is not to run again.

        Returns:
            The indexes that were dropped, quoted.

        Raises:
            DirtyError: others are still at work at it, or their transactions kept us waiting for too long.
        """
        try:
            leftovers = self._once_nobody_works(connection, statement, begun).leftovers
        except RefusedError:  # what has its name is somebody else's, and in nobody's way any more
            end_transaction(connection)
            return ()
        self.drop(connection, leftovers)
        return leftovers

    def drop(self, connection: Connection, leftovers: Sequence[str]) -> None:
        """Drop INVALID indexes that :meth:`look` found to be the statement's own.

        Raises:
            DirtyError: others' transactions kept it waiting for too long; the next run tries again.
        """
        for name in leftovers:
            self._tell(f"dropping the INVALID index {name}, which an interrupted attempt left")
            try:
                with _limited(connection):
                    send_alone(connection, f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            except DBAPIError as error:
                if read_error(error).sqlstate not in _TIMED_OUT:
                    raise
                raise DirtyError(
                    self._revision,
                    f"the INVALID index {name}, which an interrupted attempt left, could not be dropped "
                    f"within {DROP_WITHIN_MS / 1000:g} s: a transaction that began earlier is still open",
                    hint="Find it in pg_stat_activity (xact_start), wait for it or end it; then run the "
                    "command again.",
                ) from error

    def _once_nobody_works(self, connection: Connection, statement: str, begun: Begun) -> Remains:
        wait_s = self._door.options.lock_wait_s
        deadline = time.monotonic() + (DEFAULT_LOCK_WAIT_S if wait_s is None else wait_s)
        told = False
        while True:
            remains = remains_of(connection, statement, begun)
            end_transaction(connection)
            if not remains.at_work:
                return remains
            who = ", ".join(map(str, remains.at_work))
            if time.monotonic() >= deadline:
                raise DirtyError(
                    self._revision,
                    "an interrupted attempt at this statement, or somebody else, is still at work there "
                    f"(pid {who}): {presentable(statement)}",
                    hint="pg_stat_activity shows what that pid does. Wait for it (--lock-wait waits longer), "
                    "or end it by SELECT pg_terminate_backend(pid); then run the command again.",
                )
            if not told:
                told = True
                self._tell(
                    f"waiting for pid {who}, still at work at what was interrupted: {presentable(statement)}"
                )
            await_only(asyncio.sleep(_PAUSE_S))

    def _tell(self, message: str) -> None:
        door = self._door
        door.emit(Warned(door.run_id, self._revision, door.session.redact(message)))


@contextmanager
def _limited(connection: Connection) -> Iterator[None]:
    """Wait for locks, and take in all, as long as dropping a leftover may."""
    before = connection.execute(_TIMEOUTS).one()._asdict()
    _set(connection, dict.fromkeys(before, f"{DROP_WITHIN_MS}ms"))
    try:
        yield
    except Exception:
        with suppress(SQLAlchemyError):  # an error from here would hide the one that matters
            _set(connection, before)
        raise
    _set(connection, before)


def _set(connection: Connection, timeouts: dict[str, str]) -> None:
    connection.execute(_SET_TIMEOUTS, timeouts)
    end_transaction(connection)
