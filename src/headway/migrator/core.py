"""What every part of the façade stands on."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from headway import planning, results
from headway.errors import GraphError
from headway.lockfile import held
from headway.project import Project, load_project
from headway.revisions import Graph, read_graph
from headway.settings import Settings, load_settings
from headway.target import Target
from headway.threads import aside, in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from headway.alembic_bridge import RevisionCode
    from headway.events import Listener
    from headway.recollection import Recollection
    from headway.results import Application, RevisionChange


class Core:
    """What every part of the façade stands on."""

    def __init__(  # each names one thing a caller may bring
        self,
        project: Project | Path | str | None = None,
        *,
        url: str | None = None,
        environment: str | None = None,
        settings: Settings | None = None,
        connection: AsyncEngine | AsyncConnection | None = None,
        listeners: Sequence[Listener] = (),
        x_arguments: Sequence[str] = (),
    ) -> None:
        self.project = project if isinstance(project, Project) else load_project(project)
        self.settings = settings or load_settings(self.project, url=url, environment=environment)
        self._listeners = [*listeners]
        self._target = Target(
            self.project,
            self.settings,
            connection=connection,
            listeners=self._listeners,
            x_arguments=x_arguments,
        )
        self._recollection: Recollection | None = None
        if connection is not None:
            from headway.recollection import recollection_on

            self._recollection = recollection_on(connection, self.project)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the embedded server, if this Migrator started or joined one; idempotent."""
        self._target.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the settings could not honour, in words; empty as a rule, or with the caller's connection."""
        return self._target.notes

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """Those that are called with each event."""
        return tuple(self._listeners)

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` with each event from now on, after those that listen already."""
        self._listeners.append(listener)

    async def database(self) -> str:
        """What the database is called, its password masked; connects to nothing.

        Where the embedded server is meant, it is started, as for every other question.

        Raises:
            ConfigurationError: no database is configured, and the environment is not development.
        """
        return await self._target.name()

    async def database_name(self) -> str:
        """The database's own name, as one types it to consent; a file's name, for SQLite.

        Connects to nothing; the embedded server is started as for ``database``.

        Raises:
            ConfigurationError: no database is configured, and the environment is not development.
        """
        return await self._target.own_name()

    async def _graph(self) -> Graph:
        # Thousands of files may have to be read; the caller's loop goes on meanwhile.
        return await aside(
            partial(
                read_graph,
                self.project.version_locations,
                recursive=self.project.recursive,
                sourceless=self.project.sourceless,
            )
        )

    async def _graph_on_record(self) -> Graph:
        """The graph; where it lacks revisions, the ledger is asked whether they are applied."""
        try:
            return await self._graph()
        except GraphError as error:
            if not error.missing:
                raise
            raise await self._target.bereft(error) from None

    @asynccontextmanager
    async def _scratch(self, where: str) -> AsyncIterator[Settings]:
        """Settings of an empty database that is ours for a while, in which a run finds what it needs."""
        from headway.scratch import scratch_database

        project = await self._target.load()
        schema = project.options.version_table.schema
        async with scratch_database(
            self.settings, self.project.root, where, self._target.tell, schema=schema
        ) as settings:
            yield settings

    async def _require_none_late(self, graph: Graph, rows: tuple[str, ...]) -> None:
        if not any(graph.revisions[id_].by_timestamp for id_ in graph.applied(rows)):
            return
        from headway.latecomers import require_none_late

        async with self._target.session() as session:
            await require_none_late(session, self._target.ledger(), graph, rows)

    async def _changed(
        self,
        graph: Graph,
        applied: Collection[str],
        record: Mapping[str, Application],
        *,
        all_known: bool = True,
    ) -> tuple[RevisionChange, ...]:
        def compare() -> tuple[RevisionChange, ...]:
            found = planning.changes(graph.revisions, applied, record, all_known=all_known)
            known = {change.revision for change in found}
            # What this checkout has once held is no other checkout's.
            lost = [id_ for id_ in held(self.project) if id_ not in graph and id_ not in known]
            return (*found, *planning.deleted(lost, record))

        # In a thread, for files that were reformatted are parsed.
        return await aside(compare)

    def _planned(
        self,
        graph: Graph,
        rows: tuple[str, ...],
        target: str | planning.Plan | None,
        direction: results.Direction,
    ) -> planning.Plan:
        if isinstance(target, planning.Plan):
            return planning.still_valid(target, rows)
        if direction is results.Direction.UPGRADE:
            return planning.plan_upgrade(graph, rows, "head" if target is None else target)
        return planning.plan_downgrade(graph, rows, "-1" if target is None else target)


async def sql_of(plan: planning.Plan) -> dict[tuple[Path, results.Direction], RevisionCode]:
    """The plan's revisions in SQL, read in a thread: all their statements, before any is run."""
    from headway.alembic_bridge import load_all_sql

    return await in_thread(lambda: load_all_sql((step.path, step.direction) for step in plan.steps))
