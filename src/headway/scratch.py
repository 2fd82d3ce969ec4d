"""A database of our own for a while: where revisions are replayed, so that nobody else's is needed."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg

from headway.database import EMBEDDED, driver_connection
from headway.errors import DatabaseError, EmbeddedServerError, RefusedError
from headway.events import ServerStarting
from headway.shield import shielded
from headway.threads import in_thread
from headway.url import DatabaseURL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from headway.events import Event
    from headway.settings import Settings

ON_EMBEDDED = "embedded"
"""In place of a URL: on an embedded server that lives as long as the database."""

_OPTION = "--scratch-url"
_CLEANING_S = 30.0
"""How long a cancelled caller waits for the database to be gone, in seconds."""

_ABANDONED_S = 3600
"""A scratch database this old, in seconds, that nobody is connected to was left by somebody who is gone."""

_NOW = "SELECT pg_catalog.date_part('epoch', pg_catalog.now())::pg_catalog.int8"

_ABANDONED = """
    SELECT d.datname FROM pg_catalog.pg_database d
    WHERE d.datname ~ '^headway_scratch_[0-9]+_[0-9a-f]+$'
      AND pg_catalog.split_part(d.datname, '_', 3)::pg_catalog.int8 < $1
      AND pg_catalog.pg_has_role(d.datdba, 'USAGE')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid)
"""


@asynccontextmanager
async def scratch_database(
    settings: Settings, root: Path, where: str, tell: Callable[[Event], None], *, schema: str | None = None
) -> AsyncIterator[Settings]:
    """Settings that lead to an empty database, which is gone when the block ends, however it ends.

    Only where the process is killed outright does something stay, until the next one is made: files under
    ``.headway/scratch`` (the embedded server itself ends with the process), or on a server of the caller's a
    database named ``headway_scratch_…``, which is taken for abandoned after an hour without a connection.

    Args:
        settings: of the project; the same come back, with the database in place of the configured one.
        root: the project's folder.
        where: ``"embedded"``, or the URL of a database on a server where one more may be made.
        tell: hears when the embedded server is being started.
        schema: one to make there, where a run expects to find it: the version table's.

    Raises:
        ConfigurationError: the URL cannot be read.
        ConnectionFailedError: its server cannot be reached.
        DatabaseError: it does not let this role create a database.
        EmbeddedServerError: there are no binaries, or the embedded server does not start.
    """
    opened = _embedded(settings, root, tell) if where == ON_EMBEDDED else _on_server(where)
    async with opened as url:
        if schema is not None:
            async with driver_connection(url, source="--scratch") as connection:
                name = schema.replace('"', '""')
                await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{name}"')
        yield replace(settings, database=url, application=url, source="--scratch", notes=url.notes)


@asynccontextmanager
async def _embedded(
    settings: Settings, root: Path, tell: Callable[[Event], None]
) -> AsyncIterator[DatabaseURL]:
    with ExitStack() as stack:
        try:
            # Entered in the thread: what it returns is lost to a cancellation that came meanwhile.
            url = await in_thread(lambda: stack.enter_context(_server(settings, root / ".headway", tell)))
            yield DatabaseURL.parse(url, variable=EMBEDDED)
        finally:
            await shielded(in_thread(stack.close), grace_s=_CLEANING_S)


@contextmanager
def _server(settings: Settings, home: Path, tell: Callable[[Event], None]) -> Iterator[str]:
    """A server of its own, since roles and tablespaces belong to no database and would outlive it."""
    from headway import embedded

    servers = home / "scratch"
    for left in servers.glob("*"):
        with suppress(RefusedError, EmbeddedServerError, OSError):  # in use, or not ours
            embedded.reset(left)
    directory = servers / secrets.token_hex(4)

    def announce(initialising: bool) -> None:  # noqa: FBT001  # the callback's contract in `embedded`
        tell(ServerStarting(directory=str(directory), initialising=initialising))

    try:
        binaries = settings.postgres_binaries
        with embedded.acquire(
            directory, binaries=binaries, database="scratch", on_starting=announce
        ) as lease:
            yield lease.url
    finally:
        embedded.reset(directory, force=True)
        for folder in (servers, home):
            with suppress(OSError):  # not empty: there are others
                folder.rmdir()


@asynccontextmanager
async def _on_server(given: str) -> AsyncIterator[DatabaseURL]:
    server = DatabaseURL.parse(given, variable=_OPTION)
    async with driver_connection(server, source=_OPTION) as connection:
        now: int = await connection.fetchval(_NOW)
        for row in await connection.fetch(_ABANDONED, now - _ABANDONED_S):
            with suppress(asyncpg.PostgresError):  # somebody else was faster, or is connected
                await connection.execute(f'DROP DATABASE IF EXISTS "{row[0]}"')
        url = replace(server, database=f"headway_scratch_{now}_{secrets.token_hex(6)}")
    try:
        await _create(server, url)
        yield url
    finally:
        await shielded(_drop(server, url), grace_s=_CLEANING_S)


async def _create(server: DatabaseURL, url: DatabaseURL) -> None:
    async with driver_connection(server, source=_OPTION) as connection:
        try:
            await connection.execute(f'CREATE DATABASE "{url.database}" TEMPLATE template0')
        except asyncpg.InsufficientPrivilegeError as error:
            raise DatabaseError(
                f"{server.masked}: {error}",
                sqlstate=error.sqlstate,
                hint="Let the role create databases (ALTER ROLE … CREATEDB), or name no server, so that an "
                "embedded one is started.",
            ) from error


async def _drop(server: DatabaseURL, url: DatabaseURL) -> None:
    async with driver_connection(server, source=_OPTION) as connection:
        await connection.execute(f'DROP DATABASE IF EXISTS "{url.database}" WITH (FORCE)')
