"""What a run may do."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import StrEnum


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
