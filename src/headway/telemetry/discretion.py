"""What is told to those who keep it: logs and traces are read by more people than a database is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headway.events import (
    LockWaiting,
    RunFailed,
    StartupFailed,
    StatementFinished,
    StepBlocked,
    StepFailed,
    StepRetrying,
)
from headway.results import Peer

if TYPE_CHECKING:
    from headway.events import Event


def without_statements(event: Event) -> Event:
    """The event without what a revision or another session runs, which may hold a table's data.

    Of an error the first line is left, which says what happened; the lines below it may quote statements.
    """
    match event:
        case StatementFinished():
            return replace(event, statement="")
        case LockWaiting(holder=Peer() as holder):
            return replace(event, holder=_quiet(holder))
        case StepBlocked() | StepRetrying():
            return replace(event, blockers=tuple(map(_quiet, event.blockers)))
        case StepFailed() | RunFailed() | StartupFailed():
            return replace(event, error=event.error.partition("\n")[0])
        case _:
            return event


def _quiet(peer: Peer) -> Peer:
    return replace(peer, query=None)
