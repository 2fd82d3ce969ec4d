"""Events drawn as they come: lines that stay, and on a terminal a spinner for what is at work."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, assert_never

import click

from headway.cli import narration
from headway.cli.failure import shorten
from headway.cli.figures import readable_duration
from headway.cli.terminal import mark_colour
from headway.events import (
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
from headway.results import Direction, Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from rich.status import Status

    from headway.cli.terminal import Terminal
    from headway.events import Event

_DOING = {Direction.UPGRADE: "applying", Direction.DOWNGRADE: "undoing"}
_LINE_EVERY_S = 10.0
"""How often a line repeats what a terminal would redraw, in seconds: a log is read afterwards."""

_Underway: TypeAlias = StepBlocked | StepRetrying | StepProgress | StatementFinished


class Progress:
    """A listener that talks to the terminal.

    Args:
        terminal: where to.
        clock: monotonic time in seconds.
    """

    def __init__(self, terminal: Terminal, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._terminal = terminal
        self._clock = clock
        self._spinner: Status | None = None
        self._database: str | None = None
        self._doing: str | None = None
        self._said: dict[str, tuple[Hashable, float]] = {}

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        match event:
            case RunStarted() | RunFinished() | RunFailed():
                self._turn(event)
            case StepStarted() | StepFinished() | StepFailed():
                self._step(event)
            case StepBlocked() | StepRetrying() | StepProgress() | StatementFinished():
                self._underway(event)
            case LockWaiting():
                self.name_database(event.database)
                self._wait("lock", narration.lock_waiting(event), event.holder and event.holder.pid)
            case Waiting():
                self._wait("waiting", narration.waiting(event), event.reason)
            case Warned():
                self._note(f"{click.style('warning:', fg='yellow')} {narration.warning(event)}")
            case ServerStarting():
                self._starting(event)
            case StartupBegan() | StartupFinished() | StartupFailed():
                pass  # an application's matter; no command starts one
            case _:
                assert_never(event)

    def name_database(self, database: str) -> None:
        """Say which database this is about; once."""
        if database != self._database:
            self._database = database
            self.stop()
            self._terminal.say(f"{click.style('database:', dim=True)} {database}")

    def stop(self) -> None:
        """Take the spinner off the screen."""
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None

    def _turn(self, event: RunStarted | RunFinished | RunFailed) -> None:
        self._doing = None
        self.stop()
        if isinstance(event, RunStarted):
            self.name_database(event.database)

    def _step(self, event: StepStarted | StepFinished | StepFailed) -> None:
        self._doing = None
        match event:
            case StepStarted():
                self._doing = f"{_DOING[event.direction]} {event.revision} {event.description}".rstrip()
                self._said = {"progress": (event.revision, self._clock())}
                self._spin(self._doing)
            case StepFinished():
                duration = click.style(f"({readable_duration(event.duration_ms)})", dim=True)
                self._line(Mark.APPLIED, f"{_title(event)} {duration}")
            case StepFailed():
                self._line(Mark.UNKNOWN, f"{click.style(event.revision, bold=True)} failed")

    def _underway(self, event: _Underway) -> None:
        match event:
            case StepBlocked(blockers=()):
                # Only to end what was said before: that a step did not wait is no news.
                if self._said.pop("blocked", None):
                    self._wait("free", narration.blocked(event), None)
            case StepBlocked():
                pids = frozenset(peer.pid for peer in event.blockers)
                self._wait("blocked", narration.blocked(event), pids)
            case StepRetrying():
                self._note(f"  {narration.retrying(event)}")
            case StepProgress():
                self._advance(event)
            case StatementFinished():
                self._note(click.style(f"  {narration.statement(event)}", dim=True))

    def _advance(self, event: StepProgress) -> None:
        if self._terminal.redraws:
            plain = self._terminal.mark(Mark.APPLIED, sys.stderr).isascii()
            self._spin(f"{self._doing}: {narration.progress_bar(event, ascii_only=plain)}")
        elif self._due("progress", event.revision):
            self._terminal.say(f"  {narration.progress_line(event)}")

    def _wait(self, topic: str, text: str, about: Hashable) -> None:
        if self._terminal.redraws:
            self._spin(text)
        elif self._due(topic, about):
            indent = "  " if self._doing else ""
            self._terminal.say(indent + text)

    def _due(self, topic: str, about: Hashable) -> bool:
        """Whether a line is worth its place: it is about something new, or the last one is old."""
        before = self._said.get(topic)
        now = self._clock()
        if before is not None and before[0] == about and now - before[1] < _LINE_EVERY_S:
            return False
        self._said[topic] = (about, now)
        return True

    def _line(self, mark: Mark, text: str) -> None:
        self.stop()
        sign = self._terminal.mark(mark, sys.stderr) if mark is Mark.APPLIED else "!"
        self._terminal.say(f"{click.style(sign, fg=mark_colour(mark))} {text}")

    def _note(self, text: str) -> None:
        """A line that stays, in the midst of a step."""
        self.stop()
        self._terminal.say(text)
        if self._doing:
            self._spin(self._doing)

    def _starting(self, event: ServerStarting) -> None:
        # Starting takes a tenth of a second, creating some seconds: only the wait is worth a word.
        if event.initialising or self._terminal.invocation.verbose:
            doing = "creating" if event.initialising else "starting"
            self._terminal.say(f"{doing} the embedded PostgreSQL in {shorten(Path(event.directory))}")

    def _spin(self, text: str) -> None:
        if not self._terminal.redraws:
            return
        from rich.console import Console
        from rich.text import Text

        if self._spinner is not None:
            self._spinner.update(Text(text))
            return
        console = Console(file=sys.stderr, no_color=not self._terminal.coloured(sys.stderr), highlight=False)
        self._spinner = console.status(Text(text))
        self._spinner.start()


def _title(event: StepFinished) -> str:
    undone = " undone" if event.direction is Direction.DOWNGRADE else ""
    return f"{click.style(event.revision, bold=True)} {event.description}".rstrip() + undone
