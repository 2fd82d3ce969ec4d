"""What is done before a run."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Backup:
    """What must succeed before a run changes anything.

    Attributes:
        command: for the shell; finds the database by ``PGHOST``, ``PGPORT``, ``PGUSER``, ``PGPASSWORD`` and
            ``PGDATABASE``, as ``pg_dump`` does. What stands in it other users of the machine can read.
        timeout_s: how long it may take, in seconds; ``None`` is no limit.
    """

    command: str = field(repr=False)
    timeout_s: float | None = None
