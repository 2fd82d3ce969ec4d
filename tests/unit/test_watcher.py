"""What a watcher makes of one look after another; what a server answers is tested in tests/integration."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from headway.watch import Watcher

if TYPE_CHECKING:
    from collections.abc import Callable

_NOBODY = {"pid": None, "command": None}
_AT_WORK = SimpleNamespace(watched_state="active", **_NOBODY)
_IDLE = SimpleNamespace(watched_state="idle in transaction", **_NOBODY)
_WAITING = SimpleNamespace(
    watched_state="active",
    command=None,
    pid=7,
    application_name="reports",
    usename="app",
    client_host=None,
    client_port=None,
    backend_type="client backend",
    state="idle in transaction",
    query="LOCK TABLE held",
    since=None,
)


class _Looks:
    """Answers with rows written beforehand, one a look; then with none, as of a backend that is gone."""

    def __init__(self, *rows: SimpleNamespace) -> None:
        self._answers: list[list[Any]] = [[row] for row in rows]

    async def run(self, work: Callable[..., Any]) -> Any:  # noqa: ARG002  # the work would ask a server
        return self._answers.pop(0) if self._answers else []


def _blockers_after(*rows: SimpleNamespace) -> list[int]:
    watcher = Watcher("run", "r1", lambda event: None, interval_s=0.0)  # noqa: ARG005
    asyncio.run(watcher.watch(_Looks(*rows), 1))
    return [peer.pid for peer in watcher.blockers]


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        pytest.param((_WAITING, _AT_WORK, _AT_WORK), [], id="it works on"),
        pytest.param((_WAITING, _AT_WORK, _IDLE), [7], id="it rolled back"),
        pytest.param(
            (_WAITING, _AT_WORK, _IDLE, _AT_WORK), [7], id="it rolled back and begins something else"
        ),
        pytest.param((_WAITING, _AT_WORK, _WAITING, _AT_WORK), [7], id="it waits again"),
    ],
)
def test_blockers_are_forgotten_only_when_two_looks_in_a_row_find_it_at_work(
    rows: tuple[SimpleNamespace, ...], left: list[int]
) -> None:
    assert _blockers_after(*rows) == left
