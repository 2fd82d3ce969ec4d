"""What a run did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from headway.results.words import Direction


@dataclass(frozen=True, slots=True)
class Peer:
    """Another session of the server, as ``pg_stat_activity`` shows it; fields it may not see are ``None``."""

    pid: int
    application_name: str | None = None
    user: str | None = None
    client: str | None = None
    backend_type: str | None = None
    state: str | None = None
    since: datetime | None = None
    query: str | None = None


@dataclass(frozen=True, slots=True)
class StepResult:
    """One revision that was completed."""

    revision: str
    direction: Direction
    description: str
    duration_ms: float


@dataclass(frozen=True, slots=True)
class RunReport:
    """One execution of a plan. ``steps`` is empty when there was nothing to do.

    ``at_head`` says whether ``after`` are the heads of the revision files, as the run read them; ``None``
    where it did not, as in a run that ``alembic`` has started.
    """

    run_id: str
    operation: str
    database: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    steps: tuple[StepResult, ...] = ()
    duration_ms: float = 0.0
    at_head: bool | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """Data that a step destroys.

    ``kind`` is ``table`` or ``column`` (``what`` is its name), ``type`` (``what`` is a column, its old type
    and its new one, which may change values), ``statement`` (``what`` is SQL that takes data away) or
    ``unknown`` (``what`` says why it cannot be told). ``rows`` and ``size_bytes`` are of the table, by the
    server's estimates, ``None`` when unknown.
    """

    revision: str
    kind: str
    what: str
    rows: int | None = None
    size_bytes: int | None = None
