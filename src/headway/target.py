"""One database as a project means it: found, reached and asked where it stands."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from headway.database import (
    EMBEDDED,
    embedded_directory,
    lease_embedded,
    require_usable,
)
from headway.errors import (
    INSUFFICIENT_PRIVILEGE,
    ConfigurationError,
    DatabaseError,
    HeadwayError,
    RefusedError,
    UnknownRevisionsError,
)
from headway.glance import look
from headway.project import connects_itself
from headway.settings import libpq_variables
from headway.threads import in_thread
from headway.url import AnyURL, DatabaseURL, SQLiteURL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from headway.alembic_bridge import AlembicProject, Scope
    from headway.doorway import Doorway
    from headway.embedded import Lease
    from headway.errors import ChangedRevisionsError, GraphError
    from headway.events import Event, Listener
    from headway.ledger import Glimpse, Ledger
    from headway.project import Project
    from headway.recollection import Glimpsed
    from headway.results import Application, LedgerEntry, RunOptions
    from headway.session import Session
    from headway.settings import Settings


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a database stands: its name, masked, its version rows, and what the ledger says.

    ``dirty`` is the revision that was interrupted; ``None`` as a rule. ``glimpsed`` is from before ``dirty``
    and ``record`` were asked for; ``None`` where there is no version row, and of a URL. ``sum`` is that of
    the ledger's answer, as a verdict has it; ``None`` where none is kept.
    """

    database: str
    rows: tuple[str, ...]
    dirty: str | None = None
    ledger: bool = False
    record: Mapping[str, Application] = field(default_factory=dict)
    glimpsed: Glimpsed | None = None
    sum: str | None = None

    @property
    def applied_at(self) -> dict[str, datetime]:
        """When each revision was applied, as far as the ledger knows."""
        return {id_: each.applied_at for id_, each in self.record.items() if each.applied_at is not None}


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
        self.x_arguments = x_arguments
        self._lease: Lease | None = None
        self._leasing = asyncio.Lock()
        self._alembic: AlembicProject | None = None
        self._making = threading.Lock()

    def close(self) -> None:
        """Let go of the embedded server; idempotent."""
        if self._lease is not None:
            lease, self._lease = self._lease, None
            lease.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the settings could not honour; empty with the caller's own connection."""
        return () if self._connection is not None else self._settings.notes

    @property
    def alembic(self) -> AlembicProject:
        """The project as Alembic sees it; made at first need, because it loads Alembic, and only once."""
        from headway.alembic_bridge import AlembicProject

        with self._making:
            if self._alembic is None:
                self._alembic = AlembicProject(self._project, x_arguments=self.x_arguments)
        return self._alembic

    async def load(self) -> AlembicProject:
        """The project as Alembic sees it, its env.py run; in a thread, for that imports models."""

        def run_environment() -> AlembicProject:
            # What a run needs takes a while to import; here it keeps nobody waiting.
            import_module("headway.session")
            import_module("headway.door")
            import_module("headway.runs")
            import_module("headway.alembic_bridge.execution")
            import_module("headway.alembic_bridge.revision_code")
            _ = self.alembic.options
            return self.alembic

        return await in_thread(run_environment)

    async def name(self) -> str:
        """What to call the database, as a session on it does, without connecting."""
        if self._connection is not None:
            from headway.session import name_of

            return name_of(self._connection.engine.url)
        _, _, label = await self._url()
        return label

    async def own_name(self) -> str:
        """The database's own name, without connecting."""
        if self._connection is not None:
            return str(self._connection.engine.url.database)
        url, _, _ = await self._url()
        return url.name

    async def backup_variables(self) -> dict[str, str]:
        """The environment in which a backup's command finds the database; **the password is in it**.

        Raises:
            RefusedError: there is no URL to tell it: the connection is the caller's, or leads to a file.
        """
        url = None if self._connection is not None else (await self._url())[0]
        if isinstance(url, DatabaseURL):
            return libpq_variables(url)
        raise RefusedError(
            "a backup command is told by a PostgreSQL URL where its database is, and here there is none",
            hint="Copy the file yourself." if url else "Give the Migrator a url instead of a connection.",
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connection for a run; a URL's and an engine's is opened here and closed afterwards."""
        from headway.session import open_session

        await self.load()
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
            scope = Scope(self.alembic.on(connection, comparing=False))
            return scope, scope.versions()

        return await session.run(begin)

    def ledger(self) -> Ledger:
        """The ledger of this database, as env.py names it."""
        from headway.doorway import ledger_for

        return ledger_for(self.dialect, self.alembic.options.ledger, self.alembic.options.version_table)

    @property
    def unasked(self) -> bool:
        """Whether nobody has said which database, so that asking would start the embedded server."""
        return self._connection is None and self._settings.database is None

    @property
    def dialect(self) -> str:
        """What SQLAlchemy calls the database system."""
        if self._connection is not None:
            return self._connection.dialect.name
        return "sqlite" if isinstance(self._settings.database, SQLiteURL) else "postgresql"

    @property
    def on_sqlite(self) -> bool:
        """Whether the database is an SQLite file."""
        return self.dialect == "sqlite"

    async def standing(self) -> Standing:
        """Where the database stands; three questions, and without SQLAlchemy where a URL allows it."""
        table = self._project.version_table()
        if self._connection is None and table is not None:
            url, source, label = await self._url()
            seen = await look(url, table, source=source)
            return Standing(label, seen.rows, seen.dirty, seen.ledger, seen.record, sum=seen.sum)
        missing = self._settings.database if self._connection is None else None
        if isinstance(missing, SQLiteURL) and not missing.path.exists():
            # Opening it would make it.
            require_usable(missing)
            await self.load()
            return Standing(missing.masked, ())
        async with self.session() as session:
            _, rows = await self.scope(session)
            return await session.run(partial(self._ask, session.database, rows))

    def _ask(self, database: str, rows: tuple[str, ...], connection: Connection) -> Standing:
        from sqlalchemy.exc import DBAPIError

        from headway.diagnosis import read_error

        ledger = self.ledger()
        try:
            # What is glimpsed first cannot be newer than what is told from the rest.
            glimpsed = _glimpsed(ledger.glimpse, connection) if rows else None
            dirty = ledger.dirty(connection)
            return Standing(
                database,
                rows,
                dirty.revision if dirty else None,
                ledger.exists(connection),
                ledger.record_of(connection),
                glimpsed,
            )
        except DBAPIError as error:
            if read_error(error).sqlstate != INSUFFICIENT_PRIVILEGE:
                raise  # else as in interrupted
            glimpsed = _glimpsed(partial(ledger.glimpse, readable=False), connection) if rows else None
            return Standing(database, rows, glimpsed=glimpsed)

    async def interrupted(self, session: Session) -> LedgerEntry | None:
        """The step that was interrupted and not brought to its end; ``None`` as a rule."""
        try:
            return await session.run(self.ledger().dirty)
        except DatabaseError as error:
            # The application's role may look at the version table and not at the ledger.
            if error.sqlstate == INSUFFICIENT_PRIVILEGE:
                return None
            raise

    async def record(self, session: Session) -> Mapping[str, Application]:
        """How each applied revision came to be so; empty for a role that may not read the ledger."""
        try:
            return await session.run(self.ledger().record_of)
        except DatabaseError as error:
            if error.sqlstate == INSUFFICIENT_PRIVILEGE:
                return {}
            raise

    async def dated(self, session: Session, error: UnknownRevisionsError) -> UnknownRevisionsError:
        """The same error, with the ledger's word on since when; as it is where the ledger knows nothing."""
        try:
            return dated(error, await self.record(session))
        except DatabaseError:
            return error

    async def bereft(self, error: GraphError) -> GraphError | ChangedRevisionsError:
        """What to raise of a graph that lacks revisions: that applied ones were deleted, if it is so.

        The same error where the database cannot be asked.
        """
        try:
            standing = await self.standing()
        except HeadwayError:
            return error
        from headway.narration.changes import changed_error
        from headway.planning import deleted

        found = deleted(error.missing, standing.record)
        return changed_error(standing.database, found) if found else error

    @asynccontextmanager
    async def door(
        self, session: Session, options: RunOptions | None, applies: Mapping[str, Path]
    ) -> AsyncIterator[Doorway]:
        """The open door to this database, for one run that applies these revisions.

        What ``options`` leaves open is as the settings say.
        """
        import uuid

        from headway.door import open_door

        handed = self.alembic.options
        async with open_door(
            session,
            table=handed.version_table,
            ledger=self.ledger(),
            applies=applies,
            options=self._settings.limits.overridden(options) if options else self._settings.limits,
            run_id=uuid.uuid4().hex,
            emit=self.tell,
        ) as door:
            yield door

    async def _url(self) -> tuple[AnyURL, str, str]:
        """The URL, the setting it comes from, and what to call the database."""
        configured = self._settings.database
        if configured is not None:
            return configured, self._settings.source or "the URL", configured.masked
        root = self._project.root
        if connects_itself(self._project.env_file):
            raise ConfigurationError(
                "DATABASE_URL",
                f"no database is configured, and {self._project.env_file} connects to one of its own "
                "choosing, which headway cannot see",
                example="postgresql://user:password@host:5432/database",
            )
        async with self._leasing:
            if self._lease is None:
                self._lease = await lease_embedded(self._settings, root, listener=self.tell)
        url = DatabaseURL.parse(self._lease.url, variable=EMBEDDED)
        return (
            url,
            EMBEDDED,
            f"{url.name} on the embedded PostgreSQL in {_seen_from_here(embedded_directory(root))}",
        )

    def tell(self, event: Event) -> None:
        """Hand an event to every listener."""
        from headway.events import tell

        tell(self._listeners, event)


def _glimpsed(ask: Callable[[Connection], Glimpse | None], connection: Connection) -> Glimpsed | None:
    from headway.alone import singly
    from headway.recollection import Glimpsed

    if connection.dialect.driver != "asyncpg":
        return None

    with singly(connection):
        answer = ask(connection)
    return Glimpsed(answer, ask) if answer is not None else None


def dated(error: UnknownRevisionsError, record: Mapping[str, Application]) -> UnknownRevisionsError:
    """The same error, with the ledger's word on since when; as it is where the ledger knows nothing."""
    from headway.narration.changes import origin

    since = [f"{row} was {origin(record[row])}" for row in error.revisions if row in record]
    if not since:
        return error
    return UnknownRevisionsError(f"{error.message} {'; '.join(since)}.", error.revisions, hint=error.hint)


def _seen_from_here(path: Path) -> Path:
    """Relative to the working directory when it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
