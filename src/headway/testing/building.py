"""Running a project's migrations on a fresh database, whatever its env.py is like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.migrator import Migrator

if TYPE_CHECKING:
    from headway.project import Project
    from headway.url import DatabaseURL


async def build(project: Project, url: DatabaseURL, revision: str) -> None:
    """Upgrade a database of ours to a revision.

    Raises:
        HeadwayError: whatever ``Migrator.upgrade`` raises.
    """
    async with Migrator(project, url=url.render(), environment="development") as migrator:
        await migrator.upgrade(revision)
