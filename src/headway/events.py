"""What happens while a plan runs, as typed values handed to listeners.

The runner emits them and knows nothing of who listens: the command line draws them, logging writes
them. A listener is called on the event loop and must return quickly. One that raises changes nothing of what
it is told about: its error goes to the log, and the others are told all the same.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headway.results import Direction, Peer, StartupMode, State


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A plan is about to run. ``total`` steps; 0 when there is nothing to do."""

    run_id: str
    operation: str
    database: str
    total: int


@dataclass(frozen=True, slots=True)
class StepStarted:
    """One revision begins. ``number`` counts from 1 to ``total``."""

    run_id: str
    revision: str
    direction: Direction
    description: str
    number: int
    total: int


@dataclass(frozen=True, slots=True)
class StepFinished:
    """One revision is committed, version included. ``duration_ms`` is wall-clock time."""

    run_id: str
    revision: str
    direction: Direction
    description: str
    number: int
    total: int
    duration_ms: float


@dataclass(frozen=True, slots=True)
class StepFailed:
    """One revision failed, or its run was cancelled while it was at work.

    ``error`` is redacted, and ``error_type`` the class of what was raised.
    """

    run_id: str
    revision: str
    direction: Direction
    error_type: str
    error: str
    sqlstate: str | None


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The plan is done. ``steps`` were completed."""

    run_id: str
    operation: str
    steps: int
    duration_ms: float


@dataclass(frozen=True, slots=True)
class RunFailed:
    """The plan ended before it was done: a step failed, or the run was cancelled.

    ``steps`` were completed and stay; ``error`` is redacted, and ``error_type`` the class of what was raised.
    """

    run_id: str
    operation: str
    steps: int
    duration_ms: float
    error_type: str
    error: str


@dataclass(frozen=True, slots=True)
class LockWaiting:
    """Another migrator holds the lock; said at first and then now and then. ``waited_s`` is in seconds."""

    run_id: str
    database: str
    holder: Peer | None
    waited_s: float


@dataclass(frozen=True, slots=True)
class StepBlocked:
    """A statement of the step waits for locks that others hold; ``blockers`` is empty once it goes on.

    ``waited_s`` is in seconds. It is not said that a wait is over when a timeout ended it.
    """

    run_id: str
    revision: str
    blockers: tuple[Peer, ...]
    waited_s: float


@dataclass(frozen=True, slots=True)
class StepRetrying:
    """The step was rolled back by a lock timeout, deadlock or serialization failure, and will be tried again.

    ``attempt`` counts from 1: the one that failed. ``delay_s`` is the pause before the next, in seconds.
    """

    run_id: str
    revision: str
    attempt: int
    sqlstate: str
    delay_s: float
    blockers: tuple[Peer, ...]


@dataclass(frozen=True, slots=True)
class StepProgress:
    """How far a long statement is, as ``pg_stat_progress_*`` shows it.

    ``done`` and ``total`` are in ``unit`` (``blocks``, ``tuples``, ``bytes``, ``lockers``); ``total`` is 0
    when unknown.
    """

    run_id: str
    revision: str
    command: str
    phase: str
    done: int
    total: int
    unit: str


@dataclass(frozen=True, slots=True)
class StatementFinished:
    """One statement of a revision that is not transactional is done and journalled."""

    run_id: str
    revision: str
    statement: str
    number: int
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that works but has a better way, or was repaired on the way."""

    run_id: str
    revision: str | None
    message: str


@dataclass(frozen=True, slots=True)
class BackupStarted:
    """The backup that comes before a run begins. ``command`` is redacted."""

    run_id: str
    command: str


@dataclass(frozen=True, slots=True)
class BackupFinished:
    """The backup has succeeded. ``duration_ms`` is wall-clock time."""

    run_id: str
    command: str
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is waited for is not there yet; said after every look. ``waited_s`` is in seconds."""

    reason: str
    waited_s: float


@dataclass(frozen=True, slots=True)
class ServerStarting:
    """The embedded PostgreSQL is being started; ``initialising`` when its data directory is new."""

    directory: str
    initialising: bool


@dataclass(frozen=True, slots=True)
class StartupBegan:
    """An application starts, and its database is looked at first. ``mode`` is never ``auto``."""

    mode: StartupMode


@dataclass(frozen=True, slots=True)
class StartupFinished:
    """The database is what the application needs. ``state`` is ``None`` in mode ``off``: nobody looked."""

    mode: StartupMode
    state: State | None
    duration_ms: float


@dataclass(frozen=True, slots=True)
class StartupFailed:
    """The application was refused its start, or serves without being ready. ``error`` is redacted.

    ``hint`` says what to do next, where that is known.
    """

    mode: StartupMode
    error_type: str
    error: str
    duration_ms: float
    hint: str | None = None


Event: TypeAlias = (
    RunStarted
    | LockWaiting
    | BackupStarted
    | BackupFinished
    | StepStarted
    | StepBlocked
    | StepRetrying
    | StepProgress
    | StatementFinished
    | Warned
    | StepFinished
    | StepFailed
    | RunFinished
    | RunFailed
    | Waiting
    | ServerStarting
    | StartupBegan
    | StartupFinished
    | StartupFailed
)
Listener: TypeAlias = Callable[[Event], None]

_logger = logging.getLogger("headway")


def tell(listeners: Iterable[Listener], event: Event) -> None:
    """Hand an event to every listener, whatever one of them makes of it.

    What a listener raises is logged as a warning of the logger ``headway``, by type and place: its text is
    the listener's own and may hold a secret, such as the URL that it posts to.
    """
    for listener in listeners:
        try:
            listener(event)
        except Exception as error:  # noqa: BLE001  # a listener only looks on: it must not decide what is written
            place = traceback.extract_tb(error.__traceback__)[-1]
            _logger.warning(
                "a listener raised %s at %s:%s when it was told of %s; what it was told of goes on",
                type(error).__name__,
                PurePath(place.filename).name,
                place.lineno,
                type(event).__name__,
            )
