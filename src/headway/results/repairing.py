"""What became of a repair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.results.words import RepairAction


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
