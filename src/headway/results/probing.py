"""Whether a database is at head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.results.words import State

if TYPE_CHECKING:
    from headway.results.application import Application
    from headway.results.standing import RevisionChange


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
