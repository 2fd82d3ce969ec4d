"""Runs what a document shows on a terminal, and compares what it says with what comes.

A ```console block holds a session: ``$ `` begins a command (its further lines begin with ``> ``), what stands
below is printed by it. All sessions of a document are one shell, so that a `cd` or `export` holds on.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SESSION = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_MARK = "\x1e"
# What differs from run to run: durations, sizes, moments, process ids, and random revision ids.
_FIGURES = re.compile(r"\b[\d.]+ (?:ms|s|kB)\b|\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?(?:\+00:00)?")


@dataclass(frozen=True)
class Exchange:
    """A command, and the lines that it is shown to print."""

    command: str
    shown: tuple[str, ...]


def exchanges(document: str) -> Iterator[Exchange]:
    """The commands of a document, in order."""
    for session in _SESSION.finditer(document):
        command: list[str] = []
        shown: list[str] = []
        for line in session[1].splitlines():
            if line.startswith("$ "):
                if command:
                    yield Exchange("\n".join(command), tuple(shown))
                command, shown = [line[2:]], []
            elif line.startswith("> ") and not shown:
                command.append(line[2:])
            elif line.strip():
                shown.append(line)
        if command:
            yield Exchange("\n".join(command), tuple(shown))


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of somebody whose virtual environment is active, and who has set no variable."""
    own = Path(sys.executable).parent
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "HEADWAY_"))}
    return {**kept, "PATH": f"{own}{os.pathsep}{os.environ['PATH']}", **(extra or {})}


def disagreements(document: str, folder: Path, *, extra: Mapping[str, str] | None = None) -> list[str]:
    """Run a document's sessions in ``folder``; what is shown and was not printed, a line each.

    Every line that is shown must be printed by its command; a line that ends in ``…`` shows its beginning.
    A command may print more than is shown. What it prints to stderr counts too.

    Args:
        document: Markdown.
        folder: the working directory at the beginning.
        extra: variables to set.
    """
    talk = [*exchanges(document)]
    script = "\n".join(f"printf '{_MARK}'\n{exchange.command}" for exchange in talk)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment(extra),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    printed = done.stdout.split(_MARK)[1:]
    assert len(printed) == len(talk), done.stdout
    return [
        f"$ {exchange.command}\nshown: {line}\nprinted:\n{text}"
        for exchange, text in zip(talk, printed, strict=True)
        for line in exchange.shown
        if not _is_in(line, text)
    ]


def _is_in(line: str, text: str) -> bool:
    printed = [_FIGURES.sub("N", one).rstrip() for one in text.splitlines()]
    wanted = _FIGURES.sub("N", line).rstrip()
    if wanted.endswith("…"):
        return any(one.startswith(wanted[:-1].rstrip()) for one in printed)
    return wanted in printed
