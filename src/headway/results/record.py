"""What the ledger answers with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from headway.results.words import Operation, Outcome


@dataclass(frozen=True, slots=True)
class JournalledStatement:
    """One statement that was committed on its own; ``position`` counts from 0.

    ``statement`` is redacted. ``finished_at`` is ``None`` when it is not done: the server refused it, then
    ``rejected`` is the SQLSTATE; or nobody knows, for it was running when the trace ends. ``digest`` tells
    whether a statement is still the same, parameters included; ``rowcount`` is that of one that is done,
    ``None`` where it has none. ``backend_pid`` and ``backend_start`` say which server process ran it.
    ``indexes_before`` holds the oids of what was there before it first began, and so is not its own
    (``None``: nobody looked); ``repaired`` names the INVALID indexes of its own that were dropped before it
    ran again.
    """

    position: int
    statement: str
    started_at: datetime
    finished_at: datetime | None = None
    digest: str | None = None
    rowcount: int | None = None
    rejected: str | None = None
    backend_pid: int | None = None
    backend_start: datetime | None = None
    indexes_before: tuple[int, ...] | None = None
    repaired: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One attempted step, as the ledger has it; times are UTC, by the server's clock.

    ``applied`` says what success leaves the revision: applied, not applied, or (``None``) as it was.
    ``finished_at`` and ``duration_ms`` are ``None`` while it runs; an interrupted entry's ``finished_at`` is
    when the interruption was noticed. ``checksum`` is ``None`` where no file was run. ``journal`` is empty
    unless statements were committed on their own; ``backend_pid`` and ``backend_start`` then say which server
    process ran the last of them.
    """

    id: int
    run_id: str
    revision: str
    operation: Operation
    outcome: Outcome
    applied: bool | None
    transactional: bool
    description: str
    checksum: str | None
    previous_hash: str | None
    hash: str | None
    started_at: datetime
    finished_at: datetime | None
    duration_ms: float | None
    sqlstate: str | None
    error: str | None
    statements_done: int
    statements_total: int | None
    database_user: str
    os_user: str
    host: str
    versions: Mapping[str, str]
    journal: tuple[JournalledStatement, ...] = ()
    backend_pid: int | None = None
    backend_start: datetime | None = None
