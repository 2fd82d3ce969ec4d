"""What changes the database."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from headway import planning, results
from headway.errors import ResolutionError, UnknownRevisionsError
from headway.migrator.core import Core, sql_of
from headway.narration.changes import changed_error
from headway.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from headway.alembic_bridge import RevisionCode, Scope
    from headway.doorway import Doorway
    from headway.planning import Imprint
    from headway.results import Backup, RunOptions
    from headway.revisions import Graph
    from headway.session import Session


class Running(Core):
    """What changes the database."""

    async def upgrade(
        self,
        target: str | planning.Plan | planning.SealedPlan = "head",
        *,
        options: RunOptions | None = None,
        agreed: planning.Plan | None = None,
        backup: Backup | None = None,
    ) -> results.RunReport:
        """Apply what is missing up to ``target``, one transaction a revision.

        Args:
            target: a revision identifier, as ``alembic upgrade`` takes it; or a plan from ``plan``, or one
                that ``seal`` has sealed, which is then run as it was made or not at all.
            options: how long to wait for what; the settings say it for what is ``None``.
            agreed: the most that may run; less will do, where another migrator came first. The engine asks
                nobody: to name what ``losses`` says of it, and get it agreed to, is the caller's.
            backup: runs under the lock, when there is something to do, and must succeed first; it goes on
                record with every step.

        Returns:
            The report; its ``steps`` are empty when the target was reached already, and then nothing was
            sent but the question, and no lock was taken.

        Raises:
            ResolutionError: the target names nothing, or several heads.
            PlanMovedError: something that the sealed plan was made from has moved; looked at before the lock
                is taken, and again when it is held.
            RefusedError: the database has moved since the plan was made, or more would run than was agreed
                to.
            UnknownRevisionsError: the database holds revisions unknown here.
            ChangedRevisionsError: revisions that are applied, and stay so, are not what was applied.
            BackupFailedError: the backup did not succeed, and no revision was run.
            StepFailedError: a revision failed; those before it stay, it and the rest are not applied.
            CapabilityError: this server cannot be migrated safely the way it is reached, or lacks an
                extension that a revision creates.
            LockBusyError: another migrator kept the lock until the deadline.
            DirtyError: another revision was interrupted, in either direction, or this one was changed after
                it was; also when there is nothing to do.
            OutcomeUnknownError: a COMMIT got no answer, and the server cannot say what became of it.
            TransactionOpenError: the caller's connection has begun a transaction.
        """
        return await self._run(target, results.Direction.UPGRADE, options, agreed, backup)

    async def downgrade(
        self,
        target: str | planning.Plan | planning.SealedPlan = "-1",
        *,
        options: RunOptions | None = None,
        agreed: planning.Plan | None = None,
        backup: Backup | None = None,
    ) -> results.RunReport:
        """Undo revisions down to ``target``, one transaction a revision. Asks nobody; see ``losses``.

        Returns and raises as ``upgrade`` does.
        """
        return await self._run(target, results.Direction.DOWNGRADE, options, agreed, backup)

    async def stamp(
        self, *targets: str, purge: bool = False, options: RunOptions | None = None
    ) -> results.RunReport:
        """Write revisions into the version table without running them.

        Args:
            *targets: identifiers as ``alembic stamp`` takes them; ``head`` when none is given.
            purge: empty the table first, whatever it holds: the way out when it holds unknown revisions.
            options: how long to wait for what; the settings say it for what is ``None``.

        Returns:
            The report; ``steps`` is always empty, ``before`` and ``after`` are the rows.
        """
        from headway.stamping import Stamp

        graph = await self._graph()
        async with self._target.session() as session:
            scope, _ = await self._target.scope(session)
            async with self._target.door(session, options, {}) as door:
                rows = await session.run(lambda _: scope.versions())
                after = planning.plan_stamp(graph, () if purge else rows, targets or ("head",))
                stamp = Stamp(door, scope, graph)
                return await stamp.execute(rows, after, purge=purge)

    async def repair(
        self,
        action: results.RepairAction | str,
        *revisions: str,
        reason: str,
        options: RunOptions | None = None,
    ) -> results.RepairReport:
        """Put right what ledger and version table say of applied revisions that were changed or are gone.

        No schema is touched. Every revision concerned gets an entry of operation ``repair``.

        Args:
            action: ``accept`` records edited and re-parented revisions as they are now; ``forget`` takes out
                those that no file holds, and a version row among them gives way to what the ledger says is
                applied of the revisions that are here.
            *revisions: which; all that need it when none is given.
            reason: why, in words; goes on record.
            options: how long to wait for what; the settings say it for what is ``None``.

        Returns:
            The report; its ``revisions`` are empty when there was nothing to repair.

        Raises:
            ConfigurationError: there is no such action, or the reason says nothing.
            RefusedError: the action is none for one of the revisions.
            DirtyError: a revision is half-way; `upgrade`, `downgrade` or `stamp` settles that first.
            LockBusyError: another migrator kept the lock until the deadline.
        """
        from headway.repair import Repair, wished

        wish = wished(action, reason)
        graph = await self._graph()
        async with self._target.session() as session:
            scope, _ = await self._target.scope(session)
            async with self._target.door(session, options, {}) as door:
                return await Repair(door, scope, graph).execute(wish, revisions, reason)

    async def _back_up(self, door: Doorway, backup: Backup, variables: Mapping[str, str]) -> None:
        """Under the lock, so that what is backed up is what the run begins with; no transaction is open."""
        from headway.backup import back_up

        redact = door.session.redact
        shown = await back_up(backup, variables, run_id=door.run_id, redact=redact, emit=door.emit)
        door.remarks["backup"] = shown

    async def _settled(
        self,
        session: Session,
        graph: Graph,
        rows: tuple[str, ...],
        target: str | planning.Plan | planning.SealedPlan,
        direction: results.Direction,
    ) -> planning.Plan:
        """The plan to run; a sealed one once nothing that it was made from has moved."""
        if isinstance(target, str | planning.Plan):
            return self._planned(graph, rows, target, direction)
        imprint = await self._imprint(session)
        return await in_thread(lambda: planning.still_sealed(target, graph, rows, imprint, direction))

    async def _imprint(self, session: Session) -> Imprint:
        from headway.imprint import take_imprint

        handed = self._target.alembic.options
        ours = {handed.version_table.name, handed.ledger.history, handed.ledger.view}
        return await session.run(lambda connection: take_imprint(connection, session.database, ours))

    async def _require_unchanged(self, session: Session, graph: Graph, plan: planning.Plan) -> None:
        """What is applied and stays so must be what was applied; what is undone goes anyway."""
        staying = graph.applied(plan.before).keys() & graph.applied(
            plan.before if plan.direction is results.Direction.UPGRADE else plan.after
        )
        await self._require_as_applied(session, graph, staying)

    async def _require_as_applied(self, session: Session, graph: Graph, staying: Collection[str]) -> None:
        changed = await self._changed(graph, staying, await self._target.record(session))
        if changed:
            raise changed_error(session.database, changed)

    async def _run(
        self,
        target: str | planning.Plan | planning.SealedPlan,
        direction: results.Direction,
        options: RunOptions | None,
        agreed: planning.Plan | None = None,
        backup: Backup | None = None,
    ) -> results.RunReport:
        graph = await self._graph_on_record()
        async with self._target.session() as session:
            from headway.latecomers import require_none_late
            from headway.runner import nothing_to_do

            scope, rows = await self._target.scope(session)
            await require_none_late(session, self._target.ledger(), graph, rows)
            try:
                plan = await self._settled(session, graph, rows, target, direction)
            except UnknownRevisionsError as error:
                raise await self._target.dated(session, error) from None
            except ResolutionError:
                if direction is results.Direction.UPGRADE:
                    # An applied revision that was re-parented makes a head of what it came after.
                    await self._require_as_applied(session, graph, graph.applied(rows).keys())
                raise
            await self._require_unchanged(session, graph, plan)
            if not plan.steps and await self._target.interrupted(session) is None:
                return replace(
                    nothing_to_do(direction.value, session.database, rows, self._target.tell),
                    at_head=graph.at_head(rows),
                )
            in_sql = await sql_of(plan)
            variables = await self._target.backup_variables() if backup is not None else {}
            async with self._target.door(session, options, plan.applies) as door:
                # Another migrator may have been at work until the lock was ours.
                now = await session.run(lambda _: scope.versions())
                plan = await self._settled(session, graph, now, target, direction)
                if now != rows:
                    await self._require_unchanged(session, graph, plan)
                if agreed is not None:
                    planning.require_agreed(plan, agreed)
                if not isinstance(target, str | planning.Plan):
                    door.remarks["plan"] = target.checksum
                if backup is not None and plan.steps:
                    await self._back_up(door, backup, variables)
                return await self._execute(door, scope, graph, plan, in_sql)

    async def _execute(
        self,
        door: Doorway,
        scope: Scope,
        graph: Graph,
        plan: planning.Plan,
        in_sql: Mapping[tuple[Path, results.Direction], RevisionCode],
    ) -> results.RunReport:
        from headway.runs import run_behind
        from headway.work import Work

        await door.session.run(lambda _: scope.create_version_table())
        await door.adopt(graph.applied(plan.before), graph.fingerprints)
        works = [
            Work(
                revision=step.revision,
                operation=step.direction.value,
                direction=step.direction,
                description=step.description,
                path=step.path,
                code=partial(_code_of, step, in_sql),
                checksum=partial(graph.fingerprint, step.revision),
                write=partial(scope.write_step, step),
                moves=partial(scope.moves, step.before, step.after),
            )
            for step in plan.steps
        ]
        run = run_behind(door, plan.direction.value, scope)
        report = await run.execute(works, before=plan.before, after=plan.after)
        await in_thread(graph.keep_fingerprints)
        return replace(report, at_head=graph.at_head(plan.after))


def _code_of(
    step: planning.Step, in_sql: Mapping[tuple[Path, results.Direction], RevisionCode]
) -> RevisionCode:
    from headway.alembic_bridge import load_code

    # Not yet read is what another migrator undid until the lock was ours.
    return in_sql.get((step.path, step.direction)) or load_code(step.path, step.direction)
