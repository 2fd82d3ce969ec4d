"""Ask whether a database is still at head, for a process that does nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from headway.url import DatabaseURL
from headway.verdict import recall

if TYPE_CHECKING:
    from headway.project import Project
    from headway.settings import Settings


class KnownAtHead(NamedTuple):
    """A database that is at head, and whose revisions are what was applied, as earlier.

    Attributes:
        database: what it is called, its password masked.
        rows: of the version table, sorted.
        heads: of this checkout.
    """

    database: str
    rows: tuple[str, ...]
    heads: tuple[str, ...]


async def known_at_head(project: Project, settings: Settings) -> KnownAtHead | None:
    """Whether a database is at head, where that takes no more than a look at the files and one question.

    It does where :meth:`headway.Migrator.pending` has found so before, files and database are as they were
    then, and Python may write bytecode beside the revisions, for that is where the verdict is kept. No file
    of a revision is opened, and no graph is made of them.

    Args:
        project: whose revision files count.
        settings: where the database is.

    Returns:
        ``None`` where it takes a Migrator to tell, which is not to say that the database is not at head.

    Raises:
        ConnectionFailedError: the database cannot be reached.
    """
    url = settings.database
    verdict = recall(project) if isinstance(url, DatabaseURL) else None
    if not isinstance(url, DatabaseURL) or verdict is None:
        return None
    from headway.glance import still_says  # asyncpg takes longer to load than all of the above

    if not await still_says(url, verdict, source=settings.source or "the URL"):
        return None
    return KnownAtHead(url.masked, verdict.rows, verdict.heads)
