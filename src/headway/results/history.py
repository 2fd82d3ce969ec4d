"""One revision, as a database has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from headway.results.words import Mark


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
