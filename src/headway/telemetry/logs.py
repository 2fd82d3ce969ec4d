"""Events as records of the standard library's logging, with the same facts as fields beside the words."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import fields
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

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
from headway.narration.pacing import Pace
from headway.narration.sentences import in_words
from headway.results import Peer
from headway.telemetry.discretion import without_statements

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from headway.events import Event

Field: TypeAlias = str | int | float | bool | list[int] | None

PREFIX = "headway_"
"""What every field's name begins with, so that none meets an attribute that a record has by itself."""
LEVELS: Mapping[type[Event], int] = {
    StepProgress: logging.DEBUG,
    StatementFinished: logging.DEBUG,
    RunStarted: logging.INFO,
    RunFinished: logging.INFO,
    StepStarted: logging.INFO,
    StepFinished: logging.INFO,
    ServerStarting: logging.INFO,
    BackupStarted: logging.INFO,
    BackupFinished: logging.INFO,
    StartupBegan: logging.INFO,
    StartupFinished: logging.INFO,
    LockWaiting: logging.WARNING,
    Waiting: logging.WARNING,
    StepBlocked: logging.WARNING,
    StepRetrying: logging.WARNING,
    Warned: logging.WARNING,
    StepFailed: logging.ERROR,
    RunFailed: logging.ERROR,
    StartupFailed: logging.ERROR,
}
"""The level of each event; that a step is blocked no longer is ``INFO``."""

_WORD_BEGINS = re.compile(r"(?<=[a-z])(?=[A-Z])")


class LogListener:
    """Writes one record for each event worth one.

    The message is a sentence. The facts are attributes of the record as well (``headway_event``,
    ``headway_run_id``, ``headway_revision``, …; docs/observability.md lists them), where a formatter for JSON
    finds them. What an event repeats while nothing changes is written every ten seconds. No statement's text
    is written, neither a revision's nor another session's, because it may hold data; of an error the first
    line is. Logging itself is left as it is: no handler, level or filter is set.

    Args:
        logger: where to write; the logger named ``headway`` when ``None``.
        clock: monotonic time in seconds.
    """

    def __init__(
        self, logger: logging.Logger | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logging.getLogger("headway") if logger is None else logger
        self._pace = Pace(clock=clock)

    def __call__(self, event: Event) -> None:
        """Write the event, if its level is wanted and it is news."""
        level = level_of(event)
        if self._logger.isEnabledFor(level) and self._is_news(event):
            quiet = without_statements(event)
            self._logger.log(level, in_words(quiet), extra=fields_of(quiet))

    def _is_news(self, event: Event) -> bool:
        match event:
            case StepBlocked(blockers=()):
                return self._pace.over(("blocked", event.run_id))
            case StepBlocked():
                about: Hashable = (event.revision, frozenset(peer.pid for peer in event.blockers))
                return self._pace.due(("blocked", event.run_id), about)
            case StepProgress():
                about = (event.revision, event.command, event.phase)
                return self._pace.due(("progress", event.run_id), about)
            case LockWaiting():
                return self._pace.due(("lock", event.run_id), event.holder and event.holder.pid)
            case Waiting():
                return self._pace.due(("waiting", event.reason), None)
            case _:
                return True


def level_of(event: Event) -> int:
    """The level of an event's record."""
    if isinstance(event, StepBlocked) and not event.blockers:
        return logging.INFO
    return LEVELS[type(event)]


def fields_of(event: Event) -> dict[str, Field]:
    """The facts of an event as plain values: other sessions by the ids of their server processes."""
    names = (item.name for item in fields(event) if item.name != "statement")
    return {
        f"{PREFIX}event": event_name(type(event)),
        **{PREFIX + name: _plain(getattr(event, name)) for name in names},
    }


def event_name(kind: type[Event]) -> str:
    """What a kind of event is called in ``headway_event``: ``run_started``."""
    return _WORD_BEGINS.sub("_", kind.__name__).lower()


def _plain(fact: str | float | Enum | Peer | tuple[Peer, ...] | None) -> Field:
    match fact:
        case Enum():
            return str(fact.value)
        case Peer():
            return fact.pid
        case tuple():
            return [peer.pid for peer in fact]
        case _:
            return fact
