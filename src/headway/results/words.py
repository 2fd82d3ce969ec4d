"""What things are called: the states, marks and kinds that every other answer is told in."""

from __future__ import annotations

from enum import StrEnum


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
    """A revision was interrupted that is not transactional, or that had left its transaction."""


class Mark(StrEnum):
    """Whether one revision is applied."""

    APPLIED = "applied"
    PENDING = "pending"
    UNKNOWN = "unknown"


class Alteration(StrEnum):
    """How a revision that is applied differs from what was applied."""

    EDITED = "edited"
    """Its file does something else now."""
    REPARENTED = "reparented"
    """It comes after other revisions now (``down_revision`` or ``depends_on``)."""
    DELETED = "deleted"
    """No file here holds it any more."""


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


class RepairAction(StrEnum):
    """What is put right in the ledger, and in the version table; no schema is touched."""

    ACCEPT = "accept"
    """An applied revision that was edited or re-parented: as it is now, it is what is applied."""
    FORGET = "forget"
    """An applied revision that no file holds: it is applied no more."""


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


class Change(StrEnum):
    """What is with something that models and database do not have alike."""

    ADDED = "added"
    """The models have it."""
    REMOVED = "removed"
    """The database has it."""
    CHANGED = "changed"
