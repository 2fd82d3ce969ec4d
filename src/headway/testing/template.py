"""The templates that a suite's databases are cloned from: built once by the real migrations, and kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headway.capabilities import wanted_extensions
from headway.errors import CapabilityError, HeadwayError
from headway.revisions import read_graph
from headway.testing.building import build
from headway.testing.cluster import literal, quoted
from headway.testing.content import content_of
from headway.testing.naming import key_of
from headway.threads import in_thread

if TYPE_CHECKING:
    from headway.project import Project
    from headway.testing.cluster import Cluster
    from headway.testing.wishes import Wishes

ANOTHER_SERVER = (
    "Name a server that does: --headway-database-url, or --headway-image of one that Docker can run."
)
EMPTY = "base"
"""The revision that stands for a database without any."""
HEADS = "heads"
_POLL_S = 0.02
_KEPT = 8
"""How many templates of a project may lie on a server: of a few branches, and of a few revisions."""


class TemplateFailedError(HeadwayError):
    """There is no template, for a reason that was told in full when it was first asked for."""

    def __init__(self, first_line: str) -> None:
        super().__init__(f"as above: {first_line}")


class Templates:
    """The templates of one project, one for each revision that a test asks for."""

    def __init__(self, cluster: Cluster, project: Project, wishes: Wishes) -> None:
        self._cluster = cluster
        self._project = project
        self._wishes = wishes
        self._built_by = f"built by headway's test fixtures, run {wishes.run_id}"
        self._known: dict[str, str] = {}
        self._failed: dict[str, str] = {}

    async def of(self, revision: str) -> str:
        """The name of the template at a revision; it is built when there is none.

        Raises:
            CapabilityError: the revisions create an extension that the server does not carry.
            HeadwayError: the migrations failed, whatever ``Migrator.upgrade`` raises.
            TemplateFailedError: they have failed before, and are not run again.
        """
        if revision == EMPTY:
            return "template0"
        if revision in self._failed:
            raise TemplateFailedError(self._failed[revision])
        try:
            return await self._at(revision)
        except HeadwayError as error:
            self._failed[revision] = error.message.partition("\n")[0]
            raise

    async def _at(self, revision: str) -> str:
        if revision not in self._known:
            content = await in_thread(
                lambda: content_of(self._project, f"PostgreSQL {self._cluster.major}", revision)
            )
            self._known[revision] = await self._found_or_built(content, revision)
        return self._known[revision]

    async def _found_or_built(self, content: str, revision: str) -> str:
        """Who has a template in use shares a lock on it; who builds or drops one has that alone."""
        cluster = self._cluster
        name = cluster.names.template(content)
        key = key_of(name)
        while True:
            await cluster.share(key)
            if await self._good(name):
                return name
            await cluster.unshare(key)
            if await cluster.try_lock(key):
                try:
                    if not await self._good(name):
                        await cluster.drop(name)
                        await self._build(name, revision)
                finally:
                    await cluster.unlock(key)
            else:
                await asyncio.sleep(_POLL_S)  # one that is to be built anew may be in use by another run

    async def _good(self, name: str) -> bool:
        """Whether a template is there, and built by this run where it is to be."""
        if not self._wishes.rebuild:
            return await self._cluster.exists(name)
        builder = await self._cluster.value(
            "SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database "
            "WHERE datname = $1",
            name,
        )
        return builder == self._built_by

    async def _build(self, name: str, revision: str) -> None:
        """Under a name of this run, so that what a crash leaves half-made is found and dropped."""
        wishes, cluster = self._wishes, self._cluster
        await self._require_extensions()
        draft = cluster.names.of_run(wishes.run_id, wishes.worker, "template")
        await cluster.drop(draft)
        await cluster.create(draft, "template0")
        try:
            await build(self._project, cluster.server.database(draft), revision)
        except BaseException:
            await cluster.drop(draft)
            raise
        await cluster.vacate(draft)
        # A session open on a template makes each clone wait five seconds and fail (design.md, fact 17).
        await cluster.execute(
            f"ALTER DATABASE {quoted(draft)} ALLOW_CONNECTIONS false; "
            f"ALTER DATABASE {quoted(draft)} RENAME TO {quoted(name)}; "
            f"COMMENT ON DATABASE {quoted(name)} IS {literal(self._built_by)}"
        )
        await self._drop_superseded()

    async def _drop_superseded(self) -> None:
        """Keep the newest templates; an older one goes unless somebody has it in use."""
        cluster = self._cluster
        templates = [name for name in await cluster.databases() if cluster.names.is_template(name)]
        for name in templates[:-_KEPT]:
            if await cluster.try_lock(key_of(name)):
                try:
                    await cluster.drop(name)
                finally:
                    await cluster.unlock(key_of(name))

    async def _require_extensions(self) -> None:
        project, cluster = self._project, self._cluster
        graph = await in_thread(
            lambda: read_graph(
                project.version_locations, recursive=project.recursive, sourceless=project.sourceless
            )
        )
        wanted = wanted_extensions({id_: revision.path for id_, revision in graph.revisions.items()})
        carried = await cluster.value(
            "SELECT pg_catalog.array_agg(name::text) FROM pg_catalog.pg_available_extensions"
        )
        for name, revisions in wanted.items():
            if name not in (carried if isinstance(carried, list) else []):
                raise CapabilityError(
                    f"extension {name}",
                    f"{cluster.server.label} does not carry the extension {name}, "
                    f"which {', '.join(revisions)} creates",
                    hint=ANOTHER_SERVER,
                )
