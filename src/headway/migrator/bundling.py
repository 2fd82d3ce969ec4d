"""What is signed and applied by hand, and the proof afterwards that it was."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from headway.errors import RefusedError, ResolutionError
from headway.migrator.core import sql_of
from headway.migrator.linting import Linting
from headway.planning import Plan, plan_back, plan_range
from headway.results import BundleReport, Direction
from headway.threads import in_thread

if TYPE_CHECKING:
    from headway.bundle import Content
    from headway.revisions import Graph


class Bundling(Linting):
    """What is signed and applied by hand, and the proof afterwards that it was."""

    async def bundle(self, folder: Path | str, span: str = "head", *, force: bool = False) -> BundleReport:
        """Write what a DBA reviews and applies with psql; needs no database.

        Args:
            folder: where to; made when it is missing.
            span: ``TO`` (from base) or ``FROM:TO``, upwards. The way back is part of the bundle.
            force: write into a folder that holds something else, too.

        Returns:
            The report: which files, and which steps must be run by headway.

        Raises:
            ResolutionError: an end of the span names nothing, or there is nothing between the two.
            RefusedError: the folder holds something that is not a bundle; or the project's database is not
                PostgreSQL.
            GraphError: an SQL revision holds what cannot be run.
        """
        from headway.bundle import files_of, write_folder

        graph = await self._graph()
        plan = await self._to_bundle(graph, span)
        content = await self._content(graph, plan)
        files = await in_thread(partial(files_of, content, {}))
        paths = await in_thread(partial(write_folder, Path(folder), files, force=force))
        return BundleReport(
            folder=Path(folder),
            paths=paths,
            before=content.base,
            after=content.goal,
            revisions=tuple(step.revision for step in content.upgrade),
            manual=tuple(step.revision for step in content.upgrade if step.by_hand),
            irreversible=tuple(step.revision for step in content.rollback if step.by_hand),
        )

    async def _to_bundle(self, graph: Graph, span: str) -> Plan:
        if self._target.dialect != "postgresql":
            raise RefusedError(
                "a bundle is for psql, and this project's database is not PostgreSQL",
                hint="`headway sql` prints the statements.",
            )
        plan = plan_range(graph, span, Direction.UPGRADE)
        if not plan.steps:
            raise ResolutionError(
                span,
                f"{span!r} holds no revision to apply, so there is nothing to put into a bundle.",
                hint="Write FROM:TO, where the database is at FROM.",
            )
        await sql_of(plan)
        return plan

    async def _content(self, graph: Graph, plan: Plan) -> Content:
        from headway.bundle import Scripts, content_of

        project = await self._target.load()

        def gather() -> Content:
            from headway.alembic_bridge import script_steps, version_table_ddl

            scripts = Scripts(
                upgrade=script_steps(project, plan),
                rollback=script_steps(project, plan_back(graph, plan)),
                table=project.options.version_table,
                table_ddl=version_table_ddl(project, "headway_schema"),
                ledger=project.options.ledger,
            )
            return content_of(scripts, graph, self.project.root, self.settings.limits)

        return await in_thread(gather)
