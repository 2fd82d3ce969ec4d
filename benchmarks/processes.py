"""Programs run to their end: how long they took, what they computed, and how much memory they had."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}
"""Where that is set, every process compiles anew what it imports."""
_LAUNCHER = (sys.executable, "-I", "-S", Path(__file__).with_name("launcher.py"))
_MEMORY_UNIT = 1024**2 if sys.platform == "darwin" else 1024  # of getrusage, in a MiB
_GRACE_S = 20.0


@dataclass(frozen=True)
class Ran:
    """A process that is over."""

    duration_ms: float
    cpu_ms: float
    peak_mib: float
    told: str
    """What it wrote, to stdout and stderr."""


async def run(
    command: Sequence[str | Path],
    *,
    folder: Path | None = None,
    env: Mapping[str, str] = MappingProxyType({}),
) -> Ran:
    """Run a program; the loop goes on meanwhile. Cancelling it interrupts the program and waits for its end.

    Raises:
        RuntimeError: it failed; the end of what it said is in the message.
    """
    ours, theirs = os.pipe()
    with open(ours, "rb") as report:  # noqa: ASYNC230, PTH123  # a pipe; it is read when the other end is closed
        process = await asyncio.create_subprocess_exec(
            *map(str, [*_LAUNCHER, theirs, *command]),
            cwd=folder,
            env={**os.environ, **BYTECODE, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[theirs],
            process_group=0,
        )
        os.close(theirs)
        try:
            said, _ = await process.communicate()
        except asyncio.CancelledError:
            await _end(process)
            raise
        told = said.decode(errors="replace")
        if process.returncode:
            raise RuntimeError(f"{command[0]} exited {process.returncode}: {told[-4000:]}")
        taken, computed, peak = map(float, report.read().split())
    return Ran(taken * 1000, computed * 1000, peak / _MEMORY_UNIT, told)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Interrupt a launcher and what it started; end them where that is not heard."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                await process.communicate()
        os.killpg(process.pid, signal.SIGKILL)
