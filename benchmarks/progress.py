"""Where a run is, told on stderr while it goes on; and how many rounds there is time for."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEGAN = time.monotonic()


def say(text: str) -> None:
    print(f"[{time.monotonic() - _BEGAN:5.0f} s] {text}", file=sys.stderr, flush=True)


def rounds(what: str, most: int, *, within_s: float) -> Iterator[int]:
    """Count rounds from 1: as many as fit into the time, if each takes as long as those before."""
    began = time.monotonic()
    for number in range(1, most + 1):
        average = (time.monotonic() - began) / max(number - 1, 1)
        if number > 1 and time.monotonic() - began + average > within_s:
            return
        say(f"{what}: round {number} of at most {most}")
        yield number
