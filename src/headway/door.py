"""The one safe door: what must be true before a database is changed, and stays true while it is.

Whoever changes a database comes through here, whether `headway`, `alembic` or the application started the
run: capabilities are probed and judged, the migrator lock is taken, the ledger stands ready.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import text

from headway.bearings import bearings_kept
from headway.capabilities import probe, require_migratable, wanted_extensions
from headway.commit import is_connection_lost, server_identity, transaction_id
from headway.doorway import Doorway
from headway.enclosure import is_in_transaction
from headway.errors import DatabaseError, RefusedError
from headway.file_door import open_file_door
from headway.lock import DEFAULT_LOCK_WAIT_S, lock_key, migrator_lock, try_lock
from headway.project import VersionTable
from headway.sqlite import DIALECT as SQLITE
from headway.threads import in_thread
from headway.timeouts import Timeouts, session_settings, set_local, set_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from headway.bearings import Bearings
    from headway.commit import ServerIdentity
    from headway.events import Event
    from headway.ledger import Ledger
    from headway.results import Capabilities, RunOptions
    from headway.session import Session

T = TypeVar("T")

# How long a session that has lost its client may keep the lock before we give up, in seconds.
_REGAIN_WITHIN_S = 10.0
_PAUSE_S = 0.1

_PID = text("SELECT pg_catalog.pg_backend_pid()")


@dataclass(slots=True)
class Door(Doorway):
    """An open door to a server: the lock is held on ``session``, and ``control`` is a second connection.

    Attributes:
        key: the migrator lock's.
        pid: the server process of ``session``; another one after ``regain``.
        bearings: what every step begins with, whatever the one before it set.
        capabilities: what the server can do.
    """

    key: int
    pid: int
    bearings: Bearings
    capabilities: Capabilities

    def limit(self, connection: Connection, timeouts: Timeouts, lock_timeout_ms: int) -> None:
        """Set the transaction's timeouts."""
        set_local(connection, timeouts, lock_timeout_ms)

    def transaction_of(self, connection: Connection) -> str:
        """PostgreSQL's id of the transaction."""
        return transaction_id(connection)

    async def regain(self) -> bool:
        """Take the lock again on the connection that took the place of a broken one, and settle in there.

        The server may need a moment to notice that the old one is gone.

        Returns:
            Whether it is ours, and no other run has come and gone in between; another run may follow at once.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _REGAIN_WITHIN_S
        while not await self.session.run(lambda connection: try_lock(connection, self.key)):
            if loop.time() > deadline:
                return False
            await asyncio.sleep(_PAUSE_S)
        self.pid = await self.session.run(self._settle_in)
        newest = await self._revived(lambda connection: self.ledger.entries(connection, limit=1))
        return bool(newest) and newest[0].run_id == self.run_id

    def _settle_in(self, connection: Connection) -> int:
        set_session(connection, Timeouts().merged(self.options))
        with connection.begin():
            self.bearings.restore(connection)
            return int(connection.scalar(_PID) or 0)

    async def _revived(self, work: Callable[[Connection], T]) -> T:
        """Run on ``control``, which may have broken as well; SQLAlchemy says so once, then connects anew."""
        try:
            return await self.control.run(work)
        except DatabaseError as error:
            if not is_connection_lost(error.__cause__ or error):
                raise
        return await self.control.run(work)


def open_door(  # each names one thing that must be known before a change
    session: Session,
    *,
    table: VersionTable,
    ledger: Ledger,
    applies: Mapping[str, Path],
    options: RunOptions,
    run_id: str,
    emit: Callable[[Event], None],
) -> AbstractAsyncContextManager[Doorway]:
    """Hold the door open for one run, to a server or to a file.

    Nothing is written before the lock is held. The ledger is made ready under the lock, and entries that a
    run which is no more left open are closed as interrupted.

    Args:
        session: the connection that takes the lock and runs the steps.
        table: where the applied revisions are kept.
        ledger: where the run is put on record.
        applies: the revisions that are to be applied, with their files: the server must have what they want.
            What others do until the lock is ours only makes them fewer, as a rule.
        options: how long to wait for what.
        run_id: the run, for ledger and events.
        emit: takes the events.

    Raises:
        CapabilityError: this server cannot be migrated safely the way it is reached.
        LockBusyError: another migrator kept the lock until the deadline.
        LedgerError: something else has the ledger's name.
    """
    opened: Callable[..., AbstractAsyncContextManager[Doorway]] = (
        open_file_door if session.dialect == SQLITE else partial(_open_server_door, table=table)
    )
    return opened(session, ledger=ledger, applies=applies, options=options, run_id=run_id, emit=emit)


@asynccontextmanager
async def _open_server_door(  # as above
    session: Session,
    *,
    table: VersionTable,
    ledger: Ledger,
    applies: Mapping[str, Path],
    options: RunOptions,
    run_id: str,
    emit: Callable[[Event], None],
) -> AsyncIterator[Door]:
    wanted = await in_thread(lambda: wanted_extensions(applies))
    capabilities, needs_create = await session.run(lambda connection: survey(connection, table, ledger))
    require_migratable(capabilities, needs_create=needs_create, wanted=wanted)
    schema = capabilities.schema
    obstacle = await session.run(lambda connection: ledger.obstacle(connection, version_schema=schema))
    if obstacle is not None:
        raise obstacle
    key = lock_key(capabilities.database, VersionTable(table.name, schema))
    pid, server = await session.run(_identify)
    wait_s = DEFAULT_LOCK_WAIT_S if options.lock_wait_s is None else options.lock_wait_s
    async with (
        session_settings(session, Timeouts().merged(options)),
        migrator_lock(session, key, wait_s=wait_s, run_id=run_id, database=session.database, emit=emit),
        session.beside() as control,
        bearings_kept(session) as bearings,
    ):
        await control.run(ledger.prepare)
        await control.run(ledger.interrupt_abandoned)
        yield Door(session, control, ledger, server, options, run_id, emit, key, pid, bearings, capabilities)


def survey(connection: Connection, table: VersionTable, ledger: Ledger) -> tuple[Capabilities, bool]:
    """What the server can do, and whether a run would have to create the version table or the ledger."""
    capabilities = probe(connection, version_table=table)
    # Asked in any case: here, on the session that runs the steps, the ledger settles where it is.
    ready = ledger.is_current(connection)
    return capabilities, not (ready and capabilities.can_write_versions is not None)


def _identify(connection: Connection) -> tuple[int, ServerIdentity | None]:
    with connection.begin():
        pid = connection.execute(_PID).scalar_one()
        if not is_in_transaction(connection):
            raise RefusedError(
                "this connection commits every statement by itself (isolation level AUTOCOMMIT), so "
                "a revision that fails could not be rolled back",
                hint="Hand over an engine or connection without isolation_level='AUTOCOMMIT'.",
            )
    return int(pid), server_identity(connection)
