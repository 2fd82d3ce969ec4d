"""Ask all that decides whether a database can be migrated from here; go on where an answer fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.capabilities import examine, wanted_extensions
from headway.door import survey
from headway.errors import HeadwayError
from headway.lock import lock_key_on
from headway.planning import pending
from headway.sqlite import DIALECT as SQLITE
from headway.sqlite import checks_of
from headway.sqlite import survey as survey_file
from headway.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy.engine import Connection

    from headway.ledger import Ledger
    from headway.project import Project, VersionTable
    from headway.results import Capabilities, Check, DoctorReport, LedgerEntry
    from headway.revisions import Graph
    from headway.session import Session
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
    of_file: tuple[Check, ...] | None = None
    database = settings.database.masked if settings.database is not None else "the embedded server"
    try:
        async with target.session() as session:
            database = session.database
            if session.dialect != SQLITE:
                capabilities, needs_create, key = await session.run(
                    lambda connection: _of_server(connection, table, target.ledger())
                )
            schema = capabilities.schema if capabilities is not None else None
            obstacle = await session.run(
                lambda connection: target.ledger().obstacle(connection, version_schema=schema)
            )
            failures += [obstacle] if obstacle is not None else []
            _, rows = await target.scope(session)
            dirty = await target.interrupted(session)
            if session.dialect == SQLITE:
                of_file = await _checked(session, graph, rows)
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
        of_file=of_file,
        notes=target.notes,
    )


def _of_server(connection: Connection, table: VersionTable, ledger: Ledger) -> tuple[Capabilities, bool, int]:
    return *survey(connection, table, ledger), lock_key_on(connection, table)


async def _checked(session: Session, graph: Graph | None, rows: tuple[str, ...]) -> tuple[Check, ...]:
    """What decides whether a file can be migrated."""
    facts = await session.run(survey_file)
    files = {id_: graph.revisions[id_].path for id_ in pending(graph, rows)} if graph is not None else {}
    return checks_of(facts, wanted=await in_thread(lambda: wanted_extensions(files)))
