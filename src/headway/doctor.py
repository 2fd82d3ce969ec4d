"""Ask all that decides whether a database can be migrated from here; go on where an answer fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.capabilities import examine
from headway.door import survey
from headway.errors import HeadwayError
from headway.lock import lock_key_on

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headway.project import Project
    from headway.results import Capabilities, DoctorReport, LedgerEntry
    from headway.revisions import Graph
    from headway.settings import Settings
    from headway.target import Target


async def examined(
    project: Project, settings: Settings, target: Target, read: Callable[[], Awaitable[Graph]]
) -> DoctorReport:
    """Look at the files and the server; what fails on the way becomes part of the report.

    Raises:
        EnvironmentFileError: env.py cannot be used, so there is nothing to look with.
    """
    failures: list[HeadwayError] = []
    graph: Graph | None = None
    try:
        graph = await read()
    except HeadwayError as error:
        failures.append(error)
    table = (await target.load()).options.version_table
    capabilities: Capabilities | None = None
    rows: tuple[str, ...] | None = None
    key: int | None = None
    dirty: LedgerEntry | None = None
    needs_create = True
    database = settings.database.masked if settings.database is not None else "the embedded server"
    try:
        async with target.session() as session:
            database = session.database
            found, needs_create = await session.run(
                lambda connection: survey(connection, table, target.ledger())
            )
            capabilities = found
            obstacle = await session.run(
                lambda connection: target.ledger().obstacle(connection, version_schema=found.schema)
            )
            if obstacle is not None:
                failures.append(obstacle)
            key = await session.run(lambda connection: lock_key_on(connection, table))
            _, rows = await target.scope(session)
            dirty = await target.interrupted(session)
    except HeadwayError as error:
        failures.append(error)
    return examine(
        project=project,
        settings=settings,
        version_table=table,
        database=database,
        capabilities=capabilities,
        graph=graph,
        current=rows,
        dirty=dirty,
        lock_key=key,
        failures=failures,
        needs_create=needs_create,
        notes=target.notes,
    )
