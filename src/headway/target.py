"""One database as a project means it: found, reached and asked where it stands."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from headway.database import EMBEDDED, driver_connection, embedded_directory, fetch_versions, lease_embedded
from headway.url import DatabaseURL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sqlalchemy.engine import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from headway.alembic_bridge import AlembicProject, Scope
    from headway.embedded import Lease
    from headway.events import Event, Listener
    from headway.project import Project
    from headway.session import Session
    from headway.settings import Settings


class Target:
    """The caller's own connection, the configured URL, or in development the embedded server.

    The embedded server is leased at first need and kept until ``close``.
    """

    def __init__(
        self,
        project: Project,
        settings: Settings,
        *,
        connection: AsyncEngine | AsyncConnection | None,
        listeners: Sequence[Listener],
        x_arguments: Sequence[str],
    ) -> None:
        self._project = project
        self._settings = settings
        self._connection = connection
        self._listeners = listeners
        self._x_arguments = x_arguments
        self._lease: Lease | None = None

    def close(self) -> None:
        """Let go of the embedded server; idempotent."""
        if self._lease is not None:
            lease, self._lease = self._lease, None
            lease.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the settings could not honour; empty with the caller's own connection."""
        return () if self._connection is not None else self._settings.notes

    @cached_property
    def alembic(self) -> AlembicProject:
        """The project as Alembic sees it; made at first need, because it loads Alembic."""
        from headway.alembic_bridge import AlembicProject

        return AlembicProject(self._project, x_arguments=self._x_arguments)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connection for a run; a URL's and an engine's is opened here and closed afterwards."""
        from headway.session import open_session

        if self._connection is not None:
            async with open_session(self._connection) as session:
                yield session
        else:
            url, origin, label = await self._url()
            async with open_session(url, origin=origin, label=label) as session:
                yield session

    async def scope(self, session: Session) -> tuple[Scope, tuple[str, ...]]:
        """The migration context on a session, and the version rows."""
        from headway.alembic_bridge import Scope

        def begin(connection: Connection) -> tuple[Scope, tuple[str, ...]]:
            scope = Scope(self.alembic.on(connection))
            return scope, scope.versions()

        return await session.run(begin)

    async def versions(self) -> tuple[str, tuple[str, ...]]:
        """The database's name, masked, and its version rows; without SQLAlchemy where a URL allows it."""
        table = self._project.version_table()
        if self._connection is None and table is not None:
            url, origin, label = await self._url()
            async with driver_connection(url, source=origin) as connection:
                return label, await fetch_versions(connection, table)
        async with self.session() as session:
            _, rows = await self.scope(session)
            return session.database, rows

    async def _url(self) -> tuple[DatabaseURL, str, str]:
        """The URL, the setting it comes from, and what to call the database."""
        configured = self._settings.database
        if configured is not None:
            return configured, self._settings.source or "the URL", configured.masked
        root = self._project.root
        if self._lease is None:
            self._lease = await lease_embedded(self._settings, root, listener=self._tell)
        url = DatabaseURL.parse(self._lease.url, variable=EMBEDDED)
        return (
            url,
            EMBEDDED,
            f"{url.name} on the embedded PostgreSQL in {_seen_from_here(embedded_directory(root))}",
        )

    def _tell(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)


def _seen_from_here(path: Path) -> Path:
    """Relative to the working directory when it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
