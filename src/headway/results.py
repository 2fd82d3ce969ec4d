"""What headway answers with: frozen dataclasses, plain data, no behaviour beyond reading it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


class Mark(StrEnum):
    """Whether one revision is applied."""

    APPLIED = "applied"
    PENDING = "pending"
    UNKNOWN = "unknown"


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
    """The whole picture: every revision in order (oldest first), unknown ones last."""

    database: str
    state: State
    current: tuple[str, ...]
    heads: tuple[str, ...]
    revisions: tuple[RevisionStatus, ...]

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
    """The cheap answer: is the database at head, and if not, what is missing."""

    database: str
    state: State
    current: tuple[str, ...]
    heads: tuple[str, ...]
    pending: tuple[str, ...]
    unknown: tuple[str, ...] = ()

    @property
    def at_head(self) -> bool:
        """Whether exactly this checkout's revisions are applied."""
        return self.state is State.AT_HEAD


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
class Loss:
    """Data that a step destroys.

    ``kind`` is ``table`` or ``column`` (``what`` is its name), ``statement`` (``what`` is SQL that takes
    data away) or ``unknown`` (``what`` says why it cannot be told). ``rows`` and ``size_bytes`` are of the
    table, by the server's estimates, ``None`` when unknown.
    """

    revision: str
    kind: str
    what: str
    rows: int | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class RevisionReport:
    """Files that ``revision`` or ``merge`` wrote; ``paths`` is empty when there was nothing to write."""

    revision: str | None
    paths: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the models hold that no revision creates, one readable line each; empty when they agree."""

    database: str
    differences: tuple[str, ...] = field(default=())

    @property
    def clean(self) -> bool:
        """Whether models and migrations agree."""
        return not self.differences
