"""Files are parsed in several threads at once, as several migrators in one process do."""

from __future__ import annotations

import gc
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from headway.syntax import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_NESTED = b"x = " + b"[" * 40 + b"f(a, 'b')" + b"]" * 40 + b"\ny = '\\d'\n"
_THREADS = 8


@pytest.fixture
def _restless() -> Iterator[None]:
    """Threads take turns, and garbage is looked for, as often as can be."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*threshold)


@pytest.mark.usefixtures("_restless")
def test_threads_that_parse_at_once_disturb_neither_each_other_nor_the_warnings_of_the_process() -> None:
    before = [*warnings.filters]
    together = threading.Barrier(_THREADS)

    class Finaliser:
        """Garbage that runs Python when it is found, and so lets other threads in."""

        def __del__(self) -> None:
            sum(range(50))

    def work() -> None:
        together.wait(60)
        for _ in range(100):
            garbage = [Finaliser()]
            garbage.append(garbage)  # type: ignore[arg-type]  # a circle, for the collector
            assert len(tree_of(_NESTED).body) == 2

    with ThreadPoolExecutor(_THREADS) as pool:
        for future in [pool.submit(work) for _ in range(_THREADS)]:
            future.result(120)
    assert [*warnings.filters] == before
