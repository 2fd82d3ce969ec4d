"""The one safe door: what must be true before a database is changed, and stays true while it is.

Whoever changes a database comes through here, whether `headway`, `alembic` or the application started the
run: capabilities are probed and judged, the migrator lock is taken, the ledger stands ready.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from headway.capabilities import probe, require_migratable
from headway.commit import server_identity, transaction_id
from headway.errors import RefusedError
from headway.lock import DEFAULT_LOCK_WAIT_S, lock_key_on, migrator_lock
from headway.timeouts import session_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from sqlalchemy.engine import Connection

    from headway.commit import ServerIdentity
    from headway.events import Event
    from headway.ledger import Ledger
    from headway.project import VersionTable
    from headway.results import Capabilities, RunOptions
    from headway.session import Session


@dataclass(frozen=True, slots=True)
class Door:
    """An open door: the lock is held on ``session``; ``control`` is a second connection beside it.

    Attributes:
        pid: the server process of ``session``.
        server: who the server is, for the day a COMMIT gets no answer.
    """

    session: Session
    control: Session
    ledger: Ledger
    key: int
    pid: int
    server: ServerIdentity | None
    capabilities: Capabilities
    options: RunOptions
    run_id: str
    emit: Callable[[Event], None]

    async def adopt(self, applied: Mapping[str, str]) -> None:
        """Note in the ledger what came or went without it: revision to description, oldest first."""
        await self.control.run(lambda connection: self.ledger.adopt(connection, self.run_id, applied))


@asynccontextmanager
async def open_door(  # each names one thing that must be known before a change
    session: Session,
    *,
    table: VersionTable,
    ledger: Ledger,
    options: RunOptions,
    run_id: str,
    emit: Callable[[Event], None],
) -> AsyncIterator[Door]:
    """Hold the door open for one run.

    Nothing is written before the lock is held. The ledger is made ready under the lock, and entries that a
    run which is no more left open are closed as interrupted.

    Raises:
        CapabilityError: this server cannot be migrated safely the way it is reached.
        LockBusyError: another migrator kept the lock until the deadline.
        LedgerError: something else has the ledger's name.
    """
    capabilities = await session.run(lambda connection: probe(connection, version_table=table))
    require_migratable(capabilities)
    key, pid, server = await session.run(lambda connection: _identify(connection, table))
    wait_s = DEFAULT_LOCK_WAIT_S if options.lock_wait_s is None else options.lock_wait_s
    async with (
        session_settings(session),
        migrator_lock(session, key, wait_s=wait_s, run_id=run_id, database=session.database, emit=emit),
        session.beside() as control,
    ):
        await control.run(ledger.prepare)
        await control.run(ledger.interrupt_abandoned)
        yield Door(session, control, ledger, key, pid, server, capabilities, options, run_id, emit)


def _identify(connection: Connection, table: VersionTable) -> tuple[int, int, ServerIdentity | None]:
    key = lock_key_on(connection, table)
    with connection.begin():
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        if transaction_id(connection) != transaction_id(connection):
            raise RefusedError(
                "this connection commits every statement by itself (isolation level AUTOCOMMIT), so "
                "a revision that fails could not be rolled back",
                hint="Hand over an engine or connection without isolation_level='AUTOCOMMIT'.",
            )
    return key, int(pid), server_identity(connection)
