"""Engines and sessions for tests: they connect on the loop that uses them, and leave nothing open."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from headway.database import connect

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine

    import asyncpg

    from headway.url import DatabaseURL

_PATIENCE_S = 5.0


class Handouts:
    """What one fixture value hands out, and the way to take it all back.

    An engine without a pool connects anew wherever it is used, so it works on any loop. What a test leaves
    open is closed when its loop ends (the loop closes our generator then, ``loop.shutdown_asyncgens``), or by
    :meth:`close` when the loop goes on.
    """

    def __init__(self, url: DatabaseURL) -> None:
        self._url = url
        self._guards: dict[asyncio.AbstractEventLoop, AsyncGenerator[None]] = {}
        self._connections: list[asyncpg.Connection[asyncpg.Record]] = []
        self._sessions: list[AsyncSession] = []

    def engine(self) -> AsyncEngine:
        """An engine on the database."""
        return create_async_engine(sqlalchemy_url(self._url), async_creator=self._connect, poolclass=NullPool)

    def session(self, engine: AsyncEngine) -> AsyncSession:
        """A session on an engine of ours."""
        session = AsyncSession(engine, expire_on_commit=False, join_transaction_mode="create_savepoint")
        self._sessions.append(session)
        return session

    def close(self) -> None:
        """Close what is open, each thing on the loop that it belongs to, unless that has closed it."""
        for loop, guard in list(self._guards.items()):
            if loop.is_closed():
                continue
            if loop.is_running():
                asyncio.run_coroutine_threadsafe(_closed(guard), loop).result(_PATIENCE_S)
            else:
                loop.run_until_complete(_closed(guard))

    async def _connect(self) -> Any:
        loop = asyncio.get_running_loop()
        if loop not in self._guards:
            guard = self._guards[loop] = self._guard(loop)
            await anext(guard)
        connection = await connect(self._url)
        self._connections.append(connection)
        return connection

    async def _guard(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._guards.pop(loop, None)
            for session in self._sessions:
                await session.close()
            for connection in self._connections:
                if not connection.is_closed():
                    with contextlib.suppress(OSError, TimeoutError):
                        await connection.close(timeout=_PATIENCE_S)
            self._connections.clear()


async def _closed(guard: AsyncGenerator[None]) -> None:
    await guard.aclose()


def sqlalchemy_url(url: DatabaseURL) -> str:
    """The URL as SQLAlchemy's asyncpg dialect takes it; **secret, when it holds a password**."""
    return url.render().replace("postgresql://", "postgresql+asyncpg://", 1)
