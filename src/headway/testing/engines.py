"""Engines and sessions for tests: they connect on the loop that uses them, and leave nothing open."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from typing import TYPE_CHECKING, Any

import asyncpg
from sqlalchemy import event, make_url
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool, StaticPool

from headway.database import connect
from headway.errors import RefusedError
from headway.testing.loop_guards import LoopGuards
from headway.testing.wishes import Isolation

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Dialect
    from sqlalchemy.pool import Pool

    from headway.url import AnyURL, DatabaseURL

_PATIENCE_S = 5.0
_GONE = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What closing raises of a connection that the test has cut: it is closed all the same."""


async def introduce(url: DatabaseURL) -> Dialect:
    """A dialect that has met the server.

    A new engine asks its server four questions at its first connection, which takes longer than a small test
    does; copies of this dialect know the answers.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: connect(url), poolclass=NullPool
    )
    async with engine.connect():
        return engine.dialect


class Handouts:
    """The engine and the sessions of one test, and the way to take them back.

    The engine has no pool, so it connects anew wherever it is used and works on any loop. What a test leaves
    open is closed when its loop ends, or by :meth:`close` where the loop goes on.

    With isolation ``savepoint`` there is one connection, made at first use, whose transaction is ours and
    never committed: whatever begins a transaction on it gets a savepoint.

    Args:
        url: of the database.
        dialect: from :func:`introduce`.
        isolation: the test's.
    """

    def __init__(self, url: DatabaseURL, dialect: Dialect, isolation: Isolation) -> None:
        self._url = url
        self._arguments: dict[str, Any] = url.connect_arguments()
        self._isolation = isolation
        # Listeners that a test adds go into the dialect; the next one must not hear of them.
        self._dialect = copy.copy(dialect)
        self._dialect.__dict__.pop("dispatch", None)
        self._engine: AsyncEngine | None = None
        self._guards = LoopGuards(self._finish, self._cut)
        self._connections: list[tuple[asyncio.AbstractEventLoop, asyncpg.Connection[asyncpg.Record]]] = []
        self._sessions: list[AsyncSession] = []
        self._home: asyncio.AbstractEventLoop | None = None  # of the one connection of a savepoint

    @property
    def engine(self) -> AsyncEngine:
        """The engine; always the same."""
        if self._engine is None:
            dialect = self._dialect
            pool = self._pool(
                lambda: dialect.dbapi.connect(async_creator_fn=self._connect)  # type: ignore[union-attr]  # it has one
            )
            prepare = dialect.on_connect()
            if self._isolation is Isolation.SAVEPOINT:
                event.listen(pool, "checkout", lambda *_: self._require_its_loop())
            if prepare is not None:
                event.listen(pool, "connect", lambda connection, _: prepare(connection))
            self._engine = AsyncEngine(Engine(pool, dialect, make_url(sqlalchemy_url(self._url))))
        return self._engine

    def session(self) -> AsyncSession:
        """A new session on the engine."""
        session = AsyncSession(self.engine, expire_on_commit=False, join_transaction_mode="create_savepoint")
        self._sessions.append(session)
        return session

    def close(self) -> None:
        """Close what is open, each thing on its own loop, unless that has ended and done so."""
        self._guards.close()

    def _pool(self, creator: Callable[[], Any]) -> Pool:
        kind = StaticPool if self._isolation is Isolation.SAVEPOINT else NullPool
        return kind(creator, dialect=self._dialect)

    async def _connect(self) -> asyncpg.Connection[asyncpg.Record]:
        self._require_its_loop()
        loop = asyncio.get_running_loop()
        await self._guards.watch()
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(**self._arguments)
        self._connections.append((loop, connection))
        if self._isolation is Isolation.SAVEPOINT:
            # asyncpg makes a savepoint of every transaction that begins inside another one.
            await connection.transaction().start()
            self._home = loop
        return connection

    def _require_its_loop(self) -> None:
        """A connection works on the loop that made it, and a second would not see the rows."""
        home = self._home
        if home is not None and home is not asyncio.get_running_loop():
            raise RefusedError(
                "savepoint: everything shares one connection, and the event loop that it belongs to "
                + ("has ended" if home.is_closed() else "is another one"),
                hint="This test uses several loops, as TestClient and asyncio.run do: "
                '@pytest.mark.headway(isolation="reset").',
            )

    async def _finish(self, loop: asyncio.AbstractEventLoop) -> None:
        for session in self._sessions:
            with contextlib.suppress(*_GONE):
                await session.close()
        for home, connection in self._connections:
            if home is loop and not connection.is_closed():
                with contextlib.suppress(*_GONE):
                    await connection.close(timeout=_PATIENCE_S)
        self._connections = [(home, it) for home, it in self._connections if home is not loop]

    def _cut(self, loop: asyncio.AbstractEventLoop) -> None:
        # The server rolls back as soon as the line is cut.
        for home, connection in self._connections:
            if home is loop:
                connection.terminate()


def sqlalchemy_url(url: AnyURL) -> str:
    """The URL as SQLAlchemy takes it; **secret, when it holds a password**."""
    return url.render().replace("postgresql://", "postgresql+asyncpg://", 1)
