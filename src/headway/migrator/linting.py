"""What each statement does to a live database, and what of it would hurt."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from headway import planning, results, sqlfiles
from headway.errors import (
    ConfigurationError,
    EmbeddedServerError,
    HeadwayError,
    RefusedError,
    ResolutionError,
)
from headway.migrator.core import sql_of
from headway.migrator.reviewing import Reviewing
from headway.project.lintsection import lint_sections
from headway.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from headway.events import Event
    from headway.lint import Policy, Subject
    from headway.planning import Step
    from headway.rehearsal import Rehearsed
    from headway.revisions import Graph

EMBEDDED = "embedded"
_NOT_ASKED = "no scratch database was asked for"


class Linting(Reviewing):
    """What each statement does to a live database, and what of it would hurt."""

    async def review(self, plan: planning.Plan, *, scratch: str | None = EMBEDDED) -> results.LintReport:
        """What each statement of a plan locks, rewrites and scans, and what lint says of it.

        What lies before the plan is run in a scratch database, then its steps are watched there. The
        configured database is not touched.

        Args:
            plan: from ``plan``; of either direction.
            scratch: ``"embedded"``, or the URL of a database on a server where one of our own is made
                meanwhile; ``None`` reads the statements' text alone.

        Returns:
            The report; without steps for an empty plan. ``unwatched`` says why nobody was watched: there are
            no binaries of an embedded server, too. Without the extra ``lint`` there are no findings.

        Raises:
            RefusedError: the project's database is not PostgreSQL.
            ConnectionFailedError: the server of the URL cannot be reached.
            DatabaseError: it lets nobody create a database.
            GraphError: an SQL revision holds what cannot be run.
        """
        graph = await self._graph()
        found, report = await self._rehearse(graph, plan, {*plan.steps}, scratch)
        return await in_thread(lambda: _report(found, report, self.policy(), strict=False))

    async def lint(  # each is one way to say which revisions, or how
        self,
        span: str | None = None,
        *,
        git_base: str | None = None,
        files: Sequence[Path | str] = (),
        scratch: str | None = EMBEDDED,
        policy: Policy | None = None,
    ) -> results.LintReport:
        """What of some revisions would hurt a live database, or the code that runs on it; upgrades.

        Args:
            span: ``TO`` (from base) or ``FROM:TO``; every revision when nothing says which.
            git_base: the revisions whose files are not in this commit, or differ from it.
            files: the revisions of these files.
            scratch: as ``review`` takes it.
            policy: how bad each rule is; as ``policy`` has it when ``None``.

        Returns:
            The report; without steps when there is nothing to examine.

        Raises:
            ConfigurationError: PostgreSQL's parser (extra ``lint``) is not installed, or git knows no such
                commit.
            ResolutionError: an end of the span, or a file, names no revision.
            HeadwayError: whatever ``review`` raises.
        """
        from headway.lint.parsing import require_parser

        policy = policy or self.policy()
        graph = await self._graph()
        plan, wanted = await self._selected(graph, span, git_base, files)
        if wanted:
            await in_thread(require_parser)  # before a server is started for nothing
        found, report = await self._rehearse(graph, plan, wanted, scratch)
        return await in_thread(lambda: _report(found, report, policy, strict=True))

    def policy(self) -> Policy:
        """How bad each rule of lint is in this project: ``[tool.headway.lint]``, ``[headway:lint]``.

        Raises:
            ConfigurationError: they name no such rule or severity.
        """
        from headway.lint import Policy, read_policy

        policy = Policy()
        for where, said in lint_sections(self.project):
            policy = read_policy(said, where=where, beneath=policy)
        return policy

    async def mend(self, report: results.LintReport) -> tuple[tuple[Path, str], ...]:
        """Rewrite what has a mechanical safe form, in the files that a report of ``lint`` speaks of.

        Revisions that the configured database has applied are left alone; where it cannot be asked, all are
        rewritten.

        Returns:
            Each file with what was done to it, in words; empty when nothing was.
        """
        from headway.lint.fixing import fix
        from headway.reviewer import reviewed

        graph = await self._graph()
        plan = planning.plan_upgrade(graph, (), "heads")
        project = await self._target.load()
        applied = await self._applied_already(graph)
        found = {it.revision: it for it in report.steps if it.findings and it.revision not in applied}
        wanted = {step for step in plan.steps if step.revision in found}
        done: list[tuple[Path, str]] = []

        def rewrite() -> None:
            for unjudged in reviewed(project, graph, plan.steps, wanted, {}):
                subject = replace(unjudged, step=found[unjudged.step.revision])
                mended = fix(subject, subject.step.findings)
                if mended.done:
                    subject.step.path.write_text(mended.source, encoding="utf-8", newline="")
                    done.extend((subject.step.path, line) for line in mended.done)

        await in_thread(rewrite)
        return tuple(done)

    async def _selected(
        self, graph: Graph, span: str | None, git_base: str | None, files: Sequence[Path | str]
    ) -> tuple[planning.Plan, set[Step]]:
        """The plan that leads to what is to be examined, and which of its steps that is."""
        if span is not None:
            plan = planning.plan_range(graph, span, results.Direction.UPGRADE)
            return plan, {*plan.steps}
        if git_base is None and not files:
            wanted = set(graph.revisions)
        elif git_base is not None:
            from headway.checkout import changed_since

            wanted = _of_files(graph, await in_thread(partial(changed_since, self.project.root, git_base)))
        else:
            wanted = await in_thread(lambda: _named(graph, files))
        plan = planning.plan_upgrade(graph, (), sorted(wanted)) if wanted else _empty()
        return plan, {step for step in plan.steps if step.revision in wanted}

    async def _rehearse(
        self, graph: Graph, plan: planning.Plan, wanted: Collection[Step], scratch: str | None
    ) -> tuple[list[Subject], results.LintReport]:
        """The steps to look at, reviewed and not judged; and a report without them."""
        if self._target.dialect != "postgresql":
            raise RefusedError(
                "a review asks what PostgreSQL does with each statement, and this project's database is "
                "SQLite, which locks the whole file for every change",
                hint="Where the revisions are for PostgreSQL too, name such a database in DATABASE_URL.",
            )
        before = planning.plan_upgrade(graph, (), plan.before) if plan.before else _empty()
        steps = (*before.steps, *plan.steps)
        if not plan.steps:
            return [], results.LintReport()
        await sql_of(planning.Plan(plan.direction, steps, (), plan.after))
        project = await self._target.load()
        seen, report = await self._watched(graph, steps, wanted, scratch)
        from headway.reviewer import reviewed

        return await in_thread(lambda: [*reviewed(project, graph, steps, wanted, seen)]), report

    async def _watched(
        self, graph: Graph, steps: Sequence[Step], wanted: Collection[Step], scratch: str | None
    ) -> tuple[Mapping[Step, Rehearsed], results.LintReport]:
        from headway.rehearsal import Rehearsal
        from headway.reviewer import way_back

        if scratch is None:
            return {}, results.LintReport(unwatched=_NOT_ASKED)
        tell = self._target.tell
        try:
            async with self._scratch(scratch) as settings:
                replayed = type(self)(
                    self.project,
                    settings=settings,
                    listeners=[partial(heard, tell)],
                    x_arguments=self._target.x_arguments,
                )
                rehearsal = Rehearsal(replayed._target, replayed._engine, partial(way_back, graph), tell)  # noqa: SLF001  # its own kind
                seen = await rehearsal.run(steps, wanted)
                return seen, results.LintReport(oracle=rehearsal.server)
        except EmbeddedServerError as error:
            if scratch != EMBEDDED:
                raise
            return {}, results.LintReport(unwatched=error.message)

    async def _applied_already(self, graph: Graph) -> Collection[str]:
        """What the configured database has applied; nothing where there is none, or no answer."""
        if self._target.unasked:
            return ()
        try:
            return graph.applied((await self._target.standing()).rows)
        except HeadwayError:
            return ()

    async def _engine(self, plan: planning.Plan) -> None:
        await self._run(plan, plan.direction, None)


def _empty() -> planning.Plan:
    return planning.Plan(results.Direction.UPGRADE, (), (), ())


def heard(tell: Callable[[Event], None], event: Event) -> None:
    """Of a replay it is told that it goes on, and not what became of a database that is gone behind it."""
    from headway.events import ServerStarting, StepBlocked, StepProgress, StepStarted

    if isinstance(event, ServerStarting | StepStarted | StepBlocked | StepProgress):
        tell(event)


def _report(
    found: Sequence[Subject], report: results.LintReport, policy: Policy, *, strict: bool
) -> results.LintReport:
    """The report with its steps; where nobody can read SQL without findings, or not at all, if ``strict``."""
    from headway.reviewer import judged

    try:
        steps = tuple(judged(subject, policy) for subject in found)
        return replace(report, steps=steps, fail_on=policy.fail_on)
    except ConfigurationError:
        if strict:
            raise
        return replace(report, steps=tuple(subject.step for subject in found))


def _named(graph: Graph, files: Sequence[Path | str]) -> set[str]:
    wanted = set()
    for file in files:
        found = _of_files(graph, {Path(file).resolve()})
        if not found:
            raise ResolutionError(str(file), f"{file} is the file of no revision of this project.")
        wanted |= found
    return wanted


def _of_files(graph: Graph, files: Collection[Path]) -> set[str]:
    """The revisions whose file, or the file that undoes them, is among these."""
    found = set()
    for id_, revision in graph.revisions.items():
        own = [revision.path]
        if revision.path.suffix == ".sql":
            own.append(sqlfiles.down_path(revision.path))
        if any(path.resolve() in files for path in own):
            found.add(id_)
    return found
