"""Get those out of the way who keep a step waiting, where the run asks for it (``--cancel-blockers``)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from headway.errors import HeadwayError
from headway.events import Warned
from headway.narration.peers import names_alone
from headway.peers import cancel_blockers
from headway.results import CancelBlockers
from headway.shield import shielded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headway.door import Door

# How long a cancel that is under way may keep a finished step, in seconds; a live server needs 0.01.
_LAST_CANCEL_S = 2.0


@asynccontextmanager
async def cancelling(door: Door, revision: str, lock_timeout_ms: int) -> AsyncIterator[None]:
    """Cancel, as the run's options say, those who keep the block's step waiting for half its lock timeout.

    That is done beside the step, on a connection of its own. Where it cannot be, a ``Warned`` event says so:
    it is no failure of the step. A cancellation that comes while it is being ended is raised afterwards.
    """
    kinds = door.options.cancel_blockers
    if kinds is CancelBlockers.NONE:
        yield
        return
    task = asyncio.create_task(_cancelled_or_said(door, revision, kinds, lock_timeout_ms / 2000 or 1.0))
    try:
        yield
    finally:
        task.cancel()
        await shielded(_end(task), grace_s=2 * _LAST_CANCEL_S)


async def _cancelled_or_said(door: Door, revision: str, kinds: CancelBlockers, pause_s: float) -> None:
    try:
        await _cancel_again_and_again(door, kinds, pause_s)
    except Exception as error:  # noqa: BLE001  # whatever it is, the step beside it goes on
        why = error.message if isinstance(error, HeadwayError) else type(error).__name__
        door.emit(Warned(door.run_id, revision, f"what is in the way cannot be cancelled: {why}"))


async def _cancel_again_and_again(door: Door, kinds: CancelBlockers, pause_s: float) -> None:
    async with door.session.beside() as helper:
        while True:
            await asyncio.sleep(pause_s)
            cancelled = await helper.run(
                lambda connection: cancel_blockers(connection, door.pid, kinds=kinds)
            )
            if cancelled:
                told = f"cancelled what was in the way: {names_alone(cancelled)}"
                door.emit(Warned(door.run_id, None, told))


async def _end(task: asyncio.Task[None]) -> None:
    # Unlike awaiting the task, this raises nothing of its.
    await asyncio.wait([task], timeout=_LAST_CANCEL_S)
