"""Databases of their own for tests: cloned ahead of need, and dropped behind the suite's back."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from headway.testing.cluster import Cluster

_AHEAD = 2
"""How many clones are ready or under way: the server makes about as many in the time a small test takes."""


class Clones:
    """A supply of clones of one template.

    Two connections of its own, one to make and one to drop, let the server do both while tests run.
    """

    def __init__(self, template: str, maker: Cluster, new_name: Callable[[], str]) -> None:
        self._template = template
        self._maker = maker
        self._new_name = new_name
        self._ready: deque[asyncio.Task[str]] = deque()

    async def take(self, *, more: bool) -> str:
        """A fresh clone's name; it is the taker's to drop.

        Args:
            more: whether others are to be expected, and worth preparing.
        """
        taken = self._ready.popleft() if self._ready else self._begin()
        while more and len(self._ready) < _AHEAD:
            self._ready.append(self._begin())
        return await taken

    async def finish(self) -> None:
        """Wait for those under way; they are dropped with whatever else the run has left."""
        await asyncio.gather(*self._ready, return_exceptions=True)

    def _begin(self) -> asyncio.Task[str]:
        return asyncio.create_task(self._made())

    async def _made(self) -> str:
        name = self._new_name()
        await self._maker.create(name, self._template)
        return name


class Drops:
    """Drops databases one after another, while tests go on."""

    def __init__(self, dropper: Cluster) -> None:
        self._dropper = dropper
        self._under_way: set[asyncio.Task[None]] = set()

    async def add(self, name: str) -> None:
        """Drop a database some time soon."""
        task = asyncio.create_task(self._dropper.drop(name))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def finish(self) -> None:
        """Wait until all are gone; those that could not be are swept by the next run."""
        await asyncio.gather(*self._under_way, return_exceptions=True)
