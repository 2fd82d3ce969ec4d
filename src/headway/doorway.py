"""What an open door is, whatever database is behind it; ``door`` and ``file_door`` open one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from headway import sqlite
from headway.ledger import Ledger
from headway.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy.engine import Connection

    from headway.commit import ServerIdentity
    from headway.events import Event
    from headway.ledger import LedgerNames
    from headway.project import VersionTable
    from headway.results import RunOptions
    from headway.session import Session
    from headway.timeouts import Timeouts


def ledger_for(dialect: str, names: LedgerNames, table: VersionTable) -> Ledger:
    """The ledger of a version table, in a database of this kind."""
    return sqlite.FileLedger(names, table) if dialect == sqlite.DIALECT else Ledger(names, table)


@dataclass(slots=True)
class Doorway(ABC):
    """An open door: the migrator lock is held, the ledger stands ready.

    Attributes:
        session: the connection that runs the steps.
        control: the connection that puts them on record; the same one where there is one writer at a time.
        ledger: where the run is put on record.
        server: who the server is, for the day a COMMIT gets no answer; ``None`` where nobody can say.
        options: how long to wait for what.
        run_id: the run, for ledger and events.
        emit: takes the events.
        remarks: on the run, for every entry of it in the ledger.
    """

    session: Session
    control: Session
    ledger: Ledger
    server: ServerIdentity | None
    options: RunOptions
    run_id: str
    emit: Callable[[Event], None]
    remarks: dict[str, str] = field(default_factory=dict, kw_only=True)

    async def adopt(
        self, applied: Mapping[str, str], fingerprints: Callable[[Iterable[str]], Mapping[str, str]]
    ) -> None:
        """Note in the ledger what came or went without it.

        Args:
            applied: every applied revision with its description, oldest first.
            fingerprints: of the files of these revisions, as far as they can be read.
        """
        known = await self.control.run(self.ledger.on_record)
        come = [revision for revision in applied if revision not in known]
        if not come and known <= applied.keys():
            return
        checksums = await in_thread(partial(fingerprints, come)) if come else {}
        await self.control.run(
            lambda connection: self.ledger.adopt(connection, self.run_id, applied, checksums)
        )

    @abstractmethod
    def limit(self, connection: Connection, timeouts: Timeouts, lock_timeout_ms: int) -> None:
        """Set how long the transaction that is open may wait for what."""

    @abstractmethod
    def transaction_of(self, connection: Connection) -> str | None:
        """By what name to ask later what became of the transaction that is open; ``None`` if nobody can."""
