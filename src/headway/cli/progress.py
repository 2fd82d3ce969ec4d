"""Events drawn as they come: lines that stay, and on a terminal a spinner for what is at work."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, assert_never

import click

from headway.cli.failure import shorten
from headway.cli.terminal import mark_colour
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
from headway.narration import sentences
from headway.narration.figures import readable_duration, share
from headway.narration.pacing import Pace
from headway.results import Direction, Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from rich.status import Status

    from headway.cli.terminal import Terminal
    from headway.events import Event

_BAR_WIDTH = 24

_Underway: TypeAlias = StepBlocked | StepRetrying | StepProgress | StatementFinished


class Progress:
    """A listener that talks to the terminal.

    Args:
        terminal: where to.
        clock: monotonic time in seconds.
    """

    def __init__(self, terminal: Terminal, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._terminal = terminal
        self._pace = Pace(clock=clock)
        self._spinner: Status | None = None
        self._doing: str | None = None

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
                self._wait("lock", sentences.lock_waiting(event), event.holder and event.holder.pid)
            case Waiting():
                self._wait("waiting", sentences.waiting(event), event.reason)
            case Warned():
                self._note(f"{click.style('warning:', fg='yellow')} {sentences.warning(event)}")
            case ServerStarting():
                self._starting(event)
            case BackupStarted() | BackupFinished():
                self._backup(event)
            case StartupBegan() | StartupFinished() | StartupFailed():
                pass  # an application's matter; no command starts one
            case _:
                assert_never(event)

    def name_database(self, database: str) -> None:
        """Say which database this is about; once."""
        self.stop()
        self._terminal.name_database(database)

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
                self._doing = sentences.step_started(event)
                self._pace.clear()
                self._pace.said("progress", event.revision)  # a short step needs none
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
                if self._pace.over("blocked"):
                    self._wait("free", sentences.blocked(event), None)
            case StepBlocked():
                pids = frozenset(peer.pid for peer in event.blockers)
                self._wait("blocked", sentences.blocked(event), pids)
            case StepRetrying():
                self._note(f"  {sentences.retrying(event)}")
            case StepProgress():
                self._advance(event)
            case StatementFinished():
                self._note(click.style(f"  {sentences.statement(event)}", dim=True))

    def _advance(self, event: StepProgress) -> None:
        if self._terminal.redraws:
            plain = self._terminal.mark(Mark.APPLIED, sys.stderr).isascii()
            self._spin(f"{self._doing}: {progress_bar(event, ascii_only=plain)}")
        elif self._pace.due("progress", event.revision):
            self._terminal.say(f"  {sentences.progress(event)}")

    def _wait(self, topic: str, text: str, about: Hashable) -> None:
        if self._terminal.redraws:
            self._spin(text)
        elif self._pace.due(topic, about):
            indent = "  " if self._doing else ""
            self._terminal.say(indent + text)

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

    def _backup(self, event: BackupStarted | BackupFinished) -> None:
        self._note(sentences.in_words(event))
        if isinstance(event, BackupStarted):
            self._spin(sentences.in_words(event))

    def _starting(self, event: ServerStarting) -> None:
        # Starting takes a tenth of a second, creating some seconds: only the wait is worth a word.
        if event.initialising or self._terminal.invocation.verbose:
            seen_from_here = str(shorten(Path(event.directory)))
            self._terminal.say(sentences.server_starting(replace(event, directory=seen_from_here)))

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


def progress_bar(event: StepProgress, *, ascii_only: bool) -> str:
    """How far a long statement is, with a bar where the end is known; what it is stands beside it."""
    phase, *figures = sentences.progress_facts(event)
    drawn = [bar(share(event.done, event.total), ascii_only=ascii_only)] if event.total else []
    return " ".join([phase, *drawn, *figures])


def bar(part: float, *, ascii_only: bool) -> str:
    """A bar of fixed width, filled to ``part`` of it."""
    full, empty = "#-" if ascii_only else "━─"
    filled = int(part * _BAR_WIDTH)
    return full * filled + empty * (_BAR_WIDTH - filled)
