"""A step in two messages: one that begins its transaction, one with all that follows up to COMMIT.

Where a revision only emits (see ``alembic_bridge.recording``), what is sent statement by statement
otherwise is the same in one message: PostgreSQL parses it whole, runs its statements in order and skips what
follows one that fails (manual, section 54.2.2.1). Nothing but COMMIT ends the transaction, so a message that
fails leaves nothing behind. Which statement it was, and what is to be said of it, is found out by running the
revision again, statement by statement.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only

from headway.commit import is_connection_lost
from headway.diagnosis import Left
from headway.lock import held_in_sql
from headway.sqltext import written
from headway.timeouts import settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from headway.door import Door
    from headway.timeouts import Timeouts

# Who listens to SQLAlchemy's log of statements sees these as well.
_logger = logging.getLogger("sqlalchemy.engine")

# The server reports this setting by itself (manual, section 54.2.7), which spares asking for it.
_REPORTED = "application_name"
_MARK = "headway transaction "
_SET = "pg_catalog.set_config({name}, {value}, true)"
_TELL = "{mark} || CAST(pg_catalog.pg_current_xact_id() AS text)"
_NEEDED = {"standard_conforming_strings": "on", "client_encoding": "UTF8"}
# An error rather than an answer: nobody reads answers before COMMIT.
_INSIST = "SELECT 1 / CASE WHEN {condition} THEN 1 ELSE 0 END"
_ONE_ROW = """
WITH changed AS ({statement} RETURNING 1)
SELECT 1 / CASE WHEN pg_catalog.count(*) = 1 THEN 1 ELSE 0 END FROM changed
"""
_SAME = "CAST(pg_catalog.pg_current_xact_id() AS text)"


class Batch:
    """One try at a transactional step; what fails is tried again by :class:`headway.attempt.Attempt`.

    Args:
        door: the open door.
        statements: what the revision emits.
        moves: statements that write its version, each of which must change one row.
        timeouts: of the run and the revision.
        lock_timeout_ms: of this attempt.

    Attributes:
        transaction: PostgreSQL's id of the transaction; ``None`` before it began.
        committing: COMMIT is on its way, with all before it.
        left: what a failure leaves in the database: nothing.
    """

    left = Left.NOTHING

    def __init__(
        self,
        door: Door,
        statements: Sequence[str],
        moves: Sequence[str],
        timeouts: Timeouts,
        lock_timeout_ms: int,
    ) -> None:
        self._door = door
        self._statements = statements
        self._moves = moves
        self._settings = settings_of(timeouts, lock_timeout_ms)
        self._name = ""
        self.transaction: str | None = None
        self.committing = False

    def begin(self, connection: Connection) -> None:
        """Begin the transaction, and remember which it is.

        Raises:
            sqlalchemy.exc.DBAPIError: the server refused, and the transaction is over; or the connection is.
        """
        driver = driver_of(connection)
        self._name = getattr(driver.get_settings(), _REPORTED, "")
        settings = {name: written(value) for name, value in self._settings.items()}
        settings[_REPORTED] = _TELL.format(mark=written(_MARK))
        calls = [_SET.format(name=written(name), value=value) for name, value in settings.items()]
        self._send(connection, "BEGIN", f"SELECT {', '.join(calls)}")
        reported = getattr(driver.get_settings(), _REPORTED, "")
        self.transaction = reported.removeprefix(_MARK) if reported.startswith(_MARK) else None
        if self.transaction is None:
            self.abandon(connection)

    def finish(self, connection: Connection, entry: int) -> None:
        """Send everything that is left to do, and COMMIT.

        Args:
            connection: on which ``begin`` was called.
            entry: the step's open entry in the ledger.

        Raises:
            sqlalchemy.exc.DBAPIError: the server refused, and all is rolled back; or the connection broke,
                and nobody knows.
        """
        door = self._door
        closing = door.ledger.closing(entry)
        script = [
            # Short: others are shown the beginning of a message as what a session is at (pg_stat_activity).
            f"SET LOCAL {_REPORTED} = {written(self._name)}",
            *self._statements,
            door.bearings.restoring(self._statements),
            _INSIST.format(condition=f"{_SAME} = {written(self.transaction)} AND {held_in_sql(door.key)}"),
            *(_ONE_ROW.format(statement=statement) for statement in (*self._moves, closing)),
            "COMMIT;",
        ]
        self.committing = True
        self._send(connection, *script)

    def abandon(self, connection: Connection) -> None:
        """Roll back what ``begin`` may have begun; a connection that broke has no transaction any more."""
        if connection.closed or connection.invalidated:
            return
        if driver_of(connection).is_in_transaction():
            self._send(connection, "ROLLBACK")

    def _send(self, connection: Connection, *statements: str) -> None:
        driver: Any = driver_of(connection)
        for statement in statements:
            _logger.info(statement)
        try:
            await_only(driver.execute(";\n".join(statements)))
        except Exception as error:
            lost = driver.is_closed() or is_connection_lost(error) or not _rolled_back(driver)
            if lost:
                connection.invalidate(error)
            # Without the statement: it is many.
            raise DBAPIError(None, None, error, connection_invalidated=lost) from error
        except BaseException as error:
            # Cancelled: nobody waits for the rest of it, as SQLAlchemy has it with any other statement.
            connection.invalidate(error)
            raise


def _rolled_back(driver: Any) -> bool:
    """End a transaction that has failed; ``False`` when the connection cannot even do that."""
    try:
        if driver.is_in_transaction():
            await_only(driver.execute("ROLLBACK"))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        return False
    return True


def can_batch(connection: Connection) -> bool:
    """Whether a batch can be sent here: by asyncpg, where strings mean to the server what they mean to us."""
    driver = driver_of(connection)
    if not isinstance(driver, asyncpg.Connection):
        return False
    # A time limit of the driver's own is for one statement. asyncpg has no public name for it.
    configured: Any = cast("Any", driver)._config  # noqa: SLF001
    settings = driver.get_settings()
    return configured.command_timeout is None and all(
        getattr(settings, name, None) == value for name, value in _NEEDED.items()
    )


def driver_of(connection: Connection) -> Any:
    """The driver's own connection."""
    return connection.connection.driver_connection
