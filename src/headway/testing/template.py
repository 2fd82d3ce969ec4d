"""The template that a suite's databases are cloned from: built once by the real migrations, and kept."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from headway.migrator import Migrator
from headway.testing.cluster import quoted
from headway.testing.naming import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headway.project import Project
    from headway.testing.cluster import Cluster
    from headway.testing.wishes import Wishes

EMPTY = "base"
"""The revision that stands for a database without any."""


class Templates:
    """The templates of one project, one for each revision that a test asks for."""

    def __init__(self, cluster: Cluster, project: Project, wishes: Wishes) -> None:
        self._cluster = cluster
        self._project = project
        self._wishes = wishes
        self._known: dict[str, str] = {}

    async def of(self, revision: str = "heads") -> str:
        """The name of the template at a revision; it is built when there is none.

        Raises:
            HeadwayError: the migrations failed, whatever ``Migrator.upgrade`` raises.
        """
        if revision == EMPTY:
            return "template0"
        if revision not in self._known:
            content = content_of(self._project, str(self._cluster.major), revision)
            self._known[revision] = await self._built(self._cluster.names.template(content), revision)
        return self._known[revision]

    async def _built(self, name: str, revision: str) -> str:
        if await self._cluster.exists(name):
            return name
        key = key_of(name)
        await self._cluster.lock(key)
        try:
            if not await self._cluster.exists(name):
                await self._build(name, revision)
        finally:
            await self._cluster.unlock(key)
        return name

    async def _build(self, name: str, revision: str) -> None:
        """Under a name of this run, so that what a crash leaves half-made is found and dropped."""
        wishes, cluster = self._wishes, self._cluster
        draft = cluster.names.of_run(wishes.run_id, wishes.worker, "template")
        await cluster.drop(draft)
        await cluster.create(draft, "template0")
        url = cluster.server.database(draft).render()
        async with Migrator(self._project, url=url, environment="development") as migrator:
            await migrator.upgrade(revision)
        # A session open on a template makes each clone wait five seconds and fail (design.md, fact 17).
        await cluster.execute(
            f"ALTER DATABASE {quoted(draft)} ALLOW_CONNECTIONS false; "
            f"ALTER DATABASE {quoted(draft)} RENAME TO {quoted(name)}"
        )


def content_of(project: Project, *more: str) -> str:
    """A name for what the migrations would build: sixteen hexadecimal digits of a hash."""
    digest = hashlib.sha256()
    for word in (*more, *(f"{name} {_version(name)}" for name in ("headway", "alembic", "sqlalchemy"))):
        digest.update(f"{word}\0".encode())
    for path in sorted({*_sources(project)}):
        digest.update(f"{path}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _sources(project: Project) -> Iterator[Path]:
    for path in (project.config_file, project.pyproject):
        if path is not None:
            yield path
    for folder in (project.script_location, *project.version_locations):
        yield from (path for path in folder.rglob("*.py") if path.is_file())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
