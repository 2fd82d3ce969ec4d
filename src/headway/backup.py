"""A backup before a run: a command of the user's own, which must succeed before anything is changed."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from headway.errors import BackupFailedError
from headway.events import BackupFinished, BackupStarted
from headway.narration.discretion import mask
from headway.narration.figures import readable_duration
from headway.shield import shielded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headway.events import Event
    from headway.results import Backup

_TAIL_BYTES = 4096
_TAIL_LINES = 20
"""How much of what the command printed is kept for the error: its end, where the reason stands."""
_LAST_WORDS_S = 1.0
"""How long is read on when the command has ended; what it left running may keep its output open."""
_GRACE_S = 5.0
"""How long the command may take to end when it is told to, before it is killed."""


async def back_up(
    backup: Backup,
    variables: Mapping[str, str],
    *,
    run_id: str,
    redact: Callable[[str], str],
    emit: Callable[[Event], None],
) -> str:
    """Run the command in a shell, in a process group of its own that ends with a cancellation.

    Nothing is asked of anybody: its stdin is empty, and it has no terminal.

    Args:
        backup: the command, and how long it may take.
        variables: its environment.
        run_id: the run, for events.
        redact: takes the database's password out of a text.
        emit: takes the events.

    Returns:
        The command as it may be shown and stored.

    Raises:
        BackupFailedError: it failed, or took too long.
    """
    shown = mask(redact(backup.command))
    emit(BackupStarted(run_id, shown))
    started = time.perf_counter()
    process = await asyncio.create_subprocess_shell(
        backup.command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=variables,
        start_new_session=True,
    )
    tail = _Tail(process.stdout)
    try:
        async with asyncio.timeout(backup.timeout_s):
            await process.wait()
    except TimeoutError:
        limit = readable_duration((backup.timeout_s or 0) * 1000)
        raise BackupFailedError(shown, f"was not done within {limit}", mask(redact(tail.text()))) from None
    finally:
        await shielded(_ended(process, tail), grace_s=2 * _GRACE_S)
    if process.returncode != 0:
        how = f"failed with exit code {process.returncode}"
        raise BackupFailedError(shown, how, mask(redact(tail.text())))
    emit(BackupFinished(run_id, shown, round((time.perf_counter() - started) * 1000, 3)))
    return shown


class _Tail:
    """The end of what a process prints."""

    def __init__(self, stream: asyncio.StreamReader | None) -> None:
        self._kept = b""
        self.reading = asyncio.create_task(self._read(stream)) if stream else None

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(_TAIL_BYTES):
            self._kept = (self._kept + chunk)[-_TAIL_BYTES:]

    def text(self) -> str:
        lines = self._kept.decode(errors="replace").strip().splitlines()
        # The first line may have lost its beginning, and with it what a redaction knows a password by.
        whole = lines[1:] if len(self._kept) == _TAIL_BYTES else lines
        return "\n".join(whole[-_TAIL_LINES:])


async def _ended(process: asyncio.subprocess.Process, tail: _Tail) -> None:
    """See that nothing of it is left running, and that all it printed was read."""
    if process.returncode is None:
        _signal(process, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                await process.wait()
        _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))
        await process.wait()
    if tail.reading is not None:
        await asyncio.wait([tail.reading], timeout=_LAST_WORDS_S)
        tail.reading.cancel()


def _signal(process: asyncio.subprocess.Process, signum: int) -> None:
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signum)
        elif process.returncode is None:  # Windows
            process.terminate()
