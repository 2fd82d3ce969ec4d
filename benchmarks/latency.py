"""A loopback proxy to the server that holds up whatever passes, as a network does."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headway import DatabaseURL

_CHUNK = 65536


@asynccontextmanager
async def far_away(url: DatabaseURL, delay_s: float) -> AsyncIterator[DatabaseURL]:
    """The same server, so many seconds away in each direction."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = url.hosts[0]
        there = (
            await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
            if host.startswith("/")
            else await asyncio.open_connection(host, port)
        )
        await asyncio.gather(_pass(reader, there[1], delay_s), _pass(there[0], writer, delay_s))

    proxy = await asyncio.start_server(accept, "127.0.0.1")
    async with proxy:
        yield replace(url, hosts=(("127.0.0.1", proxy.sockets[0].getsockname()[1]),))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Pass on what comes, in order and each piece so late."""
    loop = asyncio.get_running_loop()
    with suppress(OSError):  # one side has hung up
        while data := await reader.read(_CHUNK):
            loop.call_later(delay_s, writer.write, data)
    loop.call_later(delay_s, writer.close)
