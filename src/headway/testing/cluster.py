"""Making and dropping databases of ours, over one connection that stays open."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg

from headway.database import connect
from headway.errors import CapabilityError, DatabaseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from headway.testing.naming import Names
    from headway.testing.server import Server

_FILE_COPY_SINCE = 15  # PostgreSQL's major version that can choose; earlier ones always copy files
_POLL_S = 0.02
_LEAVING_S = 30.0
"""How long a connection that was cut may take to be gone, in seconds; a few milliseconds as a rule."""


class Cluster:
    """One connection to a server's maintenance database, shared by the tasks of one loop."""

    def __init__(self, server: Server, names: Names, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self.server = server
        self.names = names
        self.major = connection.get_server_version().major
        self._connection = connection
        self._using = asyncio.Lock()

    @classmethod
    async def open(cls, server: Server, names: Names) -> Cluster:
        """Connect.

        Raises:
            ConnectionFailedError: the server cannot be reached.
        """
        return cls(server, names, await connect(server.url, source=server.source))

    async def another(self) -> Cluster:
        """A second connection to the same server, for what goes on beside the tests."""
        return await Cluster.open(self.server, self.names)

    async def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError, TimeoutError):
            await self._connection.close(timeout=_LEAVING_S)

    async def require_ours_to_fill(self) -> None:
        """See that databases can be made here.

        Raises:
            CapabilityError: the role may not make any.
        """
        may = "SELECT rolsuper OR rolcreatedb FROM pg_catalog.pg_roles WHERE rolname = current_user"
        if not await self.value(may):
            raise CapabilityError(
                "create",
                f"{self.server.label}: the role may not make databases, and each test needs one",
                hint="As a superuser: ALTER ROLE … CREATEDB. Or name another server.",
            )

    async def relax(self) -> None:
        """Let a server of ours not wait for the disk: what is on it is worth no wait, nor a recovery.

        Its processes notice within moments. Autovacuum stays on: a small suite is over before it wakes, and a
        large one needs it.
        """
        flushed = () if self.server.forgettable else ("fsync", "full_page_writes")
        for name in {"fsync", "full_page_writes", "synchronous_commit"}.difference(flushed):
            await self.execute(f"ALTER SYSTEM SET {name} = off")
        await self.execute("SELECT pg_catalog.pg_reload_conf()")

    async def execute(self, statement: str) -> None:
        """Run a statement, or several in one transaction.

        Raises:
            DatabaseError: the server refused.
        """
        async with self._question():
            await self._connection.execute(statement)

    async def value(self, question: str, *arguments: object) -> object:
        """The first column of the first row; ``None`` without one."""
        async with self._question():
            return await self._connection.fetchval(question, *arguments)

    @contextlib.asynccontextmanager
    async def _question(self) -> AsyncIterator[None]:
        async with self._using:
            try:
                yield
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                raise DatabaseError(
                    f"{self.server.label}: {self.server.url.redact(str(error))}",
                    sqlstate=error.sqlstate if isinstance(error, asyncpg.PostgresError) else None,
                ) from None

    async def create(self, name: str, template: str) -> None:
        """Make a database; with a template of ours in a few milliseconds where the server is fast."""
        strategy = " STRATEGY FILE_COPY" if self.major >= _FILE_COPY_SINCE else ""
        await self.execute(f"CREATE DATABASE {self._own(name)} TEMPLATE {quoted(template)}{strategy}")

    async def drop(self, name: str) -> None:
        """Drop a database, its connections too; nothing when it is not there."""
        await self.execute(f"DROP DATABASE IF EXISTS {self._own(name)} WITH (FORCE)")

    async def rename(self, name: str, new: str, *, comment: str) -> None:
        """Give a database that nobody is connected to another name, and say what it is."""
        own, called = self._own(name), self._own(new)
        renaming = f"ALTER DATABASE {own} RENAME TO {called};" if name != new else ""
        await self.execute(f"{renaming} COMMENT ON DATABASE {called} IS {literal(comment)}")

    async def vacate(self, name: str) -> None:
        """Cut every connection to a database, and wait until they are gone."""
        cut = (
            "SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity "
            "WHERE datname = $1"
        )
        async with asyncio.timeout(_LEAVING_S):
            while await self.value(cut, name):  # noqa: ASYNC110  # nor when a connection is gone
                await asyncio.sleep(_POLL_S)

    async def databases(self) -> Sequence[str]:
        """Those of ours that are there, whichever run's, oldest first."""
        question = (
            "SELECT coalesce(pg_catalog.array_agg(datname::text ORDER BY oid), '{}') "
            "FROM pg_catalog.pg_database WHERE pg_catalog.starts_with(datname, $1)"
        )
        found = await self.value(question, self.names.prefix)
        return found if isinstance(found, list) else []

    async def exists(self, name: str) -> bool:
        """Whether there is such a database."""
        found = await self.value("SELECT true FROM pg_catalog.pg_database WHERE datname = $1", name)
        return found is True

    async def try_lock(self, key: int) -> bool:
        """Take an advisory lock for the session if it is free."""
        return bool(await self.value("SELECT pg_catalog.pg_try_advisory_lock($1)", key))

    async def try_share(self, key: int) -> bool:
        """Take a share in an advisory lock for the session, unless somebody has it alone."""
        return bool(await self.value("SELECT pg_catalog.pg_try_advisory_lock_shared($1)", key))

    async def share(self, key: int) -> None:
        """The same, waiting as long as need be."""
        while not await self.try_share(key):  # noqa: ASYNC110  # the server tells nobody when a lock is free
            await asyncio.sleep(_POLL_S)

    async def unlock(self, key: int) -> None:
        """Give a lock back that was had alone."""
        await self.value("SELECT pg_catalog.pg_advisory_unlock($1)", key)

    async def unshare(self, key: int) -> None:
        """Give a share in a lock back."""
        await self.value("SELECT pg_catalog.pg_advisory_unlock_shared($1)", key)

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
