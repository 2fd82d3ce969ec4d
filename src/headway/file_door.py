"""The door to an SQLite file; see ``door`` for the one to a server."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from headway import sqlite
from headway.capabilities import wanted_extensions
from headway.doorway import Doorway
from headway.errors import CapabilityError, HeadwayError
from headway.events import Warned
from headway.ledger.entries import os_user
from headway.lock import DEFAULT_LOCK_WAIT_S, latched
from headway.results import CancelBlockers
from headway.shield import shielded
from headway.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from headway.events import Event
    from headway.ledger import Ledger
    from headway.results import RunOptions
    from headway.session import Session
    from headway.timeouts import Timeouts

_RESTORE_WITHIN_S = 5.0


@dataclass(slots=True)
class FileDoor(Doorway):
    """An open door to a file; ``control`` is ``session``, for a file has one writer at a time."""

    def limit(self, connection: Connection, timeouts: Timeouts, lock_timeout_ms: int) -> None:
        """Nothing: SQLite ends no statement for its duration, and the write lock is held already."""

    def transaction_of(self, connection: Connection) -> None:  # noqa: ARG002
        """Nobody can say; a COMMIT here has no server to get lost on the way to."""
        return


@asynccontextmanager
async def open_file_door(  # each names one thing that must be known before a change
    session: Session,
    *,
    ledger: Ledger,
    applies: Mapping[str, Path],
    options: RunOptions,
    run_id: str,
    emit: Callable[[Event], None],
) -> AsyncIterator[FileDoor]:
    """Hold the door open for one run; the arguments are those of :func:`headway.door.open_door`.

    Raises:
        CapabilityError: this file cannot be migrated from here, or a revision creates an extension.
        LockBusyError: another migrator kept the lock until the deadline.
        LedgerError: something else has the ledger's name.
    """
    facts = await session.run(sqlite.survey)
    wanted = await in_thread(lambda: wanted_extensions(applies))
    for check in sqlite.checks_of(facts, wanted=wanted):
        if not check.passed:
            raise CapabilityError(
                check.name,
                f"cannot migrate {session.database}: {check.finding}. Nothing was changed.",
                hint=check.way_out,
            )
    obstacle = await session.run(lambda connection: ledger.obstacle(connection, version_schema=None))
    if obstacle is not None:
        raise obstacle
    for option in _not_in_force(options):
        emit(Warned(run_id, None, f"SQLite has nothing like {option}; the run goes on without it"))
    wait_s = DEFAULT_LOCK_WAIT_S if options.lock_wait_s is None else options.lock_wait_s
    latch = sqlite.FileLatch(facts.path, os_user())
    async with (
        latched(latch, wait_s=wait_s, run_id=run_id, database=session.database, emit=emit),
        _explicit_transactions(session, busy_ms=options.lock_timeout_ms),
    ):
        await session.run(ledger.prepare)
        await session.run(ledger.interrupt_abandoned)
        yield FileDoor(session, session, ledger, None, options, run_id, emit)


def _not_in_force(options: RunOptions) -> list[str]:
    """What was asked for and takes a server."""
    asked = {
        "--statement-timeout": options.statement_timeout_ms,
        "--cancel-blockers": options.cancel_blockers is not CancelBlockers.NONE,
        "--idle-in-transaction-session-timeout": options.idle_in_transaction_session_timeout_ms,
        "--client-connection-check-interval": options.client_connection_check_interval_ms,
    }
    return [name for name, value in asked.items() if value]


@asynccontextmanager
async def _explicit_transactions(session: Session, *, busy_ms: int | None) -> AsyncIterator[None]:
    """Whole transactions for the length of the block, and the connection as it was behind it."""
    restore = await session.run(lambda connection: sqlite.begin_explicitly(connection, busy_ms=busy_ms))

    def put_back(connection: Connection) -> None:
        if not connection.closed and not connection.invalidated:
            sqlite.roll_back(connection)
        restore(connection)

    try:
        yield
    finally:
        # An error from here would hide the one that matters.
        with suppress(HeadwayError, SQLAlchemyError):
            await shielded(session.run(put_back), grace_s=_RESTORE_WITHIN_S)
