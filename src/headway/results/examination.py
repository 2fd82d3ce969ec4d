"""What is found when everything is looked at that migrations need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.results.server import Capabilities, Check
    from headway.results.words import State


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
