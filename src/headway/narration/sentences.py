"""Events as sentences of one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headway.events import (
    BackupFinished,
    BackupStarted,
    LockWaiting,
    RunFailed,
    RunFinished,
    RunStarted,
    ServerStarting,
    StartupBegan,
    StartupFailed,
    StartupFinished,
    StatementFinished,
    StepBlocked,
    StepFailed,
    StepFinished,
    StepProgress,
    StepRetrying,
    StepStarted,
    Waiting,
    Warned,
)
from headway.narration import peers
from headway.narration.figures import readable_duration, readable_size, share
from headway.results import Direction, StartupMode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headway.events import Event

# Why a step is tried again (PostgreSQL manual, appendix A).
_LOCK_NOT_AVAILABLE, _DEADLOCK, _SERIALIZATION = "55P03", "40P01", "40001"
_WORTH_SAYING_S = 1.0
"""A shorter wait than this has only begun."""
_DOING = {Direction.UPGRADE: "applying", Direction.DOWNGRADE: "undoing"}
_DONE = {Direction.UPGRADE: "applied", Direction.DOWNGRADE: "undone"}
_STARTING = {
    StartupMode.OFF: "the database is not looked at",
    StartupMode.CHECK: "looking where the database stands",
    StartupMode.WAIT: "waiting until the database is migrated",
    StartupMode.UPGRADE: "applying what the database misses",
    StartupMode.AUTO: "looking where the database stands",
}


def in_words(event: Event) -> str:
    """Any event as a sentence, on one line whatever its words hold."""
    return _flat(_SENTENCES[type(event)](event))


def run_started(event: RunStarted) -> str:
    """What is about to run, and where."""
    steps = f": {_count(event.total, 'revision')}" if event.total else ""
    return f"{event.operation} of {event.database} started{steps}"


def run_finished(event: RunFinished) -> str:
    """What was done; a stamp has no steps, and any other run without steps had nothing to do."""
    took = readable_duration(event.duration_ms)
    if event.steps:
        return f"{event.operation} finished: {_count(event.steps, 'revision')} in {took}"
    return f"{event.operation} finished in {took}"


def run_failed(event: RunFailed) -> str:
    """Why the run ended, and what stays."""
    before = f" ({_count(event.steps, 'revision')} done before)" if event.steps else ""
    took = readable_duration(event.duration_ms)
    return f"{event.operation} failed after {took}{before}: {_flat(event.error)}"


def step_started(event: StepStarted) -> str:
    """Which revision is at work."""
    return f"{_DOING[event.direction]} {_title(event)}"


def step_finished(event: StepFinished) -> str:
    """Which revision is done, and how long it took."""
    return f"{_title(event)} {_DONE[event.direction]} ({readable_duration(event.duration_ms)})"


def step_failed(event: StepFailed) -> str:
    """Which revision failed, and why."""
    return f"{event.revision} failed: {_flat(event.error)}"


def server_starting(event: ServerStarting) -> str:
    """What is done with the embedded server, and where."""
    doing = "creating" if event.initialising else "starting"
    return f"{doing} the embedded PostgreSQL in {event.directory}"


def startup_began(event: StartupBegan) -> str:
    """What an application that starts does about its database."""
    return f"start-up: {_STARTING[event.mode]}"


def startup_finished(event: StartupFinished) -> str:
    """Where the database stands, now that the application may start."""
    if event.state is None:
        return "start-up: done"
    state = event.state.value.replace("_", " ")
    return f"start-up: done in {readable_duration(event.duration_ms)}, the database is {state}"


def startup_failed(event: StartupFailed) -> str:
    """Why the application may not start."""
    hint = f". {event.hint}" if event.hint else ""
    return f"start-up: failed after {readable_duration(event.duration_ms)}: {_flat(event.error)}{hint}"


def lock_waiting(event: LockWaiting) -> str:
    """Who has the migrator lock."""
    holder = f"held by {peers.name(event.holder)}" if event.holder else "another migrator has it"
    return f"waiting for the migrator lock{_so_far(event.waited_s)}: {holder}"


def blocked(event: StepBlocked) -> str:
    """Whose locks the step waits for, or that it waits no longer."""
    if not event.blockers:
        return f"{event.revision} waits no longer for locks, after {_seconds(event.waited_s)}"
    holders = peers.names(event.blockers)
    return f"{event.revision} waits for a lock{_so_far(event.waited_s)}: held by {holders}"


def retrying(event: StepRetrying) -> str:
    """Why the step was rolled back, and when it is tried again."""
    named = peers.names(event.blockers)
    reason = {
        _LOCK_NOT_AVAILABLE: f"locked by {named}",
        _DEADLOCK: f"deadlock with {named}",
        _SERIALIZATION: "serialization failure",
    }.get(event.sqlstate, f"rolled back ({event.sqlstate})")
    again = f"trying again in {_seconds(event.delay_s)} (attempt {event.attempt + 1})"
    return f"{event.revision} {reason}; {again}"


def progress(event: StepProgress) -> str:
    """How far a long statement is."""
    return f"{event.revision} {event.command}: {', '.join(progress_facts(event))}"


def progress_facts(event: StepProgress) -> list[str]:
    """The phase, and how much is done where that is known."""
    if not event.total:
        return [event.phase, *([_amount(event.done, event.unit)] if event.done else [])]
    done = _amount(event.done, event.unit).removesuffix(f" {event.unit}")
    whole = f"{done} of {_amount(event.total, event.unit)}"
    return [event.phase, f"{share(event.done, event.total):.0%} ({whole})"]


def statement(event: StatementFinished) -> str:
    """A statement that is done for good."""
    done = f"{event.revision} statement {event.number} done ({readable_duration(event.duration_ms)})"
    return f"{done}: {peers.one_line(event.statement)}" if event.statement else done


def warning(event: Warned) -> str:
    """A warning, and the revision it is about."""
    return f"{event.revision}: {event.message}" if event.revision else event.message


def backup_started(event: BackupStarted) -> str:
    """``backing up first: pg_dump --file before.dump``."""
    return f"backing up first: {_flat(event.command)}"


def backup_finished(event: BackupFinished) -> str:
    """``backed up in 12 s``."""
    return f"backed up in {readable_duration(event.duration_ms)}"


def waiting(event: Waiting) -> str:
    """What is not there yet."""
    return f"waiting{_so_far(event.waited_s)}: {event.reason}"


def _amount(figure: int, unit: str) -> str:
    return readable_size(figure) if unit == "bytes" else f"{figure:,} {unit}"


def _so_far(waited_s: float) -> str:
    return f" ({_seconds(waited_s)} so far)" if waited_s >= _WORTH_SAYING_S else ""


def _seconds(seconds: float) -> str:
    return readable_duration(seconds * 1000)


def _title(event: StepStarted | StepFinished) -> str:
    return f"{event.revision} {event.description}".rstrip()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _flat(text: str) -> str:
    return " ".join(text.split())


_SENTENCES: Mapping[type[Event], Callable[[Any], str]] = {
    RunStarted: run_started,
    LockWaiting: lock_waiting,
    StepStarted: step_started,
    StepBlocked: blocked,
    StepRetrying: retrying,
    StepProgress: progress,
    StatementFinished: statement,
    Warned: warning,
    BackupStarted: backup_started,
    BackupFinished: backup_finished,
    StepFinished: step_finished,
    StepFailed: step_failed,
    RunFinished: run_finished,
    RunFailed: run_failed,
    Waiting: waiting,
    ServerStarting: server_starting,
    StartupBegan: startup_began,
    StartupFinished: startup_finished,
    StartupFailed: startup_failed,
}
