"""How a revision came to be applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.results.words import Operation

if TYPE_CHECKING:
    from datetime import datetime


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
