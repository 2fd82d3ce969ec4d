"""From arguments to exit code: every way a command can end, and what is printed then."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple, TextIO

import click

from headway.cli.group import root
from headway.cli.invocation import Invocation, wants_json
from headway.cli.terminal import OutputFailedError, ReaderLeft, Terminal, disconnect
from headway.errors import ExitCode, HeadwayError

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Ending(NamedTuple):
    error: HeadwayError
    exit_code: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; ``None`` takes them from ``sys.argv``.

    Returns:
        The exit code (design: 0 done, 1 failure, 2 usage, 3 refused, 4 pending, ...).
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    _open_what_is_closed()
    _never_fail_on_a_letter(sys.stdout, sys.stderr)
    invocation = Invocation(json=wants_json(words))
    try:
        return _run(words, invocation)
    except ReaderLeft:
        disconnect(sys.stdout)
        return ExitCode.FAILURE


def _run(words: list[str], invocation: Invocation) -> int:
    try:
        result = root.main(words, prog_name="headway", obj=invocation, standalone_mode=False)
    except (SystemExit, ReaderLeft):
        raise
    except BaseException as fault:  # noqa: BLE001  # the last door: whatever comes is reported, once
        return _report(Terminal(invocation), fault, words)
    return int(result or ExitCode.DONE)


def _report(terminal: Terminal, fault: BaseException, words: Sequence[str]) -> int:
    import shlex
    import traceback

    from headway.cli import failure
    from headway.narration.discretion import mask

    ending = _ending_of(fault)
    if terminal.debug and isinstance(fault, Exception) and not isinstance(fault, click.ClickException):
        terminal.complain(mask("".join(traceback.format_exception(fault)).rstrip(), words))
    if terminal.json and not isinstance(fault, OutputFailedError):
        from headway.cli import documents

        content = {"error": documents.describe_error(ending.error), "exit_code": ending.exit_code}
        try:
            terminal.answer(mask(documents.render(content), words))
        except OutputFailedError:
            pass  # stderr is left to say it on
        else:
            return ending.exit_code
    terminal.complain(mask(failure.draw(ending.error, command=shlex.join(["headway", *words])), words))
    return ending.exit_code


def _ending_of(fault: BaseException) -> _Ending:
    from headway.cli import failure

    if isinstance(fault, HeadwayError):
        return _Ending(fault, int(fault.exit_code))
    if isinstance(fault, click.UsageError):
        path = fault.ctx.command_path if fault.ctx else "headway"
        error = failure.UsageError(fault.format_message(), hint=f"{path} --help shows what it takes.")
        return _Ending(error, ExitCode.USAGE)
    if isinstance(fault, click.ClickException):
        return _Ending(failure.UsageError(fault.format_message()), ExitCode.USAGE)
    signum = 2 if isinstance(fault, KeyboardInterrupt | click.Abort) else getattr(fault, "signum", None)
    if signum is not None:
        hint = "headway status shows where the database stands."
        return _Ending(failure.Interrupted("interrupted", hint=hint), 128 + signum)
    return _Ending(failure.InternalError(fault), ExitCode.FAILURE)


def _open_what_is_closed() -> None:
    """Put something in the place of standard streams that the caller closed (`headway status >&-`).

    Otherwise the next file or socket would be given the descriptor, and receive what is printed.
    """
    # Data for a stdout that is not there must not be lost in silence: like a closed one, this refuses it.
    for name, mode, flags in (
        ("stdin", "r", os.O_RDONLY),
        ("stdout", "w", os.O_RDONLY),
        ("stderr", "w", os.O_WRONLY),
    ):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, flags)
            os.set_inheritable(descriptor, True)  # noqa: FBT003  # its only signature
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


def _never_fail_on_a_letter(*streams: TextIO) -> None:
    # A description in Greek must not end a run on a terminal that only knows ASCII.
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
