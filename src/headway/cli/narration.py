"""Events in words. Pure: events in, sentences out; who draws them decides where and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.cli import peers
from headway.cli.figures import bar, readable_duration, readable_size, share

if TYPE_CHECKING:
    from headway.events import (
        LockWaiting,
        StatementFinished,
        StepBlocked,
        StepProgress,
        StepRetrying,
        Waiting,
        Warned,
    )

# Why a step is tried again (PostgreSQL manual, appendix A).
_LOCK_NOT_AVAILABLE, _DEADLOCK, _SERIALIZATION = "55P03", "40P01", "40001"
_WORTH_SAYING_S = 1.0
"""A shorter wait than this has only begun."""


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


def progress_line(event: StepProgress) -> str:
    """How far a long statement is, on a line of its own."""
    return f"{event.revision} {event.command}: {', '.join(_progress_facts(event))}"


def progress_bar(event: StepProgress, *, ascii_only: bool) -> str:
    """The same beside what is being done, with a bar where the end is known."""
    phase, *figures = _progress_facts(event)
    drawn = [bar(share(event.done, event.total), ascii_only=ascii_only)] if event.total else []
    return " ".join([phase, *drawn, *figures])


def statement(event: StatementFinished) -> str:
    """A statement that is done for good."""
    took = readable_duration(event.duration_ms)
    return f"{event.revision} statement {event.number} done ({took}): {peers.one_line(event.statement)}"


def warning(event: Warned) -> str:
    """A warning, and the revision it is about."""
    return f"{event.revision}: {event.message}" if event.revision else event.message


def waiting(event: Waiting) -> str:
    """What is not there yet."""
    return f"waiting{_so_far(event.waited_s)}: {event.reason}"


def _progress_facts(event: StepProgress) -> list[str]:
    if not event.total:
        return [event.phase, *([_amount(event.done, event.unit)] if event.done else [])]
    done = _amount(event.done, event.unit).removesuffix(f" {event.unit}")
    whole = f"{done} of {_amount(event.total, event.unit)}"
    return [event.phase, f"{share(event.done, event.total):.0%} ({whole})"]


def _amount(figure: int, unit: str) -> str:
    return readable_size(figure) if unit == "bytes" else f"{figure:,} {unit}"


def _so_far(waited_s: float) -> str:
    return f" ({_seconds(waited_s)} so far)" if waited_s >= _WORTH_SAYING_S else ""


def _seconds(seconds: float) -> str:
    return readable_duration(seconds * 1000)
