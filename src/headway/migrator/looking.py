"""What only looks at the database."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from headway import planning, results
from headway.migrator.core import Core
from headway.threads import aside
from headway.verdict import Verdict, keep, view_of

if TYPE_CHECKING:
    from headway.target import Standing
    from headway.verdict import View


class Looking(Core):
    """What only looks at the database."""

    async def pending(self) -> results.PendingReport:
        """Whether the database is at head; the cheap probe.

        By a URL: one connection, three queries, no SQLAlchemy; only where revisions in SQL name no parent is
        the ledger asked too, on a connection of its own. On an engine: where neither files nor database have
        changed since the last call, one round trip on a connection of the engine's pool, if one is to spare.

        Returns:
            The report; ``pending`` is empty at head, and ``changed`` where all that is applied is what was
            applied. No lock is taken and nothing is written.

        Raises:
            ConnectionFailedError: the database cannot be reached.
            GraphError: the revision files do not form a graph, or one came too late to be run.
            ChangedRevisionsError: they do not, because an applied revision was deleted.
        """
        recollection = self._recollection
        if recollection is None:
            view = await aside(partial(view_of, self.project))
            report, standing = await self._pending()
            if view is not None:
                await aside(partial(self._keep, view, report, standing))
            return report
        if (known := await recollection.report()) is not None:
            return known
        sighting = await recollection.sight()
        report, standing = await self._pending()
        await recollection.keep(report, sighting, standing.glimpsed)
        return report

    async def _pending(self) -> tuple[results.PendingReport, Standing]:
        graph = await self._graph_on_record()
        standing = await self._target.standing()
        rows, dirty, record = standing.rows, standing.dirty, standing.record
        await self._require_none_late(graph, rows)
        strangers = planning.unknown(graph, rows)
        report = results.PendingReport(
            database=standing.database,
            state=planning.assess(graph, rows, dirty=dirty),
            current=rows,
            heads=graph.heads,
            pending=planning.pending(graph, rows),
            unknown=tuple(item.revision for item in strangers),
            dirty=dirty,
            serves=planning.serves(graph, rows, dirty),
            changed=await self._changed(graph, graph.applied(rows), record, all_known=not strangers),
            foreign=tuple(record[item.revision] for item in strangers if item.revision in record),
        )
        return report, standing

    def _keep(self, view: View, report: results.PendingReport, standing: Standing) -> None:
        """Keep the verdict for a process that asks no more; of what is not at head there is none."""
        table = self.project.version_table()
        if report.at_head and standing.sum is not None and table is not None:
            rows = tuple(sorted(report.current))
            keep(self.project, view, Verdict(report.heads, rows, standing.sum, table.name, table.schema))

    async def ensure_head(self) -> None:
        """Return when the database is at head.

        Raises:
            NotAtHeadError: revisions are missing; says which.
            UnknownRevisionsError: the database holds revisions unknown here.
            ChangedRevisionsError: applied revisions are not what was applied.
            DirtyError: a revision is half-way.
            ConnectionFailedError: the database cannot be reached.
        """
        planning.require_head(await self.pending())

    async def status(self) -> results.StatusReport:
        """Every revision with its mark, oldest first; applied ones that are unknown here come last.

        Raises:
            ConnectionFailedError: the database cannot be reached.
            GraphError: the revision files do not form a graph, or one came too late to be run.
            ChangedRevisionsError: they do not, because an applied revision was deleted.
        """
        graph = await self._graph_on_record()
        standing = await self._target.standing()
        rows, dirty = standing.rows, standing.dirty
        await self._require_none_late(graph, rows)
        described = planning.describe(graph, graph.revisions, rows, standing.applied_at)
        strangers = planning.unknown(graph, rows, standing.applied_at)
        changed = await self._changed(graph, graph.applied(rows), standing.record, all_known=not strangers)
        halfway = None
        if dirty:
            async with self._target.session() as session:
                halfway = await self._target.interrupted(session)
        return results.StatusReport(
            standing.database,
            planning.assess(graph, rows, standing.applied_at, dirty=dirty),
            rows,
            graph.heads,
            described + strangers,
            ledger=standing.ledger,
            dirty=planning.interruption(halfway) if halfway else None,
            changed=changed,
        )

    async def current(self) -> tuple[results.RevisionStatus, ...]:
        """The version table's rows; empty when no revision is applied."""
        report = await self.status()
        return tuple(item for item in report.revisions if item.is_current)

    async def heads(self) -> tuple[results.RevisionStatus, ...]:
        """The heads of the revision files; needs no database. ``mark`` is always ``PENDING`` here."""
        graph = await self._graph()
        return planning.describe(graph, graph.heads, ())

    async def history(self, span: str | None = None) -> tuple[results.RevisionStatus, ...]:
        """Revisions, newest first.

        Args:
            span: ``FROM:TO`` as ``alembic history -r`` takes it; all when ``None``. Only a span that says
                ``current`` asks the database; otherwise marks are all ``PENDING``.
        """
        graph = await self._graph()
        rows: tuple[str, ...] = ()
        if span is not None and "current" in span:
            rows = (await self._target.standing()).rows
        return planning.describe(graph, planning.history_range(graph, span, rows), rows)

    async def wait(self, target: str | None = "heads", *, timeout_s: float = 60.0) -> results.PendingReport:
        """Wait until the server answers and a revision is applied; somebody else does the migrating.

        A database that is ahead of this checkout and misses nothing of it will do: while a new version is
        rolled out, replicas of the old one start again.

        Args:
            target: the revision; ``None`` waits for the server alone.
            timeout_s: how long, in seconds; 0 looks once.

        Returns:
            Where the database then stands.

        Raises:
            NotAtHeadError: the revision was not applied until the deadline, or one was half-way.
            UnknownRevisionsError: the database holds unknown revisions while others are missing; at once.
            ConnectionFailedError: the server did not answer until then, or lets nobody in.
        """
        from headway.waiting import wait_for_revision

        wanted = frozenset() if target is None else frozenset(planning.resolve(await self._graph(), target))
        return await wait_for_revision(
            self.pending,
            target="the server" if target is None else target,
            reached=lambda report: target is None or _holds(report, wanted),
            timeout_s=timeout_s,
            emit=self._target.tell,
        )

    async def doctor(self) -> results.DoctorReport:
        """What decides whether this database can be migrated from here; only looks."""
        from headway.doctor import examined

        return await examined(self.project, self.settings, self._target, self._graph)

    async def log(
        self,
        *,
        revision: str | None = None,
        run_id: str | None = None,
        outcome: results.Outcome | None = None,
        operation: results.Operation | None = None,
        limit: int | None = None,
    ) -> tuple[results.LedgerEntry, ...]:
        """The ledger's entries, newest first; empty without a ledger.

        Args:
            revision: only this one's; its beginning will do.
            run_id: only this run's; its beginning will do.
            outcome: only these.
            operation: only these.
            limit: at most so many; all when ``None``.
        """
        async with self._target.session() as session:
            ledger = self._target.ledger()
            return await session.run(
                lambda connection: ledger.entries(
                    connection,
                    revision=revision,
                    run_id=run_id,
                    outcome=outcome,
                    operation=operation,
                    limit=limit,
                )
            )

    async def verify_log(self) -> tuple[str, ...]:
        """What is broken in the ledger's hash chain, a line each; empty when it is whole or there is none."""
        async with self._target.session() as session:
            return await session.run(self._target.ledger().verify)

    async def unrecorded(self) -> tuple[str, ...]:
        """Where ledger and version table disagree on what is applied, a line each.

        The hash chain cannot show that its newest entries were taken away; this can, where they told of a
        revision that came or went. SQL run by hand, and an Alembic that does not go through headway, look the
        same until the next run, which puts them on record as ``baseline``.

        Returns:
            Empty as a rule, and where there is no ledger. What rows say that this checkout does not hold
            cannot be compared.
        """
        graph = await self._graph()
        standing = await self._target.standing()
        if not standing.ledger:
            return ()
        async with self._target.session() as session:
            recorded = await session.run(self._target.ledger().on_record)
        applied = frozenset(graph.applied(standing.rows))
        missing = [f"{id_} is applied, and the ledger does not say so" for id_ in sorted(applied - recorded)]
        if applied.issuperset(standing.rows):
            gone = sorted(recorded - applied)
            missing += [f"{id_} is not applied, and the ledger says that it is" for id_ in gone]
        return tuple(missing)


def _holds(report: results.PendingReport, wanted: frozenset[str]) -> bool:
    """Whether the database holds the wanted revisions, none of ours is half-way, and it has not diverged."""
    settled = report.dirty is None or report.serves
    return settled and report.state is not results.State.DIVERGED and not wanted & {*report.pending}
