"""A loopback proxy to the server that holds up what passes, as a network does, and counts round trips."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headway import DatabaseURL

_CHUNK = 65536


@dataclass
class _Wire:
    """One connection."""

    turns: int = 0
    """How often its client spoke first or after the server had: round trips."""
    _client_spoke: bool = False

    def heard(self, *, client: bool) -> None:
        self.turns += client and not self._client_spoke
        self._client_spoke = client


@dataclass
class Way:
    """The way to a server: its URL through here, and who has come by."""

    url: DatabaseURL
    _wires: list[_Wire] = field(default_factory=list)

    @property
    def turns(self) -> list[int]:
        """Round trips of each connection so far, the busiest first."""
        return sorted((wire.turns for wire in self._wires), reverse=True)

    def joined(self) -> _Wire:
        self._wires.append(_Wire())
        return self._wires[-1]


@asynccontextmanager
async def way_to(url: DatabaseURL, *, delay_s: float = 0.0) -> AsyncIterator[Way]:
    """A way to a server that takes so many seconds in each direction."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = url.hosts[0]
        wire = way.joined()
        with suppress(OSError):  # the server takes no more
            there = (
                await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
                if host.startswith("/")
                else await asyncio.open_connection(host, port)
            )
            await asyncio.gather(
                _pass(reader, there[1], delay_s, wire, client=True),
                _pass(there[0], writer, delay_s, wire, client=False),
            )

    proxy = await asyncio.start_server(accept, "127.0.0.1")
    async with proxy:
        way = Way(replace(url, hosts=(("127.0.0.1", proxy.sockets[0].getsockname()[1]),)))
        yield way


async def _pass(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float, wire: _Wire, *, client: bool
) -> None:
    """Pass on what comes, in order and each piece so late."""
    loop = asyncio.get_running_loop()
    with suppress(OSError):  # one side has hung up
        while data := await reader.read(_CHUNK):
            wire.heard(client=client)
            loop.call_later(delay_s, writer.write, data)
    loop.call_later(delay_s, writer.close)
