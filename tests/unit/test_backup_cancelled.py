"""A backup that is cancelled leaves nothing running, at whatever moment that happens."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from headway import Backup
from headway.backup import back_up

if TYPE_CHECKING:
    from pathlib import Path


_DEADLINE_S = 60


def _is_held(reader: int) -> bool:
    """Whether a process has the other end of the pipe open."""
    try:
        return os.read(reader, 1) != b""
    except BlockingIOError:
        return True


@pytest.mark.asyncio
async def test_a_command_whose_start_is_cancelled_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    begun, go_on = asyncio.Event(), asyncio.Event()
    start = asyncio.create_subprocess_shell

    async def slowly(*words: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await start(*words, **options)
        begun.set()
        await go_on.wait()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_shell", slowly)
    backup = Backup(f"sleep 3600 > {pipe}; true")
    running = asyncio.create_task(back_up(backup, os.environ, run_id="run", redact=str, emit=lambda _: None))
    await begun.wait()
    async with asyncio.timeout(_DEADLINE_S):
        while not _is_held(reader):  # noqa: ASYNC110  # another process opens it
            await asyncio.sleep(0.01)
    running.cancel()
    asyncio.get_running_loop().call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not _is_held(reader)
    os.close(reader)
