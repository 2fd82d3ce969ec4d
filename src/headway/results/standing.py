"""Where a database stands, and each revision in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from headway.results.record import Application


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
