"""A step in one message: its statements, its version, the ledger, COMMIT; and the next step's BEGIN.

Where a revision only emits (see ``alembic_bridge.recording``), what is sent statement by statement
otherwise is the same in one message: PostgreSQL parses it whole, runs its statements in order and skips what
follows one that fails (manual, section 54.2.2.1). Nothing but COMMIT ends the transaction, so a message that
fails before it leaves nothing behind. Which statement it was, and what is to be said of it, is found out by
running the revision again, statement by statement.

Where another such step follows, its ledger entry is opened and its transaction begun in the same message:
then it is one round trip for each step.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

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
    from headway.ledger import NewEntry
    from headway.prepared import Prepared
    from headway.sqltext.filling import Value
    from headway.timeouts import Timeouts

# Who listens to SQLAlchemy's log of statements sees these as well.
_logger = logging.getLogger("sqlalchemy.engine")

# The server reports this setting by itself (manual, section 54.2.7), which spares asking for it.
_REPORTED = "application_name"
_MARK = "headway transaction "
# A setting of ours, by which the number of an entry gets from one transaction to the next.
_ENTRY = "headway.entry"
_SET = "pg_catalog.set_config('{name}', ${number}, true)"
_TELL = (
    f"pg_catalog.set_config('{_REPORTED}', {written(_MARK)} || CAST(pg_catalog.pg_current_xact_id() AS text)"
    f" || ' ' || coalesce(pg_catalog.current_setting('{_ENTRY}', true), ''), true)"
)
_NEEDED = {"standard_conforming_strings": "on", "client_encoding": "UTF8"}
# An error rather than an answer: nobody reads answers before COMMIT.
_INSIST = (
    "SELECT 1 / CASE WHEN CAST(pg_catalog.pg_current_xact_id() AS text) = $1 AND {held} THEN 1 ELSE 0 END"
)
_ONE_ROW = """
WITH changed AS ({statement} RETURNING 1)
SELECT 1 / CASE WHEN pg_catalog.count(*) = 1 THEN 1 ELSE 0 END FROM changed
"""
_OPENED = f"""
WITH opened (id) AS ({{statement}})
SELECT pg_catalog.set_config('{_ENTRY}', CAST(pg_catalog.max(id) AS text), false), 1 / pg_catalog.count(*)
FROM opened
"""  # noqa: S608  # a name of ours


class Following(NamedTuple):
    """The step that comes behind a batch, where that is one as well.

    Attributes:
        batch: begun in the message of the one before.
        entry: opened there.
    """

    batch: Batch
    entry: NewEntry


class Batch:
    """One try at a transactional step; what fails is tried again by :class:`headway.attempt.Attempt`.

    Args:
        door: the open door.
        prepared: what is prepared on its connection.
        statements: what the revision emits.
        moves: statements that write its version, each with its values; each must change one row.
        timeouts: of the run and the revision.
        lock_timeout_ms: of this attempt.

    Attributes:
        transaction: PostgreSQL's id of the transaction; ``None`` before it began.
        committing: COMMIT is on its way, with all before it.
        left: what a failure leaves in the database: nothing.
    """

    left = Left.NOTHING

    def __init__(  # each is one thing that it is made of
        self,
        door: Door,
        prepared: Prepared,
        statements: Sequence[str],
        moves: Sequence[Sequence[str]],
        timeouts: Timeouts,
        lock_timeout_ms: int,
    ) -> None:
        self._door = door
        self._prepared = prepared
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
        self._send(connection, *self.beginning(_reported(connection)))
        self.note(connection)
        if self.transaction is None:
            self.abandon(connection)

    def beginning(self, name: str) -> list[str]:
        """The statements that begin the transaction and tell which it is.

        Args:
            name: what the application is called, which is put back later.
        """
        self._name = name
        return ["BEGIN", self._prepared.call(_telling(tuple(self._settings)), *self._settings.values())]

    def note(self, connection: Connection) -> int | None:
        """Remember which transaction has begun.

        Returns:
            The newest entry that a message has opened on this connection, if one has.
        """
        reported = _reported(connection)
        if not reported.startswith(_MARK):
            return None
        self.transaction, _, entry = reported.removeprefix(_MARK).partition(" ")
        return int(entry) if entry else None

    def finish(self, connection: Connection, entry: int, following: Following | None = None) -> int | None:
        """Send everything that is left to do, and COMMIT.

        Args:
            connection: on which ``begin`` was called.
            entry: the step's open entry in the ledger.
            following: the step behind it: its entry is opened with this one's COMMIT, and its transaction
                begun behind that.

        Returns:
            The entry of the step behind it; ``None`` when there is no such step.

        Raises:
            sqlalchemy.exc.DBAPIError: the server refused, and all is rolled back, or nothing but what comes
                behind COMMIT; or the connection broke, and nobody knows.
        """
        script = [
            # Short: others are shown the beginning of a message as what a session is at (pg_stat_activity).
            f"SET LOCAL {_REPORTED} = {written(self._name)}",
            *self._statements,
            *self._closing(entry),
        ]
        if following is None:
            script += [*self._prepared.release(), "COMMIT;"]
        else:
            script += [*self._opening(following.entry), "COMMIT", *following.batch.beginning(self._name)]
        self.committing = True
        self._send(connection, *script)
        return None if following is None else following.batch.note(connection)

    def _closing(self, entry: int) -> list[str]:
        door = self._door
        call = self._prepared.call
        changes: list[tuple[str, Sequence[Value]]] = [(move, values) for move, *values in self._moves]
        changes.append((door.ledger.closing(), [entry]))
        return [
            call(door.bearings.restoring(self._statements)),
            call(_insisting(door.key), self.transaction),
            *(call(_changing_one(statement), *values) for statement, values in changes),
        ]

    def _opening(self, entry: NewEntry) -> list[str]:
        statement, values = self._door.ledger.opening(entry)
        return [self._prepared.call(_opened(statement), *values)]

    def abandon(self, connection: Connection) -> None:
        """Roll back what ``begin`` may have begun; a connection that broke has no transaction any more."""
        if connection.closed or connection.invalidated:
            return
        if driver_of(connection).is_in_transaction():
            self._send(connection, "ROLLBACK", self._prepared.sweep())

    def _send(self, connection: Connection, *statements: str) -> None:
        driver: Any = driver_of(connection)
        if _logger.isEnabledFor(logging.INFO):
            for statement in statements:
                _logger.info(statement)
        try:
            await_only(driver.execute(";\n".join(statements)))
        except Exception as error:
            lost = driver.is_closed() or is_connection_lost(error) or not self._cleared(driver)
            if lost:
                self._prepared.forget()
                connection.invalidate(error)
            # Without the statement: it is many.
            raise DBAPIError(None, None, error, connection_invalidated=lost) from error
        except BaseException as error:
            # Cancelled: nobody waits for the rest of it, as SQLAlchemy has it with any other statement.
            self._prepared.forget()
            connection.invalidate(error)
            raise

    def _cleared(self, driver: Any) -> bool:
        """End a transaction that has failed; ``False`` when the connection cannot even do that."""
        try:
            if driver.is_in_transaction():
                await_only(driver.execute("ROLLBACK"))
            await_only(driver.execute(self._prepared.sweep()))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            return False
        return True


# A run's steps differ in their values. What is the same for all of them is put together once, for as many
# runs as are likely to go on at a time.
_once = lru_cache(maxsize=64)


@_once
def _telling(settings: tuple[str, ...]) -> str:
    calls = [_SET.format(name=name, number=number) for number, name in enumerate(settings, start=1)]
    return f"SELECT {', '.join([*calls, _TELL])}"


@_once
def _insisting(key: int) -> str:
    return _INSIST.format(held=held_in_sql(key))


@_once
def _changing_one(statement: str) -> str:
    return _ONE_ROW.format(statement=statement)


@_once
def _opened(statement: str) -> str:
    return _OPENED.format(statement=statement)


def _reported(connection: Connection) -> str:
    return str(getattr(driver_of(connection).get_settings(), _REPORTED, ""))


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
