"""Programs run to their end: how long they took, and how much memory."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Ran:
    """A process that is over."""

    duration_ms: float
    peak_mib: float


async def run(
    command: Sequence[str | Path], *, folder: Path | None = None, env: Mapping[str, str] | None = None
) -> Ran:
    """Run a program; the loop goes on meanwhile.

    Raises:
        RuntimeError: it failed.
    """
    return await asyncio.to_thread(_run, command, folder, env or {})


def _run(command: Sequence[str | Path], folder: Path | None, env: Mapping[str, str]) -> Ran:
    started = time.perf_counter()
    with subprocess.Popen(
        [str(word) for word in command],
        cwd=folder,
        env=os.environ | env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        told = process.stderr.read()
        # Only wait4 tells of one child's memory.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    taken = (time.perf_counter() - started) * 1000
    if process.returncode:
        raise RuntimeError(f"{command[0]} exited {process.returncode}: {told}")
    return Ran(taken, usage.ru_maxrss / 1024)
