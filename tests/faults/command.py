"""``headway`` as a process of its own whose id is known at once, so that it can be struck while it runs."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import TYPE_CHECKING

import warmth

from commandline import _IMPORTED, _KEPT, _LAST, _SOURCES, _nursery
from commandline import _run as be_the_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from multiprocessing.context import ForkServerProcess

DEADLINE_S = 150.0
"""Longer than the longest time that headway itself waits for a server (``lost_commit.RECONNECT_S``)."""
HUNG = 1000
"""The code of a command that had to be ended."""


@dataclass(frozen=True)
class Ended:
    """What a command left; ``code`` is negative when a signal ended it, as ``subprocess`` has it."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float


class Command:
    """One that runs."""

    def __init__(self, words: tuple[str, ...], place: Path, process: ForkServerProcess) -> None:
        self._words = words
        self._place = place
        self._process = process
        self._since = time.monotonic()
        # Numbers of processes come round again soon where so many are started; this means this one only.
        self._handle = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        with contextlib.suppress(OSError):  # it is gone, or was let go of
            self._send(number)

    def kill(self) -> None:
        """End it with SIGKILL, and return when it is gone; who waits for its end learns its code."""
        deadline = time.monotonic() + DEADLINE_S
        with contextlib.suppress(OSError):  # it is gone, or was let go of
            self._send(signal.SIGKILL)
            while time.monotonic() < deadline:
                self._send(0)
                time.sleep(0.002)

    def close(self) -> None:
        """Let go of it, once it has ended."""
        if self._handle is not None:
            os.close(self._handle)

    def _send(self, number: int) -> None:
        if self._handle is None:
            os.kill(self.pid, number)
        else:
            signal.pidfd_send_signal(self._handle, number)

    def ended(self) -> Ended:
        """Wait for its end; one that hangs is ended, and its code is :data:`HUNG`."""
        self._process.join(DEADLINE_S)
        code = self._process.exitcode
        if code is None:
            self.kill()
            code = HUNG
        seconds = time.monotonic() - self._since
        out, err = (
            (self._place / name).read_text(encoding="utf-8", errors="replace") for name in ("out", "err")
        )
        return Ended(self._words, code, out, err, seconds)


def warm(folder: Path, url: str) -> None:
    """Have the process that commands are forked from run a migration first (see :mod:`warmth`).

    Args:
        folder: of a project that nothing else uses.
        url: of an empty database.
    """
    nursery = _nursery()
    nursery.set_forkserver_preload([*_IMPORTED, warmth.__name__, _LAST])
    here = Path(__file__).parent
    path = os.pathsep.join([_SOURCES, str(here), str(here.parent)])
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", warmth.PLACE)}
    os.environ |= {"PYTHONPATH": path, warmth.PLACE: f"{folder}\n{url}"}
    try:
        ensure_running()
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ |= {name: value} if value is not None else {}


@contextmanager
def started(
    folder: Path,
    url: str,
    *words: str,
    variables: Mapping[str, str] | None = None,
    broken: Callable[[], None] | None = None,
) -> Iterator[Command]:
    """Start ``headway``.

    Args:
        folder: of the project.
        url: its ``DATABASE_URL``.
        words: its arguments.
        variables: set beside it.
        broken: called in the process before anything else: breaks the engine there, for checks of the checks.
    """
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DATABASE_URL": url,
        **(variables or {}),
    }
    assert _SOURCES
    with tempfile.TemporaryDirectory(prefix="headway-fault-") as name:
        place = Path(name)
        (place / "out").touch()
        (place / "err").touch()
        process = _nursery().Process(target=_be, args=(words, folder, environment, place, broken))
        process.start()
        command = Command(words, place, process)
        try:
            yield command
        finally:
            if process.is_alive():
                command.kill()
            command.close()


def run(
    folder: Path,
    url: str,
    *words: str,
    variables: Mapping[str, str] | None = None,
    broken: Callable[[], None] | None = None,
) -> Ended:
    """Run ``headway`` to its end."""
    with started(folder, url, *words, variables=variables, broken=broken) as command:
        return command.ended()


def _be(
    words: tuple[str, ...],
    folder: Path,
    environment: dict[str, str],
    place: Path,
    broken: Callable[[], None] | None,
) -> None:
    if broken is not None:
        broken()
    be_the_command("headway", [*words], folder, environment, place / "out", place / "err")
