"""Events drawn as they come: a line per finished step, and on a terminal a spinner for the one at work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import click

from headway.cli.failure import shorten
from headway.cli.terminal import mark_colour
from headway.events import RunFinished, RunStarted, ServerStarting, StepFailed, StepFinished, StepStarted
from headway.results import Direction, Mark

if TYPE_CHECKING:
    from rich.status import Status

    from headway.cli.terminal import Terminal
    from headway.events import Event

_DOING = {Direction.UPGRADE: "applying", Direction.DOWNGRADE: "undoing"}
_MS_PER_SECOND = 1000
_SECONDS_PER_MINUTE = 60


class Progress:
    """A listener that talks to the terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._spinner: Status | None = None
        self._database: str | None = None

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        match event:
            case RunStarted():
                self.name_database(event.database)
            case StepStarted():
                self._spin(f"{_DOING[event.direction]} {event.revision} {event.description}")
            case StepFinished():
                duration = click.style(f"({readable_duration(event.duration_ms)})", dim=True)
                self._line(Mark.APPLIED, f"{self._step(event)} {duration}")
            case StepFailed():
                self._line(Mark.UNKNOWN, f"{click.style(event.revision, bold=True)} failed")
            case RunFinished():
                self.stop()
            case ServerStarting():
                self._starting(event)
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

    def _step(self, event: StepFinished) -> str:
        undone = " undone" if event.direction is Direction.DOWNGRADE else ""
        text = f"{click.style(event.revision, bold=True)} {event.description}".rstrip()
        return text + undone

    def _line(self, mark: Mark, text: str) -> None:
        self.stop()
        sign = self._terminal.mark(mark, sys.stderr) if mark is Mark.APPLIED else "!"
        self._terminal.say(f"{click.style(sign, fg=mark_colour(mark))} {text}")

    def _starting(self, event: ServerStarting) -> None:
        # Starting takes a tenth of a second, creating some seconds: only the wait is worth a word.
        if event.initialising or self._terminal.invocation.verbose:
            doing = "creating" if event.initialising else "starting"
            self._terminal.say(f"{doing} the embedded PostgreSQL in {shorten(Path(event.directory))}")

    def _spin(self, text: str) -> None:
        self.stop()
        if not self._terminal.redraws:
            return
        from rich.console import Console
        from rich.text import Text

        console = Console(file=sys.stderr, no_color=not self._terminal.coloured(sys.stderr), highlight=False)
        self._spinner = console.status(Text(text))
        self._spinner.start()


def readable_duration(milliseconds: float) -> str:
    """A duration for people: ``12 ms``, ``3.4 s``, ``2 min 5 s``."""
    if milliseconds < _MS_PER_SECOND:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / _MS_PER_SECOND
    if seconds < _SECONDS_PER_MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _SECONDS_PER_MINUTE)
    return f"{minutes} min {rest} s"
