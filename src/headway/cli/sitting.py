"""One command's dealings with one project: a Migrator, the loop it runs on, and what is said on the way."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, TypeVar

import click

from headway.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from headway import Event, Listener, Migrator, Project
    from headway.cli.foreground import Foreground
    from headway.cli.invocation import Invocation
    from headway.cli.progress import Progress

_T = TypeVar("_T")


class Drawing:
    """Draws progress; what draws is loaded with the first event, for a command that only looks hears none."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._progress: Progress | None = None

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        if self._progress is None:
            from headway.cli import thrift
            from headway.cli.progress import Progress

            thrift.run()
            self._progress = Progress(self._terminal)
        self._progress(event)

    def stop(self) -> None:
        """Take off the screen what moves."""
        if self._progress is not None:
            self._progress.stop()


class Sitting:
    """What a verb works with.

    Attributes:
        terminal: where to write.
        migrator: what to ask; its coroutines go through :meth:`run`.
    """

    def __init__(
        self, terminal: Terminal, migrator: Migrator, drawing: Drawing, foreground: Foreground
    ) -> None:
        self.terminal = terminal
        self.migrator = migrator
        self._drawing = drawing
        self._foreground = foreground
        self._said: set[str] = set()

    @property
    def in_development(self) -> bool:
        """Whether this is a developer's own database."""
        return str(self.migrator.settings.environment) == "development"

    @property
    def protected(self) -> bool:
        """Whether consent takes the database's name: in production, and where it is marked so."""
        return self.migrator.settings.protected

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Await in the foreground: Ctrl-C cancels it in order, progress is drawn, new notes are said."""
        try:
            with _stdout_kept_for_data():
                return self._foreground.run(coroutine)
        finally:
            self._drawing.stop()
            self.say_notes()

    def name_database(self, database: str) -> None:
        """Say which database this is about, unless that was said."""
        self._drawing.stop()
        self.terminal.name_database(database)

    def say_notes(self) -> None:
        """Say what the settings have to say, each note once."""
        for note in self.migrator.notes:
            if note not in self._said:
                self._said.add(note)
                self.terminal.say(f"{click.style('note:', fg='yellow')} {note}")


@contextmanager
def _stdout_kept_for_data() -> Iterator[None]:
    """What env.py, revisions, hooks and their subprocesses print goes to stderr: stdout is for our answer."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


def project_of(invocation: Invocation) -> Project:
    """The project the command line names, else the one around the working directory.

    Raises:
        ConfigurationError: there is none, or its file is wrong.
    """
    from headway import load_project

    return load_project(invocation.config, section=invocation.section, directory=invocation.directory)


@contextmanager
def sitting(invocation: Invocation) -> Iterator[Sitting]:
    """Open the project the command line names, and close it whatever happens.

    Raises:
        ConfigurationError: there is no project, or its settings are wrong.
    """
    from headway import Migrator
    from headway.cli.foreground import Foreground

    terminal = Terminal(invocation)
    if invocation.verbose:
        _show_log_lines()
    drawing = Drawing(terminal)
    with Foreground() as foreground:
        migrator = Migrator(
            project_of(invocation),
            url=invocation.url,
            environment=invocation.environment,
            listeners=[drawing, *_telemetry()],
            x_arguments=invocation.x_arguments,
        )
        at_work = Sitting(terminal, migrator, drawing, foreground)
        try:
            at_work.say_notes()
            yield at_work
        finally:
            drawing.stop()
            foreground.finish(migrator.aclose())


def _telemetry() -> list[Listener]:
    # As under `opentelemetry-instrument headway ...`: whoever wants spans has loaded it before us.
    if "opentelemetry.trace" not in sys.modules:
        return []
    from headway.telemetry import OpenTelemetryListener

    return [OpenTelemetryListener()]


def _show_log_lines() -> None:
    import logging

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
