"""Where a database stands, and what of it is not as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.results.words import Mark

if TYPE_CHECKING:
    from pathlib import Path

    from headway.results.application import Application
    from headway.results.history import RevisionStatus
    from headway.results.words import Alteration, State


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
