"""Errors as a person reads them: what went wrong, the facts, and the way out."""

from __future__ import annotations

import os
import textwrap
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.errors import (
    BackupFailedError,
    CapabilityError,
    DirtyError,
    ExitCode,
    HeadwayError,
    LockLostError,
    OutcomeUnknownError,
    StepFailedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STATEMENT_LINES = 12
"""How much of a failed statement is shown: enough for a wide CREATE TABLE's beginning, within a screen."""
_LABEL_WIDTH = 10
_PACKAGE = Path(__file__).parents[1]


class UsageError(HeadwayError):
    """The command line could not be understood."""

    exit_code = ExitCode.USAGE


class Interrupted(HeadwayError):  # noqa: N818  # named for what happened: nobody erred
    """A signal ended the command."""


class InternalError(HeadwayError):
    """A fault of headway's own, or of code it called.

    Only the type and the place are told. The text of a foreign exception may hold a connection URL, as
    configparser's does.
    """

    def __init__(self, fault: BaseException) -> None:
        super().__init__(
            f"{type(fault).__name__}{_place(fault)}",
            hint="HEADWAY_DEBUG=1 or -v shows the traceback (it may hold secrets).",
        )


def draw(error: HeadwayError, *, command: str) -> str:
    """An error as text, styled; what prints it takes the colours off where they are not wanted.

    Args:
        error: what went wrong.
        command: what was typed, for "after the fix, run".
    """
    word = "internal error:" if isinstance(error, InternalError) else "error:"
    lines = [click.style(word, fg="red", bold=True) + " " + error.message]
    lines += _drawn(_facts(error))
    if isinstance(error, StepFailedError) and not error.hint:
        lines.append(f"After the fix, run: {click.style(command, bold=True)}")
    if error.hint:
        lines.append(click.style("hint:", fg="cyan", bold=True) + " " + error.hint)
    return "\n".join(lines)


def shorten(path: Path) -> str:
    """A path as seen from here, where it lies below."""
    try:
        return os.fspath(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return os.fspath(path)


def trim(statement: str) -> str:
    """A statement without its common indentation, cut to what fits a screen, and saying so."""
    lines = textwrap.dedent(statement).strip().expandtabs(4).splitlines()
    cut = len(lines) - _STATEMENT_LINES
    if cut <= 1:
        return "\n".join(lines)
    return "\n".join([*lines[:_STATEMENT_LINES], f"... {cut} more lines"])


def _place(fault: BaseException) -> str:
    frames = traceback.extract_tb(fault.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    # Where we lost hold of it says more than where in a library it was raised.
    return "".join(f" at {shorten(Path(frame.filename))}:{frame.lineno}" for frame in (own or frames)[-1:])


def _facts(error: HeadwayError) -> Mapping[str, str | None]:
    """What an error carries beside its message, by the label it is shown under; ``None`` is not shown."""
    found: Mapping[str, str | None] = {}
    match error:
        case StepFailedError():
            found = _facts_of_step(error)
        case OutcomeUnknownError():
            found = {"revision": error.revision, "xid": error.transaction}
        case DirtyError():
            done = error.statements_done
            found = {"revision": error.revision, "done": f"{done} statement{'' if done == 1 else 's'}"}
        case BackupFailedError():
            found = {"output": error.output}
        case LockLostError():
            found = {"revision": error.revision}
        case CapabilityError():
            found = {"missing": error.capability}
    return found


def _facts_of_step(error: StepFailedError) -> Mapping[str, str | None]:
    line = "".join(f":{number}" for number in (error.line, error.column) if number is not None)
    done = ", ".join(error.succeeded)
    return {
        "revision": error.revision,
        "file": f"{shorten(error.path)}{line}" if error.path else None,
        "at": error.excerpt,
        "statement": error.statement and trim(error.statement),
        "sqlstate": error.sqlstate,
        "detail": error.detail,
        "server": error.server_hint and f"HINT: {error.server_hint}",
        "done": done and f"{done} (completed before this one, and kept)",
    }


def _drawn(facts: Mapping[str, str | None]) -> Iterator[str]:
    for label, fact in facts.items():
        if fact:
            first, *rest = fact.splitlines()
            yield f"  {click.style(label.ljust(_LABEL_WIDTH), dim=True)}{first}"
            yield from (" " * (_LABEL_WIDTH + 2) + line for line in rest)
