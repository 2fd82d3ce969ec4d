"""Making and dropping databases of ours, over one connection that stays open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headway.database import connect

if TYPE_CHECKING:
    import asyncpg

    from headway.testing.naming import Names
    from headway.testing.server import Server

_FILE_COPY_SINCE = 15  # PostgreSQL's major version that can choose; earlier ones always copy files
_POLL_S = 0.02


class Cluster:
    """One connection to a server's maintenance database; used by one task at a time."""

    def __init__(
        self, server: Server, names: Names, connection: asyncpg.Connection[asyncpg.Record], major: int
    ) -> None:
        self.server = server
        self.names = names
        self.major = major
        self._connection = connection
        self._using = asyncio.Lock()

    @classmethod
    async def open(cls, server: Server, names: Names) -> Cluster:
        """Connect.

        Raises:
            ConnectionFailedError: the server cannot be reached.
        """
        connection = await connect(server.url)
        return cls(server, names, connection, connection.get_server_version().major)

    async def close(self) -> None:
        """Hang up."""
        await self._connection.close(timeout=5)

    async def execute(self, statement: str) -> None:
        """Run a statement, or several in one transaction."""
        async with self._using:
            await self._connection.execute(statement)

    async def value(self, question: str, *arguments: object) -> object:
        """The first column of the first row; ``None`` without one."""
        async with self._using:
            return await self._connection.fetchval(question, *arguments)

    async def create(self, name: str, template: str) -> None:
        """Make a database; with a template of ours in a few milliseconds where the server is fast."""
        strategy = " STRATEGY FILE_COPY" if self.major >= _FILE_COPY_SINCE else ""
        await self.execute(f"CREATE DATABASE {self._own(name)} TEMPLATE {quoted(template)}{strategy}")

    async def drop(self, name: str) -> None:
        """Drop a database, its connections too; nothing when it is not there."""
        await self.execute(f"DROP DATABASE IF EXISTS {self._own(name)} WITH (FORCE)")

    async def exists(self, name: str) -> bool:
        """Whether there is such a database."""
        found = await self.value("SELECT true FROM pg_catalog.pg_database WHERE datname = $1", name)
        return found is True

    async def lock(self, key: int) -> None:
        """Take an advisory lock for the session, waiting as long as need be."""
        while not await self.value("SELECT pg_catalog.pg_try_advisory_lock($1)", key):
            await asyncio.sleep(_POLL_S)

    async def unlock(self, key: int) -> None:
        """Give it back."""
        await self.value("SELECT pg_catalog.pg_advisory_unlock($1)", key)

    def _own(self, name: str) -> str:
        """The name as SQL takes it, once it is proved to be one of ours."""
        if not name.startswith(self.names.prefix):
            raise AssertionError(f"{name} is no database of this suite")
        return quoted(name)


def quoted(identifier: str) -> str:
    """An identifier as SQL takes it, whatever is in it."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string as SQL takes it where no parameter can stand."""
    return "'" + text.replace("'", "''") + "'"
