"""What headway answers with: frozen dataclasses, plain data, no behaviour beyond reading it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path


class State(StrEnum):
    """Where a database stands, seen from this checkout's revisions."""

    UNVERSIONED = "unversioned"
    """No revision is applied (no version table, or an empty one)."""
    BEHIND = "behind"
    """Every applied revision is known here, and some known ones are not applied."""
    AT_HEAD = "at_head"
    """Exactly the revisions of this checkout are applied."""
    AHEAD = "ahead"
    """It holds revisions this checkout does not know, and misses none that can be told to be missing."""
    DIVERGED = "diverged"
    """It holds revisions this checkout does not know, and misses some that this checkout has."""
    DIRTY = "dirty"
    """A non-transactional revision was interrupted."""


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


class Mark(StrEnum):
    """Whether one revision is applied."""

    APPLIED = "applied"
    PENDING = "pending"
    UNKNOWN = "unknown"


class RepairAction(StrEnum):
    """What is put right in the ledger, and in the version table; no schema is touched."""

    ACCEPT = "accept"
    """An applied revision that was edited or re-parented: as it is now, it is what is applied."""
    FORGET = "forget"
    """An applied revision that no file holds: it is applied no more."""


class Alteration(StrEnum):
    """How a revision that is applied differs from what was applied."""

    EDITED = "edited"
    """Its file does something else now."""
    REPARENTED = "reparented"
    """It comes after other revisions now (``down_revision`` or ``depends_on``)."""
    DELETED = "deleted"
    """No file here holds it any more."""


@dataclass(frozen=True, slots=True)
class Application:
    """How a revision came to be applied, by the ledger's word.

    ``recorded_at`` is when it was applied, stamped or (``baseline``) found applied, by the server's clock.
    ``checksums`` are those on record since then, oldest first: its own, then those that were accepted; empty
    where none was recorded.
    """

    revision: str
    operation: Operation
    recorded_at: datetime
    database_user: str
    os_user: str
    host: str
    checksums: tuple[str, ...] = ()

    @property
    def applied_at(self) -> datetime | None:
        """When it was applied or stamped; ``None`` of what was found applied."""
        return None if self.operation is Operation.BASELINE else self.recorded_at


@dataclass(frozen=True, slots=True)
class RevisionChange:
    """An applied revision that is not what was applied.

    ``was_after`` and ``is_after`` are its parents and dependencies then and now, where ``changes`` holds
    ``REPARENTED``. ``path`` is ``None`` when it is deleted.
    """

    revision: str
    changes: tuple[Alteration, ...]
    application: Application
    was_after: tuple[str, ...] = ()
    is_after: tuple[str, ...] = ()
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class RevisionStatus:
    """One revision, as ``status`` and ``history`` show it.

    ``path`` is ``None`` for a revision this checkout does not hold. ``applied_at`` is ``None`` when
    the revision is not applied or no ledger says when it was.
    """

    revision: str
    mark: Mark
    description: str = ""
    parents: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    path: Path | None = None
    is_head: bool = False
    is_current: bool = False
    applied_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The whole picture: every revision in order (oldest first), unknown ones last.

    ``ledger`` says whether this database has one; an applied revision without ``applied_at`` was then
    applied before it. ``dirty`` says which revision was interrupted where, and what it left; ``None``
    unless ``state`` is ``DIRTY``. ``changed`` are the applied revisions that are not what was applied.
    """

    database: str
    state: State
    current: tuple[str, ...]
    heads: tuple[str, ...]
    revisions: tuple[RevisionStatus, ...]
    ledger: bool = False
    dirty: str | None = None
    changed: tuple[RevisionChange, ...] = ()

    @property
    def pending(self) -> tuple[str, ...]:
        """Revisions not applied yet, in the order they would run; empty at head."""
        return tuple(item.revision for item in self.revisions if item.mark is Mark.PENDING)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Applied revisions that this checkout does not hold; empty as a rule."""
        return tuple(item.revision for item in self.revisions if item.mark is Mark.UNKNOWN)


@dataclass(frozen=True, slots=True)
class PendingReport:
    """The cheap answer: is the database at head, and if not, what is missing.

    ``dirty`` is the revision that was interrupted, or runs right now statement by statement; ``None`` unless
    ``state`` is ``DIRTY``. ``serves`` is whether this checkout's code can work on the database: it misses no
    revision and none of its own is half-way; what others have added does not matter. ``changed`` are the
    applied revisions that are not what was applied, ``foreign`` what the ledger knows of the ``unknown``
    ones; both are empty for a role that may not read the ledger.
    """

    database: str
    state: State
    current: tuple[str, ...]
    heads: tuple[str, ...]
    pending: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    dirty: str | None = None
    serves: bool = False
    changed: tuple[RevisionChange, ...] = ()
    foreign: tuple[Application, ...] = ()

    @property
    def at_head(self) -> bool:
        """Whether exactly this checkout's revisions are applied, each as it is here."""
        return self.state is State.AT_HEAD and not self.changed


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


@dataclass(frozen=True, slots=True)
class Rename:
    """A column or table that has, or may have, another name now.

    ``old`` is the name as the database has it, ``table.column`` or ``table``, with its schema in front when
    that is not the default one; ``new`` is the new name, qualified likewise. It reads ``old=new``.
    """

    old: str
    new: str

    @classmethod
    def parse(cls, text: str) -> Rename:
        """Read ``users.mail=users.email``.

        Raises:
            ValueError: it is not two names of columns with an equals sign between them.
        """
        old, _, new = (part.strip() for part in text.partition("="))
        if not old or not new or "." not in old or "." not in new:
            raise ValueError(text)
        return cls(old, new)

    def __str__(self) -> str:
        return f"{self.old}={self.new}"


@dataclass(frozen=True, slots=True)
class RevisionReport:
    """Files that ``revision`` or ``merge`` wrote; ``paths`` is empty when there was nothing to write.

    One change may need several files, in the order they run; ``revision`` is the last one's identifier.
    ``renames`` are probable ones that nobody decided on: the files drop the old name and add the new one.
    """

    revision: str | None
    paths: tuple[Path, ...] = ()
    renames: tuple[Rename, ...] = ()


class Change(StrEnum):
    """What is with something that models and database do not have alike."""

    ADDED = "added"
    """The models have it."""
    REMOVED = "removed"
    """The database has it."""
    CHANGED = "changed"


_VERBS = {Change.ADDED: "add", Change.REMOVED: "remove", Change.CHANGED: "change"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the models have otherwise than the revisions make it.

    ``kind`` says what it is as SQL does (``table``, ``column``, ``index``, ``check constraint``, ``enum``).
    ``attribute`` is what changed of a column (``type``, ``nullable``, ``default``, ``comment``), ``None``
    where that is the whole. ``schema`` is ``None`` for the default one, ``table`` for what belongs to none.
    ``old`` is what the revisions make and ``new`` what the models hold, as SQL as a rule; ``None`` where
    there is none.
    """

    change: Change
    kind: str
    schema: str | None
    table: str | None
    name: str | None
    attribute: str | None = None
    old: str | None = None
    new: str | None = None

    @property
    def place(self) -> str | None:
        """The table's name with its schema."""
        return f"{self.schema}.{self.table}" if self.schema and self.table else self.table

    def __str__(self) -> str:
        names = {"table": self.place, "column": f"{self.place}.{self.name}"}
        subject = names.get(self.kind, self.name)
        words = f"{_VERBS[self.change]} {self.kind} {subject or ''}".rstrip()
        if self.attribute:
            return f"change {self.attribute} of {self.kind} {subject}: {self.old} to {self.new}"
        if self.place and self.kind not in {"table", "column"}:
            words += f" on {self.place}"
        what = " to ".join(text for text in (self.old, self.new) if text)
        return f"{words}: {what}" if what else words


@dataclass(frozen=True, slots=True)
class LockReport:
    """``versions.lock``: where it is or would be, whether it was there, and where files and it differ."""

    path: Path
    exists: bool
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the models hold that no revision creates, or the reverse; no ``changes`` when they agree."""

    database: str
    changes: tuple[Difference, ...] = field(default=())

    @property
    def differences(self) -> tuple[str, ...]:
        """The changes, one readable line each."""
        return tuple(map(str, self.changes))

    @property
    def clean(self) -> bool:
        """Whether models and migrations agree."""
        return not self.changes


class Pooling(StrEnum):
    """What stands between a connection and its server process."""

    NONE = "none"
    """Nothing: the process is this connection's own."""
    SESSION = "session"
    """A pooler or proxy that keeps one process for a connection as long as that lives."""
    TRANSACTION = "transaction"
    """A pooler that gives each transaction whichever process is free; a session's lock is shared or lost."""
    UNKNOWN = "unknown"
    """A pooler of which neither could be proved."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server can do for this connection's user, as it was asked.

    ``schema`` is where the version table goes: the configured one, or the connection's current schema;
    ``None`` when the search path leads to none. ``can_create`` is false when ``schema`` does not exist.
    ``can_write_versions`` is ``None`` while there is no version table. ``read_only_source`` is where the
    read-only setting comes from, in ``pg_settings``' words. ``transaction_status`` is whether
    ``pg_xact_status`` can tell a lost COMMIT's outcome, ``locks_visible`` and ``activity_visible`` whether
    ``pg_locks`` and other users' queries may be read, ``can_signal`` whether other users' queries may be
    cancelled.
    """

    server_version: str
    server_version_num: int
    pooling: Pooling
    standby: bool
    read_only: bool
    read_only_source: str
    schema: str | None
    schema_exists: bool
    schema_owner: str | None
    can_create: bool
    can_write_versions: bool | None
    user: str
    superuser: bool
    database: str
    application_name: str
    transaction_status: bool
    locks_visible: bool
    activity_visible: bool
    can_signal: bool
    extensions_available: tuple[str, ...]
    extensions_installed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. ``way_out`` is what to do when it did not pass, else ``None``."""

    name: str
    passed: bool
    finding: str
    way_out: str | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as it is in force, secrets masked, and where it came from."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """Everything that decides whether this database can be migrated from here, and how.

    ``capabilities`` is ``None`` when the database was not reached, or is an SQLite file; ``state`` when it
    was not, or the revision files do not form a graph. ``lock_key`` is the migrator lock's advisory key,
    ``None`` as ``capabilities`` is.
    """

    database: str
    settings: tuple[Setting, ...]
    versions: dict[str, str]
    capabilities: Capabilities | None
    lock_key: int | None
    state: State | None
    current: tuple[str, ...]
    heads: tuple[str, ...]
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    @property
    def reached(self) -> bool:
        """Whether the database answered; a file has no capabilities, and is checked all the same."""
        return self.capabilities is not None or any(check.name == "writable" for check in self.checks)

    @property
    def problems(self) -> tuple[Check, ...]:
        """The checks that did not pass; empty as a rule."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def migratable(self) -> bool:
        """Whether every check passed."""
        return not self.problems


class Operation(StrEnum):
    """What a ledger entry records."""

    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    STAMP = "stamp"
    """The version table was written without running the revision."""
    BASELINE = "baseline"
    """The revision was found applied (or found gone) by a run that came after the fact."""
    REPAIR = "repair"
    """A person or headway put right what an interrupted revision left, or what the ledger says of one."""


class Outcome(StrEnum):
    """How a step on record ended."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


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
