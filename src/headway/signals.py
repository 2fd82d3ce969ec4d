"""SIGINT and SIGTERM as the cancellation of one task, beside whatever else they do in this process."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from types import FrameType

    _Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# They end the process at once, Python's own by a KeyboardInterrupt wherever the loop happens to be.
_ENDING = frozenset({signal.SIG_DFL, signal.default_int_handler})


@dataclass(eq=False, slots=True)
class Received:
    """What came.

    Attributes:
        signum: the first signal; ``None`` as a rule.
        unheard: nobody else was told of it, and by itself it would have ended the process.
    """

    signum: signal.Signals | None = None
    unheard: bool = False


@contextmanager
def cancelling_on_signals(task: asyncio.Task[Any]) -> Iterator[Received]:
    """Cancel ``task`` at the first SIGINT or SIGTERM.

    A server such as uvicorn only takes note of a signal while its application starts, and obeys afterwards.
    Its handlers are called as well, and are back in place at the end. A signal that is ignored stays ignored.
    Outside the main thread, where Python hands out no signals, nothing is done.

    Args:
        task: of the running event loop.

    Yields:
        What came.
    """
    received = Received()
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    _WATCH.add(received, task)
    try:
        yield received
    finally:
        _WATCH.remove(received)


class _Watch:
    """Handlers of this process, in place as long as there is a task to cancel.

    Signals are the process's: two start-ups that overlap must not take each other's handlers for those that
    were there before.
    """

    def __init__(self) -> None:
        self._tasks: dict[Received, asyncio.Task[Any]] = {}
        self._before: dict[int, _Handler] = {}

    def add(self, received: Received, task: asyncio.Task[Any]) -> None:
        if not self._tasks:
            # None is a handler that was not set from Python: it could not be put back.
            known = {number: signal.getsignal(number) for number in _SIGNALS}
            self._before = {
                number: handler
                for number, handler in known.items()
                if handler is not None and handler != signal.SIG_IGN
            }
            for number in self._before:
                signal.signal(number, self._on_signal)
        self._tasks[received] = task

    def remove(self, received: Received) -> None:
        del self._tasks[received]
        if self._tasks:
            return
        for number, handler in self._before.items():
            # Unless somebody has replaced ours meanwhile.
            if signal.getsignal(number) == self._on_signal:
                signal.signal(number, handler)

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        for received, task in self._tasks.items():
            if received.signum is None:
                received.signum = signal.Signals(signum)
                received.unheard = self._before[signum] in _ENDING
                task.get_loop().call_soon_threadsafe(task.cancel)
        before = self._before[signum]
        if callable(before) and before not in _ENDING:
            before(signum, frame)


_WATCH = _Watch()
