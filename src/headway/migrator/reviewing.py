"""What is to be known before a run."""

from __future__ import annotations

from headway import planning, results
from headway.errors import UnknownRevisionsError
from headway.migrator.core import sql_of
from headway.migrator.looking import Looking
from headway.migrator.running import Running
from headway.target import dated
from headway.threads import in_thread


class Reviewing(Looking, Running):
    """What is to be known before a run."""

    async def plan(
        self,
        target: str | planning.SealedPlan | None = None,
        *,
        direction: results.Direction = results.Direction.UPGRADE,
    ) -> planning.Plan:
        """The steps that ``upgrade`` or ``downgrade`` would run; no steps when there is nothing to do.

        Args:
            target: a revision identifier; ``head`` for an upgrade and ``-1`` for a downgrade when ``None``;
                or a sealed plan, which is then looked over as a run would.
            direction: which of the two.

        Raises:
            ResolutionError: the target names nothing, or several things.
            PlanMovedError: something that the sealed plan was made from has moved.
            UnknownRevisionsError: the database holds revisions unknown here.
            ChangedRevisionsError: an applied revision was deleted, so that the files form no graph.
        """
        graph = await self._graph_on_record()
        if isinstance(target, planning.SealedPlan):
            async with self._target.session() as session:
                _, rows = await self._target.scope(session)
                return await self._settled(session, graph, rows, target, direction)
        standing = await self._target.standing()
        rows, record = standing.rows, standing.record
        await self._require_none_late(graph, rows)
        try:
            return self._planned(graph, rows, target, direction)
        except UnknownRevisionsError as error:
            raise dated(error, record) from None

    async def losses(self, plan: planning.Plan) -> tuple[results.Loss, ...]:
        """The data a plan destroys, with the server's estimates of how much; empty when none.

        Nothing is changed: the revisions run without a connection, and the database is only asked for sizes.
        """
        from headway.alembic_bridge import losses_of
        from headway.losses import measure

        await sql_of(plan)
        project = await self._target.load()
        found = await in_thread(lambda: [loss for step in plan.steps for loss in losses_of(project, step)])
        if not found:
            return ()
        async with self._target.session() as session:
            return await session.run(lambda connection: measure(connection, found))

    async def check(self, *, scratch: str | None = None) -> results.CheckReport:
        """What the models hold that no revision creates; no changes when they agree.

        Args:
            scratch: where to replay all revisions into an empty database and compare there, in place of the
                configured database, which is then not touched: ``"embedded"``, or the URL of a database on a
                server where one of our own is made meanwhile. ``None`` compares with the configured one.

        Raises:
            NotAtHeadError: the database is not at head, so the comparison would say nothing; and what else
                ``ensure_head`` raises.
            ConfigurationError: env.py hands over no metadata.
            StepFailedError: with ``scratch``, a revision failed; and what else ``upgrade`` raises.
            EmbeddedServerError: the embedded server does not start.
            DatabaseError: the server of the URL lets nobody create a database.
        """
        from headway.alembic_bridge import differences

        if scratch is not None:
            return await self._check_in_scratch(scratch)
        await self.ensure_head()
        async with self._target.session() as session:
            found = await session.run(
                lambda connection: differences(self._target.alembic, self._target.alembic.on(connection))
            )
            return results.CheckReport(session.database, found)

    async def _check_in_scratch(self, where: str) -> results.CheckReport:
        async with self._scratch(where) as settings:
            replayed = type(self)(
                self.project,
                settings=settings,
                listeners=self._listeners,
                x_arguments=self._target.x_arguments,
            )
            await replayed.upgrade("heads")
            return await replayed.check()

    async def sql(
        self, span: str = "head", *, direction: results.Direction = results.Direction.UPGRADE
    ) -> str:
        """The SQL that a DBA can run by hand; needs no database.

        Args:
            span: ``TO`` (from base, for an upgrade) or ``FROM:TO``.
            direction: ``DOWNGRADE`` needs ``FROM:TO``.

        Returns:
            A script with one transaction a revision that writes the version table too; "" when the span is
            empty.

        Raises:
            ResolutionError: an end of the span names nothing.
        """
        from headway.alembic_bridge import render_sql

        plan = planning.plan_range(await self._graph(), span, direction)
        await sql_of(plan)
        project = await self._target.load()
        return await in_thread(lambda: render_sql(project, plan, dialect=self._target.dialect))
