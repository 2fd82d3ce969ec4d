"""SQL revisions that came too late: older by their timestamps than what the database held when they came.

The version table holds the newest revision alone, and all before it count as applied. So a file that is put
before it afterwards would never run, and nothing would say so; only the ledger knows that it has not run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.errors import INSUFFICIENT_PRIVILEGE, DatabaseError, GraphError
from headway.results import Operation, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection

    from headway.ledger import Ledger
    from headway.revisions import Graph
    from headway.session import Session


async def require_none_late(session: Session, ledger: Ledger, graph: Graph, rows: Iterable[str]) -> None:
    """Return when no revision has been put, by its timestamp alone, before one that a run had applied.

    Every run first notes in the ledger what it finds applied; so what is not in there, below a revision that
    a run has applied since, was not among the files of that run. A role that may not read the ledger is not
    told.

    Args:
        session: on the database.
        ledger: of the version table.
        graph: this checkout's revisions.
        rows: of the version table.

    Raises:
        GraphError: there are such; all are listed.
    """
    doubtful = [id_ for id_ in graph.applied(rows) if graph.revisions[id_].by_timestamp]
    if not doubtful:
        return
    try:
        late = await session.run(lambda connection: _late(connection, ledger, graph, doubtful))
    except DatabaseError as error:
        if error.sqlstate == INSUFFICIENT_PRIVILEGE:
            return
        raise
    if late:
        raise GraphError(
            [
                f"{graph.revisions[id_].path}:1: is older than {after}, which this database had before the "
                "file came: it would count as applied, and never run"
                for id_, after in late.items()
            ],
            hint="Give both of its files a timestamp of now, and run the command again. Where headers name "
            "the parent, as `headway revision` writes them, such revisions make two heads, to be merged.",
        )


def _late(connection: Connection, ledger: Ledger, graph: Graph, doubtful: Sequence[str]) -> dict[str, str]:
    """Each latecomer with a revision that had been applied by a run when it came."""
    recorded = ledger.on_record(connection)
    missing = [id_ for id_ in doubtful if id_ not in recorded]
    if not missing:
        return {}
    entries = ledger.entries(connection, operation=Operation.UPGRADE, outcome=Outcome.SUCCEEDED)
    run = recorded & {entry.revision for entry in entries}
    after = {id_: sorted(run & graph.descendants([id_])) for id_ in missing}
    return {id_: applied[0] for id_, applied in after.items() if applied}
