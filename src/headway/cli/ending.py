"""Every way a command can end: its exit code, and what is printed then."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from headway.cli.group import root
from headway.cli.invocation import Invocation, wants_json
from headway.cli.terminal import OutputFailedError, ReaderLeft, Terminal, disconnect
from headway.errors import ExitCode, HeadwayError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class _Ending(NamedTuple):
    error: HeadwayError
    exit_code: int


def run(words: Sequence[str]) -> int:
    """Run the command that these words are, and return its exit code."""
    invocation = Invocation(json=wants_json(words))

    def command() -> int:
        done = root.main(list(words), prog_name="headway", obj=invocation, standalone_mode=False)
        return int(done or ExitCode.DONE)

    return _ended(command, words, invocation)


def report(fault: BaseException, words: Sequence[str]) -> int:
    """Print what ended a command before it was run, and return the exit code."""

    def command() -> int:
        raise fault

    return _ended(command, words, Invocation(json=wants_json(words)))


def _ended(command: Callable[[], int], words: Sequence[str], invocation: Invocation) -> int:
    try:
        return command()
    except SystemExit:
        raise
    except ReaderLeft:
        disconnect(sys.stdout)
        return ExitCode.FAILURE
    except BaseException as fault:  # noqa: BLE001  # the last door: whatever comes is reported, once
        return _report(Terminal(invocation), fault, words)


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
