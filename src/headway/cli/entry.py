"""From arguments to exit code. A probe is answered here, where that takes no more than a question."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    if "pending" in words:
        from headway.cli import shortcut

        try:
            code = shortcut.taken(words)
        except BaseException as fault:  # noqa: BLE001  # the last door, as behind the long way
            from headway.cli import ending

            return ending.report(fault, words)
        if code is not None:
            return code
    if arguments is None:
        from headway.cli import thrift

        thrift.begin()
    from headway.cli import ending  # click, and all verbs by name

    return ending.run(words)


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
