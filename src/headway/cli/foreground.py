"""The event loop of one command, and what signals do to it.

The first SIGINT or SIGTERM cancels what is running, so that the transaction rolls back and the connection
closes in order; further ones change nothing. asyncio's own handler would raise KeyboardInterrupt in the
midst of that clean-up at the second Ctrl-C.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import FrameType, TracebackType

_T = TypeVar("_T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """A signal ended the command; not an :class:`Exception`, so that no handler of those swallows it.

    Attributes:
        signum: the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


class Foreground:
    """Runs coroutines one after the other on one loop; between them the program is ordinary, and may ask."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._task: asyncio.Task[Any] | None = None
        self._received: int | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._runner.close()
        finally:
            for number, handler in self._previous.items():
                signal.signal(number, handler)

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run to the end and return the result.

        Raises:
            Stopped: a signal came; the coroutine was cancelled and has finished its clean-up.
        """
        try:
            result = self._runner.run(self._tracked(coroutine))
        except (Exception, asyncio.CancelledError) as fault:
            if self._received is not None:
                raise Stopped(self._received) from fault
            if isinstance(fault, BrokenPipeError):
                from headway.cli.failure import InternalError

                # click takes a broken pipe for a reader of stdout that left, and would exit without a word.
                raise InternalError(fault) from fault
            raise
        if self._received is not None:
            raise Stopped(self._received)
        return result

    def finish(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run clean-up, signal or not."""
        self._runner.run(coroutine)

    async def _tracked(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        self._task = asyncio.current_task()
        try:
            return await coroutine
        finally:
            self._task = None

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        if self._received is not None:
            # os.write, because print is not re-entrant and this may interrupt one.
            os.write(2, b"\nstill stopping: waiting for the database to confirm the rollback\n")
            return
        self._received = signum
        if self._task is None:
            raise Stopped(signum)
        self._runner.get_loop().call_soon_threadsafe(self._task.cancel)
