"""A plan beside the database it is for, and on paper."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headway import planning, results, sqltext
from headway.errors import HeadwayError
from headway.migrator.core import sql_of
from headway.migrator.linting import EMBEDDED, Linting
from headway.threads import in_thread

if TYPE_CHECKING:
    from headway.alembic_bridge import Foreseen
    from headway.planning import Plan, Step

_LOCKS_ALL = "SQLite locks the whole file for every change"


class Previewing(Linting):
    """A plan beside the database it is for, and on paper."""

    async def preview(self, plan: Plan, *, scratch: str | None = None) -> results.Preview:
        """What a plan would do to this database as it now is: nothing is written, and nobody is kept waiting.

        Args:
            plan: from ``plan``.
            scratch: where the steps are run to watch what they lock, rewrite and read: ``"embedded"``, or the
                URL of a database on a server where one of our own is made meanwhile. ``None`` watches nobody,
                and what the steps touch is then not known.

        Returns:
            The preview; without steps when the plan has none. ``unwatched`` says why nobody was watched.

        Raises:
            ConnectionFailedError: the database cannot be reached.
        """
        from headway.losses import measure
        from headway.surroundings import survey_surroundings

        name = await self.database()
        if not plan.steps:
            return results.Preview(name, plan.direction, plan.before, plan.after)
        report = await self._reviewed(plan, scratch)
        async with self._target.session() as session:
            losses = [loss for step in report.steps for loss in step.losses]
            measured = iter(await session.run(lambda connection: measure(connection, losses)))
            found = await session.run(lambda connection: survey_surroundings(connection, report.steps))
        return results.Preview(
            name,
            plan.direction,
            plan.before,
            plan.after,
            # As many are taken for each step as it has.
            tuple(replace(step, losses=tuple(next(measured) for _ in step.losses)) for step in report.steps),
            found.tables,
            found.obstacles,
            report.oracle,
            report.unwatched,
        )

    async def seal(self, plan: Plan, preview: results.Preview, *, target: str) -> planning.SealedPlan:
        """Seal a plan for this database as it now is, to be run as it was made or not at all.

        Args:
            plan: from ``plan``.
            preview: of that plan; its facts go along, without sizes.
            target: what ``plan`` was asked for.

        Raises:
            RefusedError: the database has moved since the plan was made.
            ConnectionFailedError: the database cannot be reached.
        """
        graph = await self._graph()
        async with self._target.session() as session:
            _, rows = await self._target.scope(session)
            planning.still_valid(plan, rows)
            imprint = await self._imprint(session)
        return await in_thread(lambda: planning.seal(plan, target, graph, imprint, preview.steps))

    async def _reviewed(self, plan: Plan, scratch: str | None) -> results.LintReport:
        if self._target.on_sqlite:
            return await self._foreseen(plan)
        try:
            return await self.review(plan, scratch=scratch)
        except HeadwayError as error:
            if scratch != EMBEDDED:
                raise
            # Nobody asked for it by name, and a plan that is not watched is better than none.
            return replace(await self.review(plan, scratch=None), unwatched=error.message)

    async def _foreseen(self, plan: Plan) -> results.LintReport:
        """What the steps' text tells, where there is nobody to watch."""
        from headway.alembic_bridge import foresee

        await sql_of(plan)
        project = await self._target.load()
        found = await in_thread(lambda: [(step, foresee(project, step)) for step in plan.steps])
        return results.LintReport(tuple(_unwatched(*each) for each in found), unwatched=_LOCKS_ALL)


def _unwatched(step: Step, seen: Foreseen) -> results.StepReview:
    statements = (
        results.StatementReview(position, sqltext.shown(sql), transactional=seen.transactional)
        for position, sql in enumerate(seen.statements, start=1)
    )
    return results.StepReview(
        step.revision,
        step.direction,
        step.description,
        step.path,
        seen.transactional,
        tuple(statements),
        seen.losses,
        unseen=seen.unseen,
    )
