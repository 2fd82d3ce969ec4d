"""What a run may do, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Direction(StrEnum):
    """Which way a step goes."""

    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"


class StartupMode(StrEnum):
    """What an application that starts does about its database."""

    OFF = "off"
    """Nothing: nobody looks."""
    CHECK = "check"
    """Look, and refuse to start when the database is not what this code needs."""
    WAIT = "wait"
    """Look until somebody else has migrated it, and refuse at the deadline."""
    UPGRADE = "upgrade"
    """Apply what is missing; of several processes one does, and the others wait for it."""
    AUTO = "auto"
    """``upgrade`` where the environment is development, ``check`` everywhere else."""


class CancelBlockers(StrEnum):
    """Whose statements a run may cancel when they hold a lock that a step waits for."""

    NONE = "none"
    """Nobody's: the step waits its time out, steps back and tries again."""
    AUTOVACUUM = "autovacuum"
    """Autovacuum workers', which come back by themselves."""
    ALL = "all"
    """Autovacuum workers' first, then everybody's."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How long a run may wait, and what it may do about those it waits for; ``None`` is headway's default.

    ``lock_wait_s`` is how long another migrator is waited for, in seconds; 0 asks once. Those that end in
    ``_ms`` are PostgreSQL's settings of these names for every step; 0 is no limit, or never looks.
    """

    lock_wait_s: float | None = None
    lock_timeout_ms: int | None = None
    statement_timeout_ms: int | None = None
    cancel_blockers: CancelBlockers = CancelBlockers.NONE
    idle_in_transaction_session_timeout_ms: int | None = None
    client_connection_check_interval_ms: int | None = None

    def overridden(self, options: RunOptions) -> RunOptions:
        """These, with all that ``options`` does not leave to the default in their place."""
        given = {item.name: getattr(options, item.name) for item in fields(options)}
        usual = RunOptions()
        return replace(self, **{name: it for name, it in given.items() if it != getattr(usual, name)})


@dataclass(frozen=True, slots=True)
class Backup:
    """What must succeed before a run changes anything.

    Attributes:
        command: for the shell; finds the database by ``PGHOST``, ``PGPORT``, ``PGUSER``, ``PGPASSWORD`` and
            ``PGDATABASE``, as ``pg_dump`` does. What stands in it other users of the machine can read.
        timeout_s: how long it may take, in seconds; ``None`` is no limit.
    """

    command: str = field(repr=False)
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """Another session of the server, as ``pg_stat_activity`` shows it; fields it may not see are ``None``."""

    pid: int
    application_name: str | None = None
    user: str | None = None
    client: str | None = None
    backend_type: str | None = None
    state: str | None = None
    since: datetime | None = None
    query: str | None = None


@dataclass(frozen=True, slots=True)
class StepResult:
    """One revision that was completed."""

    revision: str
    direction: Direction
    description: str
    duration_ms: float


@dataclass(frozen=True, slots=True)
class RunReport:
    """One execution of a plan. ``steps`` is empty when there was nothing to do."""

    run_id: str
    operation: str
    database: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    steps: tuple[StepResult, ...] = ()
    duration_ms: float = 0.0


class RepairAction(StrEnum):
    """What is put right in the ledger, and in the version table; no schema is touched."""

    ACCEPT = "accept"
    """An applied revision that was edited or re-parented: as it is now, it is what is applied."""
    FORGET = "forget"
    """An applied revision that no file holds: it is applied no more."""


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What was put right; ``revisions`` is empty when there was nothing to repair, and nothing was written.

    ``before`` and ``after`` are the version table's rows.
    """

    run_id: str
    action: RepairAction
    database: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    revisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Loss:
    """Data that a step destroys.

    ``kind`` is ``table`` or ``column`` (``what`` is its name), ``type`` (``what`` is a column, its old type
    and its new one, which may change values), ``statement`` (``what`` is SQL that takes data away) or
    ``unknown`` (``what`` says why it cannot be told). ``rows`` and ``size_bytes`` are of the table, by the
    server's estimates, ``None`` when unknown.
    """

    revision: str
    kind: str
    what: str
    rows: int | None = None
    size_bytes: int | None = None
