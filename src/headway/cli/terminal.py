"""What the terminal can do, and the two ways out of the program: data on stdout, talk on stderr."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from io import UnsupportedOperation
from typing import TYPE_CHECKING, TextIO

import click

from headway.cli.invocation import Colour, Invocation
from headway.errors import HeadwayError, RefusedError
from headway.results import Mark

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MARKS = {Mark.APPLIED: "✓", Mark.PENDING: "✗", Mark.UNKNOWN: "?"}
_ASCII_MARKS = {Mark.APPLIED: "+", Mark.PENDING: "-", Mark.UNKNOWN: "?"}
_MARK_COLOURS = {Mark.APPLIED: "green", Mark.PENDING: "yellow", Mark.UNKNOWN: "red"}
_FALSE = frozenset({"", "0", "false", "no"})


class ReaderLeft(BaseException):
    """Whoever read stdout has closed it (`headway history | head`); nothing more need be said."""


class OutputFailedError(HeadwayError):
    """Data could not be written to stdout: a full disk, or no stdout at all."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"stdout cannot be written: {error.strerror or type(error).__name__}",
            hint="What was printed is not complete. Give it a place that takes it, and run this again.",
        )


class Terminal:
    """Where a command writes.

    Args:
        invocation: read when something is written, not before: an option may follow the verb.
    """

    def __init__(self, invocation: Invocation) -> None:
        self.invocation = invocation
        self._database: str | None = None

    @property
    def json(self) -> bool:
        """Whether the answer is one JSON document."""
        return self.invocation.json

    @property
    def debug(self) -> bool:
        """Whether tracebacks are shown (``-v`` or ``HEADWAY_DEBUG``)."""
        return self.invocation.verbose or os.environ.get("HEADWAY_DEBUG", "").lower() not in _FALSE

    @property
    def asks(self) -> bool:
        """Whether somebody is there to answer a question."""
        return sys.stdin.isatty() and sys.stderr.isatty() and not _in_ci()

    @property
    def redraws(self) -> bool:
        """Whether talk may move the cursor: a person watches, on a terminal that can."""
        return (
            sys.stderr.isatty()
            and not _in_ci()
            and os.environ.get("TERM") != "dumb"
            and not self.invocation.quiet
        )

    @property
    def width(self) -> int | None:
        """Columns of the terminal; ``None`` when stdout is not one, and lines may be as long as they are."""
        from shutil import get_terminal_size

        return get_terminal_size().columns if sys.stdout.isatty() else None

    def coloured(self, stream: TextIO) -> bool:
        """Whether a stream gets colour.

        ``--color`` decides; else only a terminal does, unless ``NO_COLOR`` (https://no-color.org: set and not
        empty), ``CI`` or ``TERM=dumb`` say otherwise.
        """
        if self.invocation.color is not Colour.AUTO:
            return self.invocation.color is Colour.ALWAYS
        # Asked for every line, and of a pipe first: the environment is slow to look at.
        if not stream.isatty():
            return False
        return not (os.environ.get("NO_COLOR") or _in_ci() or os.environ.get("TERM") == "dumb")

    def answer(self, text: str) -> None:
        """Print data to stdout. An empty text prints nothing."""
        if not text:
            return
        with _writing_data():
            click.echo(text, file=sys.stdout, color=self.coloured(sys.stdout))

    def answer_exactly(self, text: str) -> None:
        """Print a program's text (SQL) to stdout: as UTF-8 whatever the locale, and not a letter replaced."""
        with _writing_data():
            click.echo(text.encode(), file=sys.stdout, nl=not text.endswith("\n"))

    def say(self, text: str) -> None:
        """Print talk to stderr, unless it was asked to be quiet."""
        if not self.invocation.quiet:
            self.complain(text)

    def name_database(self, database: str) -> None:
        """Say which database this is about; once."""
        if database != self._database:
            self._database = database
            self.say(f"{click.style('database:', dim=True)} {database}")

    def complain(self, text: str) -> None:
        """Print to stderr, quiet or not: errors, and what must be read before a question is answered."""
        try:
            click.echo(text, file=sys.stderr, color=self.coloured(sys.stderr))
        except OSError:
            # A run must not fail halfway because nobody can listen to its progress any more.
            disconnect(sys.stderr)

    def mark(self, mark: Mark, stream: TextIO) -> str:
        """A revision's mark, plain; ASCII where the stream's encoding holds no other."""
        return _marks_for(stream)[mark]

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask, and return when the answer is yes.

        Args:
            question: asked on stderr, so that stdout stays data.
            yes: the flag that answers beforehand.

        Raises:
            RefusedError: nobody can answer, or the answer was not yes.
        """
        if yes:
            return
        if not self.asks:
            raise RefusedError(
                "This needs a yes, and there is no terminal to ask on. Nothing was changed.",
                hint="Pass --yes to go ahead.",
            )
        if not self.ask(question):
            raise RefusedError("Declined. Nothing was changed.")

    def ask(self, question: str) -> bool:
        """Ask on stderr, so that stdout stays data, and return whether the answer is yes.

        Args:
            question: what to ask; :attr:`asks` must be true.
        """
        click.echo(f"{question} [y/N] ", nl=False, err=True)
        answer = ""
        try:
            # Not input(): it writes its prompt to stdout when readline is not loaded.
            answer = sys.stdin.readline()
        finally:
            if not answer.endswith("\n"):  # Ctrl-C or Ctrl-D: what follows begins on a line of its own
                click.echo(err=True)
        return answer.strip().lower() in {"y", "yes"}

    def ask_for(self, question: str) -> str:
        """Ask for a word on stderr, so that stdout stays data; "" where it is left empty."""
        click.echo(f"{question} ", nl=False, err=True)
        return sys.stdin.readline().strip()


@contextmanager
def _writing_data() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise ReaderLeft from None
    except OSError as error:
        # What is still buffered would fail once more when Python ends.
        disconnect(sys.stdout)
        raise OutputFailedError(error) from error


def disconnect(stream: TextIO) -> None:
    """Let a stream that takes nothing more lead nowhere, or Python complains of it once more at its exit."""
    with suppress(UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def mark_colour(mark: Mark) -> str:
    """The colour a mark is drawn in."""
    return _MARK_COLOURS[mark]


def _marks_for(stream: TextIO) -> Mapping[Mark, str]:
    try:
        "".join(_MARKS.values()).encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return _ASCII_MARKS
    return _MARKS


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in _FALSE
