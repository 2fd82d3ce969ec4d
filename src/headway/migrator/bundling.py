"""What is signed and applied by hand, and the proof afterwards that it was."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from headway import planning, results
from headway.errors import EmbeddedServerError, RefusedError, ResolutionError, StepFailedError
from headway.migrator.core import sql_of
from headway.migrator.linting import Linting, heard
from headway.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from headway.bundle import Content, Drawn, Holdings
    from headway.results import LintReport
    from headway.revisions import Graph
    from headway.settings import Settings

_NOT_ASKED = "no scratch database was asked for"


class Bundling(Linting):
    """What is signed and applied by hand, and the proof afterwards that it was."""

    async def bundle(
        self,
        folder: Path | str,
        span: str = "head",
        *,
        scratch: str | None = "embedded",
        force: bool = False,
    ) -> results.BundleReport:
        """Write what a DBA reviews and applies with psql; the configured database is not asked.

        Args:
            folder: where to; made when it is missing.
            span: ``TO`` (from base) or ``FROM:TO``, upwards. The way back is part of the bundle.
            scratch: where the revisions are replayed for the review, to see what they lock and what becomes
                of the tables: ``"embedded"``, or the URL of a database on a server where one of our own is
                made meanwhile. ``None`` reviews their text alone; so does an embedded server that cannot be
                had, and the review says why.
            force: write into a folder that holds something else, too.

        Returns:
            The report: which files, and which steps must be run by headway.

        Raises:
            ResolutionError: an end of the span names nothing, or there is nothing between the two.
            RefusedError: the folder holds something that is not a bundle; or the project's database is not
                PostgreSQL.
            GraphError: an SQL revision holds what cannot be run.
        """
        from headway.bundle import files_of, require_ours, write_folder

        if not force:
            await in_thread(partial(require_ours, Path(folder)))
        graph = await self._graph()
        plan = await self._to_bundle(graph, span)
        content = await self._content(graph, plan)
        lint = await self._rehearsed(plan, content, scratch)
        drawn = await self._drawn(plan, scratch)
        files = await in_thread(partial(files_of, content, lint, drawn))
        paths = await in_thread(partial(write_folder, Path(folder), files, force=force))
        return results.BundleReport(
            folder=Path(folder),
            paths=paths,
            before=content.base,
            after=content.goal,
            revisions=tuple(step.revision for step in content.upgrade),
            manual=tuple(step.revision for step in content.upgrade if step.by_hand),
            irreversible=tuple(step.revision for step in content.rollback if step.by_hand),
            oracle=lint.oracle,
            unwatched=lint.unwatched,
        )

    async def _to_bundle(self, graph: Graph, span: str) -> planning.Plan:
        if self._target.dialect != "postgresql":
            raise RefusedError(
                "a bundle is for psql, and this project's database is not PostgreSQL",
                hint="`headway sql` prints the statements.",
            )
        plan = planning.plan_range(graph, span, results.Direction.UPGRADE)
        if not plan.steps:
            raise ResolutionError(
                span,
                f"{span!r} holds no revision to apply, so there is nothing to put into a bundle.",
                hint="Write FROM:TO, where the database is at FROM.",
            )
        await sql_of(plan)
        return plan

    async def _content(self, graph: Graph, plan: planning.Plan) -> Content:
        from headway.bundle import Scripts, content_of

        project = await self._target.load()

        def gather() -> Content:
            from headway.alembic_bridge import script_steps, version_table_ddl

            scripts = Scripts(
                upgrade=script_steps(project, plan),
                rollback=script_steps(project, planning.plan_back(graph, plan)),
                table=project.options.version_table,
                table_ddl=version_table_ddl(project, "headway_schema"),
                ledger=project.options.ledger,
            )
            return content_of(scripts, graph, self.project.root, self.settings.limits)

        return await in_thread(gather)

    async def _rehearsed(self, plan: planning.Plan, content: Content, scratch: str | None) -> LintReport:
        """What lint says of the plan's steps; of their text alone where they cannot be replayed."""
        from headway.bundle import by_text

        try:
            return await self.review(plan, scratch=scratch)
        except StepFailedError as error:
            return by_text(content.upgrade, error.message)

    async def _drawn(self, plan: planning.Plan, scratch: str | None) -> Drawn:
        """The tables on both sides of a plan, as a run leaves them in a database of our own."""
        from headway.bundle import Drawn

        if scratch is None:
            return Drawn(undrawn=_NOT_ASKED)
        try:
            async with self._scratch(scratch) as settings:
                replay = self._replaying(settings)
                before = await replay._reached(plan.before)  # noqa: SLF001  # our own kind
                after = await replay._reached(plan.after)  # noqa: SLF001  # as above
        except (EmbeddedServerError, RefusedError, StepFailedError) as error:
            return Drawn(undrawn=error.message)
        return Drawn(before.catalogue, after.catalogue, undrawn=None)

    def _replaying(self, settings: Settings) -> Self:
        """The same project on another database."""
        return type(self)(
            self.project,
            settings=settings,
            listeners=[partial(heard, self._target.tell)],
            x_arguments=self._target.x_arguments,
        )

    async def _reached(self, rows: Sequence[str]) -> Holdings:
        """What the database holds once it is upgraded to these version rows."""
        for row in rows:
            await self.upgrade(row)
        return await self._holdings()

    async def verify(
        self, folder: Path | str | None = None, *, scratch: str = "embedded"
    ) -> results.VerifyReport:
        """Compare the database with one in which headway has run the same revisions; changes nothing.

        Tables, types, indexes, views, functions, triggers and policies are compared, the version rows, and
        what the ledger says of each applied revision, times and names of users aside; not the rows of other
        tables, nor who owns what.

        Args:
            folder: the bundle that was applied: its files are checked, and the database should be where it
                leads to. ``None`` replays whatever is applied.
            scratch: where to replay: ``"embedded"``, or the URL of a database on a server where one of our
                own is made meanwhile.

        Returns:
            The report; its ``differences`` are empty when there are none.

        Raises:
            ConfigurationError: the folder holds no bundle.
            RefusedError: the project's database is not PostgreSQL.
            UnknownRevisionsError: the database, or the bundle, is at revisions unknown here.
            StepFailedError: a revision failed when it was replayed; and what else ``upgrade`` raises.
            EmbeddedServerError: the embedded server does not start.
        """
        from headway.bundle import differences

        if self._target.dialect != "postgresql":
            raise RefusedError(
                "The catalogue that is compared is PostgreSQL's, and this project's database is "
                f"{self._target.dialect}.",
                hint="`headway check` compares with the models; `headway log --verify` looks at the ledger.",
            )
        graph = await self._graph_on_record()
        found = await self._holdings()
        wanted = found.rows
        scripted: tuple[str, ...] = ()
        faults: tuple[str, ...] = ()
        if folder is not None:
            wanted, scripted, faults = await in_thread(partial(_signed, Path(folder), graph))
        planning.require_known(graph, wanted)
        async with self._scratch(scratch) as settings:
            replayed = await self._replaying(settings)._reached(wanted)  # noqa: SLF001  # as above
        chain = await self.verify_log()
        caveat = "" if found.major == replayed.major else ", which may print an expression in other words"
        return results.VerifyReport(
            database=found.database,
            current=found.rows,
            expected=wanted,
            differences=(
                *faults,
                *differences(found, replayed, scripted),
                *(f"ledger: {line}" for line in chain),
            ),
            compared=(f"PostgreSQL {found.server}", f"a replay on PostgreSQL {replayed.server}{caveat}"),
        )

    async def _holdings(self) -> Holdings:
        from headway.bundle import held_by

        async with self._target.session() as session:
            _, rows = await self._target.scope(session)
            ledger = self._target.ledger()
            return await session.run(lambda connection: held_by(connection, session.database, rows, ledger))


def _signed(folder: Path, graph: Graph) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Where a bundle leads, by which revisions, and what of it is not as it was written."""
    from headway.bundle import read_manifest, verify_files

    manifest = read_manifest(folder)
    listed = {each["revision"]: each["checksum"] for each in manifest["revisions"]}
    now = graph.fingerprints(id_ for id_ in listed if id_ in graph)
    changed = [
        f"{id_}: its file is not the one that the bundle was made of"
        for id_, checksum in listed.items()
        if id_ in now and now[id_] != checksum
    ]
    wrong = (*(f"bundle: {line}" for line in verify_files(folder)), *changed)
    return tuple(manifest["to"]), tuple(listed), wrong
