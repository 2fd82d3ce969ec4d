"""What a check looks at: a project's revisions on a database of its own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headway.alembic_bridge import AlembicProject
from headway.database import driver_connection
from headway.errors import ConfigurationError, HeadwayError, IrreversibleMigration, RefusedError
from headway.planning import Plan, plan_upgrade
from headway.results import Direction
from headway.testing.checks.files import graph_of
from headway.testing.picture import read_picture
from headway.threads import in_thread
from headway.url import DatabaseURL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from headway.migrator import Migrator
    from headway.revisions import Graph
    from headway.testing.picture import Picture


@dataclass(frozen=True, slots=True)
class Subject:
    """A migrator's project, revisions and database."""

    migrator: Migrator
    alembic: AlembicProject
    graph: Graph
    url: DatabaseURL

    @classmethod
    async def of(cls, migrator: Migrator) -> Subject:
        """Read the revisions; env.py is run.

        Raises:
            ConfigurationError: the migrator has a connection instead of a URL, or an SQLite file's.
            HeadwayError: the project cannot be read.
        """
        url = migrator.settings.database
        if not isinstance(url, DatabaseURL):  # none, or an SQLite file's
            problem = "the checks need a Migrator with the URL of a PostgreSQL database that is theirs alone"
            raise ConfigurationError("migrator", problem, example="Migrator('alembic.ini', url=…)")

        def read() -> tuple[AlembicProject, Graph]:
            alembic = AlembicProject(migrator.project)
            _ = alembic.options
            return alembic, graph_of(migrator.project)

        return cls(migrator, *await in_thread(read), url)

    @property
    def bookkeeping(self) -> tuple[str, ...]:
        """The names of the version table, the ledger and its view."""
        options = self.alembic.options
        return options.version_table.name, options.ledger.history, options.ledger.view

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """A connection of the check's own, beside the migrator's."""
        async with driver_connection(self.url) as connection:
            yield connection

    async def picture(self) -> Picture:
        """The schema as it is now."""
        async with self.connection() as connection:
            return await read_picture(connection, self.bookkeeping)

    async def reach(self, revision: str) -> Plan:
        """Bring the database to where only this revision is missing of all it needs.

        Returns:
            The plan of its one step.

        Raises:
            RefusedError: the database holds it already.
            StepFailedError: an earlier revision cannot be applied.
        """
        for parent in self.graph.parents_of(revision):
            await self.migrator.upgrade(parent)
        rows = (await self.migrator.pending()).current
        if revision in self.graph.applied(rows):
            raise RefusedError(
                f"the database holds revision {revision} already",
                hint="Check the revisions oldest first, or give each a database of its own.",
            )
        return plan_upgrade(self.graph, rows, revision)


def undoing(plan: Plan) -> Plan:
    """The plan that undoes a plan of one step."""
    [step] = plan.steps
    back = replace(step, direction=Direction.DOWNGRADE, before=step.after, after=step.before)
    return Plan(Direction.DOWNGRADE, (back,), plan.after, plan.before)


def why_irreversible(error: BaseException) -> str | None:
    """What a downgrade said that raised because it cannot undo; ``None`` for any other failure."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, IrreversibleMigration):
            return cause.message
        if isinstance(cause, NotImplementedError):
            return str(cause) or "downgrade() raises NotImplementedError"
        cause = cause.__cause__
    return None


def told(error: HeadwayError) -> list[str]:
    """An error's message and facts, a line each."""
    return [line.strip() for line in [*error.message.splitlines(), *error.facts()]]
