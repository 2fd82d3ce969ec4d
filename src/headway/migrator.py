"""The façade: everything headway can do to one database, on the caller's event loop."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from headway.errors import GraphError, UnknownRevisionsError
from headway.lockfile import held
from headway.narration.changes import changed_error
from headway.planning import (
    Plan,
    Step,
    assess,
    changes,
    deleted,
    describe,
    history_range,
    interruption,
    pending,
    plan_downgrade,
    plan_range,
    plan_stamp,
    plan_upgrade,
    require_head,
    resolve,
    serves,
    still_valid,
    unknown,
)
from headway.project import Project, load_project
from headway.results import (
    CheckReport,
    Direction,
    DoctorReport,
    LedgerEntry,
    LockReport,
    Loss,
    Operation,
    Outcome,
    PendingReport,
    Rename,
    RepairAction,
    RepairReport,
    RevisionReport,
    RevisionStatus,
    RunReport,
    StartupMode,
    State,
    StatusReport,
)
from headway.revisions import Graph, read_graph
from headway.settings import Environment, Settings, load_settings
from headway.startup import TIMEOUT_S, Startup, started, wish
from headway.target import Target
from headway.threads import in_thread
from headway.waiting import wait_for_revision

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from sqlalchemy.engine import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from headway.alembic_bridge import RevisionCode, Scope
    from headway.doorway import Doorway
    from headway.events import Listener
    from headway.results import Application, RevisionChange, RunOptions
    from headway.session import Session

_T = TypeVar("_T")


class Migrator:
    """One project on one database.

    Every method returns data and prints nothing; none blocks the event loop while the database works;
    each may be cancelled at any await, which rolls back the revision that was running. Methods that
    change the database take the migrator lock; those that only look take none.

    Args:
        project: the project, its alembic.ini, pyproject.toml or folder; ``None`` searches from the working
            directory upwards.
        url: the database; before every other setting.
        environment: ``development``, ``staging`` or ``production``; before ``APP_ENVIRONMENT``.
        settings: ready-made settings, in place of ``url`` and ``environment``.
        connection: the caller's own engine or connection, in place of any URL. Runs take a new connection
            that the engine's pool does not keep; a connection is used as it is and must have no transaction
            open.
        listeners: called with each event of a run.
        x_arguments: ``key=value`` strings for ``context.get_x_argument()``, as ``alembic -x`` gives them.

    Raises:
        ConfigurationError: the project cannot be found or read, or a setting is wrong.
    """

    def __init__(  # each names one thing a caller may bring
        self,
        project: Project | Path | str | None = None,
        *,
        url: str | None = None,
        environment: str | None = None,
        settings: Settings | None = None,
        connection: AsyncEngine | AsyncConnection | None = None,
        listeners: Sequence[Listener] = (),
        x_arguments: Sequence[str] = (),
    ) -> None:
        self.project = project if isinstance(project, Project) else load_project(project)
        self.settings = settings or load_settings(self.project, url=url, environment=environment)
        self._listeners = [*listeners]
        self._target = Target(
            self.project,
            self.settings,
            connection=connection,
            listeners=self._listeners,
            x_arguments=x_arguments,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the embedded server, if this Migrator started or joined one; idempotent."""
        self._target.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the settings could not honour, in words; empty as a rule, or with the caller's connection."""
        return self._target.notes

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """Those that are called with each event."""
        return tuple(self._listeners)

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` with each event from now on, after those that listen already."""
        self._listeners.append(listener)

    async def database(self) -> str:
        """What the database is called, its password masked; connects to nothing.

        Where the embedded server is meant, it is started, as for every other question.

        Raises:
            ConfigurationError: no database is configured, and the environment is not development.
        """
        return await self._target.name()

    # -- looking ---------------------------------------------------------------------------------------

    async def pending(self) -> PendingReport:
        """Whether the database is at head; the cheap probe: one connection, three queries, no SQLAlchemy.

        Only where revisions in SQL name no parent is the ledger asked too, on a connection of its own.

        Returns:
            The report; ``pending`` is empty at head, and ``changed`` where all that is applied is what was
            applied. No lock is taken and nothing is written.

        Raises:
            ConnectionFailedError: the database cannot be reached.
            GraphError: the revision files do not form a graph, or one came too late to be run.
            ChangedRevisionsError: they do not, because an applied revision was deleted.
        """
        graph = await self._graph_on_record()
        database, rows, dirty, record = await self._target.versions()
        await self._require_none_late(graph, rows)
        strangers = unknown(graph, rows)
        return PendingReport(
            database=database,
            state=assess(graph, rows, dirty=dirty),
            current=rows,
            heads=graph.heads,
            pending=pending(graph, rows),
            unknown=tuple(item.revision for item in strangers),
            dirty=dirty,
            serves=serves(graph, rows, dirty),
            changed=await self._changed(graph, graph.applied(rows), record, all_known=not strangers),
            foreign=tuple(record[item.revision] for item in strangers if item.revision in record),
        )

    async def ensure_head(self) -> None:
        """Return when the database is at head.

        Raises:
            NotAtHeadError: revisions are missing; says which.
            UnknownRevisionsError: the database holds revisions unknown here.
            ChangedRevisionsError: applied revisions are not what was applied.
            DirtyError: a revision is half-way.
            ConnectionFailedError: the database cannot be reached.
        """
        require_head(await self.pending())

    async def status(self) -> StatusReport:
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
        described = describe(graph, graph.revisions, rows, standing.applied_at)
        strangers = unknown(graph, rows, standing.applied_at)
        changed = await self._changed(graph, graph.applied(rows), standing.record, all_known=not strangers)
        return StatusReport(
            standing.database,
            assess(graph, rows, standing.applied_at, dirty=dirty),
            rows,
            graph.heads,
            described + strangers,
            ledger=standing.ledger,
            dirty=interruption(dirty) if dirty else None,
            changed=changed,
        )

    async def current(self) -> tuple[RevisionStatus, ...]:
        """The version table's rows; empty when no revision is applied."""
        report = await self.status()
        return tuple(item for item in report.revisions if item.is_current)

    async def heads(self) -> tuple[RevisionStatus, ...]:
        """The heads of the revision files; needs no database. ``mark`` is always ``PENDING`` here."""
        graph = await self._graph()
        return describe(graph, graph.heads, ())

    async def history(self, span: str | None = None) -> tuple[RevisionStatus, ...]:
        """Revisions, newest first.

        Args:
            span: ``FROM:TO`` as ``alembic history -r`` takes it; all when ``None``. Only a span that says
                ``current`` asks the database; otherwise marks are all ``PENDING``.
        """
        graph = await self._graph()
        rows: tuple[str, ...] = ()
        if span is not None and "current" in span:
            _, rows, *_ = await self._target.versions()
        return describe(graph, history_range(graph, span, rows), rows)

    async def plan(self, target: str | None = None, *, direction: Direction = Direction.UPGRADE) -> Plan:
        """The steps that ``upgrade`` or ``downgrade`` would run; no steps when there is nothing to do.

        Args:
            target: a revision identifier; ``head`` for an upgrade and ``-1`` for a downgrade when ``None``.
            direction: which of the two.

        Raises:
            ResolutionError: the target names nothing, or several things.
            UnknownRevisionsError: the database holds revisions unknown here.
        """
        graph = await self._graph()
        _, rows, *_ = await self._target.versions()
        await self._require_none_late(graph, rows)
        return self._planned(graph, rows, target, direction)

    async def losses(self, plan: Plan) -> tuple[Loss, ...]:
        """The data a plan destroys, with the server's estimates of how much; empty when none.

        Nothing is changed: the revisions run without a connection, and the database is only asked for sizes.
        """
        from headway.alembic_bridge import losses_of
        from headway.losses import measure

        await _sql_of(plan)
        project = await self._target.load()
        found = await in_thread(lambda: [loss for step in plan.steps for loss in losses_of(project, step)])
        if not found:
            return ()
        async with self._target.session() as session:
            return await session.run(lambda connection: measure(connection, found))

    async def wait(self, target: str | None = "heads", *, timeout_s: float = 60.0) -> PendingReport:
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
        wanted = frozenset() if target is None else frozenset(resolve(await self._graph(), target))
        return await wait_for_revision(
            self.pending,
            target="the server" if target is None else target,
            reached=lambda report: target is None or _holds(report, wanted),
            timeout_s=timeout_s,
            emit=self._target.tell,
        )

    async def doctor(self) -> DoctorReport:
        """What decides whether this database can be migrated from here; only looks."""
        from headway.doctor import examined

        return await examined(self.project, self.settings, self._target, self._graph)

    async def log(
        self,
        *,
        revision: str | None = None,
        run_id: str | None = None,
        outcome: Outcome | None = None,
        operation: Operation | None = None,
        limit: int | None = None,
    ) -> tuple[LedgerEntry, ...]:
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

    async def check(self, *, scratch: str | None = None) -> CheckReport:
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
            return CheckReport(session.database, found)

    async def _check_in_scratch(self, where: str) -> CheckReport:
        from headway.scratch import scratch_database

        async with scratch_database(self.settings, self.project.root, where, self._target.tell) as settings:
            replayed = Migrator(
                self.project,
                settings=settings,
                listeners=self._listeners,
                x_arguments=self._target.x_arguments,
            )
            await replayed.upgrade("heads")
            return await replayed.check()

    async def sql(self, span: str = "head", *, direction: Direction = Direction.UPGRADE) -> str:
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

        plan = plan_range(await self._graph(), span, direction)
        await _sql_of(plan)
        project = await self._target.load()
        return await in_thread(lambda: render_sql(project, plan, dialect=self._target.dialect))

    # -- changing --------------------------------------------------------------------------------------

    async def upgrade(self, target: str | Plan = "head", *, options: RunOptions | None = None) -> RunReport:
        """Apply what is missing up to ``target``, one transaction a revision.

        Args:
            target: a revision identifier, as ``alembic upgrade`` takes it; or a plan from ``plan``, which
                is then run as it was made or not at all.
            options: how long to wait for what; the settings say it for what is ``None``.

        Returns:
            The report; its ``steps`` are empty when the target was reached already, and then nothing was
            sent but the question, and no lock was taken.

        Raises:
            ResolutionError: the target names nothing, or several heads.
            RefusedError: the database has moved since the plan was made.
            UnknownRevisionsError: the database holds revisions unknown here.
            ChangedRevisionsError: revisions that are applied, and stay so, are not what was applied.
            StepFailedError: a revision failed; those before it stay, it and the rest are not applied.
            CapabilityError: this server cannot be migrated safely the way it is reached, or lacks an
                extension that a revision creates.
            LockBusyError: another migrator kept the lock until the deadline.
            DirtyError: another revision was interrupted, in either direction, or this one was changed after
                it was; also when there is nothing to do.
            OutcomeUnknownError: a COMMIT got no answer, and the server cannot say what became of it.
            TransactionOpenError: the caller's connection has begun a transaction.
        """
        return await self._run(target, Direction.UPGRADE, options)

    async def downgrade(self, target: str | Plan = "-1", *, options: RunOptions | None = None) -> RunReport:
        """Undo revisions down to ``target``, one transaction a revision. Asks nobody; see ``losses``.

        Returns and raises as ``upgrade`` does.
        """
        return await self._run(target, Direction.DOWNGRADE, options)

    async def stamp(self, *targets: str, purge: bool = False, options: RunOptions | None = None) -> RunReport:
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
                after = plan_stamp(graph, () if purge else rows, targets or ("head",))
                stamp = Stamp(door, scope, graph)
                return await stamp.execute(rows, after, purge=purge)

    async def repair(
        self,
        action: RepairAction | str,
        *revisions: str,
        reason: str,
        options: RunOptions | None = None,
    ) -> RepairReport:
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

    async def revision(  # noqa: PLR0913  # the options of `alembic revision`
        self,
        message: str | None,
        *,
        autogenerate: bool = True,
        allow_empty: bool = False,
        head: str = "head",
        splice: bool = False,
        branch_label: str | None = None,
        version_path: str | None = None,
        rev_id: str | None = None,
        depends_on: str | Sequence[str] | None = None,
        sql: bool = False,
        renames: Sequence[Rename] | None = None,
    ) -> RevisionReport:
        """Write a new revision: one file, or up to three where parts of it must not run in a transaction.

        Args:
            message: what it does; becomes its docstring and part of its file name.
            autogenerate: compare the models with the database, which must be at head; otherwise the file
                is empty and no database is needed.
            allow_empty: write a file although models and migrations agree.
            head: the revision to follow; needed when there are several heads.
            splice: allow ``head`` to be a revision that has a successor, which makes a new branch.
            branch_label: a name for the branch that begins here.
            version_path: which of several version locations the file goes to.
            rev_id: the identifier, in place of a random one.
            depends_on: revisions that must be applied before, without being parents.
            sql: write a pair of SQL files to fill, whatever ``autogenerate`` says; a project of SQL revisions
                alone always gets these.
            renames: columns to rename, which the comparison alone would drop and add. ``None`` says that
                nobody decided: a comment in the file, and the report, name what may be one.

        Returns:
            The report; without paths when there was nothing to write.

        Raises:
            NotAtHeadError: autogenerate on a database that is not at head; and what else ``ensure_head``
                raises.
            ResolutionError: there are several heads and ``head`` does not say which to follow.
        """
        from headway.alembic_bridge import Draft, write_autogenerated, write_pair, write_revision

        resolve(await self._graph(), head)
        draft = Draft(message, head, splice, branch_label, version_path, rev_id, depends_on)
        if sql or self.project.plain_sql:
            return await self._written(write_pair(self.project, draft))
        if not autogenerate:
            return await self._written(write_revision(self._target.alembic, draft))
        report = await self._comparing(
            partial(
                write_autogenerated,
                draft=draft,
                allow_empty=allow_empty,
                renames=None if renames is None else tuple(renames),
            )
        )
        return await self._written(report)

    async def probable_renames(self) -> tuple[Rename, ...]:
        """The renames of columns that the models' changes may mean, to tell ``revision``; writes nothing.

        Returns:
            A rename for each column that is gone while one of its type, and no other, has come to its table;
            empty as a rule.

        Raises:
            NotAtHeadError: the database is not at head; and what else ``ensure_head`` raises.
        """
        from headway.alembic_bridge import probable_renames

        return await self._comparing(probable_renames)

    async def merge(
        self,
        revisions: Sequence[str] = ("heads",),
        *,
        message: str | None = None,
        branch_label: str | None = None,
        rev_id: str | None = None,
    ) -> RevisionReport:
        """Write the revision that joins several heads; needs no database.

        Raises:
            ResolutionError: fewer than two revisions are meant, or one of them is unknown.
        """
        from headway.alembic_bridge import write_merge

        await self._graph()
        report = write_merge(
            self._target.alembic, revisions, message=message, branch_label=branch_label, rev_id=rev_id
        )
        return await self._written(report)

    async def lock(self) -> LockReport:
        """Write ``versions.lock`` beside the folder of revisions, or bring it up to date; needs no database.

        From then on `revision`, `merge` and `rebase` keep it so, and an applied revision that it holds and
        no file does counts as deleted.

        Returns:
            The report; ``problems`` is what was out of date, empty too when there was no such file.

        Raises:
            HeadwayError: it cannot be written.
        """
        from headway.upkeep import write_lock

        graph = await self._graph()
        return await in_thread(partial(write_lock, self.project, graph))

    async def check_lock(self) -> LockReport:
        """Compare ``versions.lock`` with the revision files, contents included; writes nothing.

        Returns:
            The report; ``problems`` is empty when they agree, and where there is no such file.

        Raises:
            GraphError: the file is not as headway wrote it.
        """
        from headway.upkeep import compare_lock

        graph = await self._graph()
        return await in_thread(partial(compare_lock, self.project, graph))

    async def rebase(
        self, revision: str | None = None, *, onto: str | None = None, ask_database: bool = True
    ) -> RevisionReport:
        """Move revisions that are not applied on top of another head, by rewriting one ``down_revision``.

        Args:
            revision: the head to move; of two heads, when ``None``, the one that is not applied.
            onto: the head to follow; the only other one when ``None``.
            ask_database: whether the database is asked what is applied. Only this one can be; another one
                that has applied it notices the change when it is next looked at.

        Returns:
            The revision whose file was rewritten; without paths when there is one head.

        Raises:
            RefusedError: a revision that would move is applied.
            ResolutionError: it cannot be told which head to move, or where to.
            ConnectionFailedError: the database cannot be asked.
        """
        from headway.upkeep import move

        graph = await self._graph()
        applied: set[str] = set()
        if ask_database:
            _, rows, _, record = await self._target.versions()
            applied = {*graph.applied(rows), *record}
        return await in_thread(partial(move, self.project, graph, revision, onto, applied))

    async def _written(self, report: RevisionReport) -> RevisionReport:
        """What was written, once ``versions.lock`` knows of it, where there is one."""
        from headway.upkeep import keep_lock

        if report.paths:
            graph = await self._graph()
            await in_thread(partial(keep_lock, self.project, graph))
        return report

    # -- starting an application -----------------------------------------------------------------------

    @asynccontextmanager
    async def startup(
        self,
        mode: StartupMode | str = StartupMode.AUTO,
        *,
        timeout_s: float = TIMEOUT_S,
        strict: bool = False,
        background: bool = False,
        options: RunOptions | None = None,
    ) -> AsyncIterator[Startup]:
        """Around the life of an application: see that its database is what it needs, then let it run.

        ``headway.asgi.lifespan`` does this for web frameworks. SIGINT or SIGTERM meanwhile ends it: what was
        under way is rolled back, and whatever else the process does at a signal happens as well. The event
        loop is free while PostgreSQL works, but not while a revision computes in Python. At the end the
        migrator is closed; it may be used again.

        Args:
            mode: ``off``, ``check``, ``wait``, ``upgrade``; ``auto`` is ``upgrade`` in development and
                ``check`` elsewhere.
            timeout_s: how long the server is waited for, in seconds, and in mode ``wait`` the revisions. How
                long ``upgrade`` waits for another migrator is in ``options``.
            strict: refuse a database that is ahead, too; else it is let in with a warning, for that is what
                an old replica meets when it restarts in the midst of a rollout.
            background: enter the block at once. Nothing is raised then: ``Startup.error`` says what was
                wrong, and ``Startup.wait`` raises it. What is still under way at the end is cancelled and
                rolled back.
            options: for mode ``upgrade``; headway's defaults when ``None``.

        Yields:
            The start-up: over, unless in the background.

        Raises:
            ConfigurationError: there is no such mode, or ``timeout_s`` is no number of seconds.
            NotAtHeadError: revisions are missing, and in mode ``wait`` still were at the deadline.
            UnknownRevisionsError: revisions are missing while there are others, unknown here; or any are, if
                ``strict``.
            DirtyError: a revision is half-way.
            ConnectionFailedError: the server did not answer until the deadline, or lets nobody in.
            StartupInterruptedError: a signal came.
            HeadwayError: in mode ``upgrade`` whatever that method raises.
        """
        wanted = wish(
            mode,
            in_development=self.settings.environment is Environment.DEVELOPMENT,
            timeout_s=timeout_s,
            strict=strict,
            options=options,
        )
        try:
            async with started(Startup(wanted, self, self._target.tell), background=background) as startup:
                yield startup
        finally:
            await self.aclose()

    # -- inside ----------------------------------------------------------------------------------------

    async def _graph(self) -> Graph:
        # Thousands of files may have to be read; the caller's loop goes on meanwhile.
        return await in_thread(
            partial(
                read_graph,
                self.project.version_locations,
                recursive=self.project.recursive,
                sourceless=self.project.sourceless,
            )
        )

    async def _graph_on_record(self) -> Graph:
        """The graph; where it lacks revisions, the ledger is asked whether they are applied."""
        try:
            return await self._graph()
        except GraphError as error:
            if not error.missing:
                raise
            raise await self._target.bereft(error) from None

    async def _require_none_late(self, graph: Graph, rows: tuple[str, ...]) -> None:
        if not any(graph.revisions[id_].by_timestamp for id_ in graph.applied(rows)):
            return
        from headway.latecomers import require_none_late

        async with self._target.session() as session:
            await require_none_late(session, self._target.ledger(), graph, rows)

    async def _changed(
        self,
        graph: Graph,
        applied: Collection[str],
        record: Mapping[str, Application],
        *,
        all_known: bool = True,
    ) -> tuple[RevisionChange, ...]:
        def compare() -> tuple[RevisionChange, ...]:
            found = changes(graph.revisions, applied, record, all_known=all_known)
            known = {change.revision for change in found}
            # What this checkout has once held is no other checkout's.
            lost = [id_ for id_ in held(self.project) if id_ not in graph and id_ not in known]
            return (*found, *deleted(lost, record))

        # In a thread, for files that were reformatted are parsed.
        return await in_thread(compare)

    async def _require_unchanged(self, session: Session, graph: Graph, plan: Plan) -> None:
        """What is applied and stays so must be what was applied; what is undone goes anyway."""
        record = await self._target.record(session)
        staying = graph.applied(plan.before).keys() & graph.applied(
            plan.before if plan.direction is Direction.UPGRADE else plan.after
        )
        changed = await self._changed(graph, staying, record)
        if changed:
            raise changed_error(session.database, changed)

    async def _run(self, target: str | Plan, direction: Direction, options: RunOptions | None) -> RunReport:
        graph = await self._graph_on_record()
        async with self._target.session() as session:
            from headway.latecomers import require_none_late
            from headway.runner import nothing_to_do

            scope, rows = await self._target.scope(session)
            await require_none_late(session, self._target.ledger(), graph, rows)
            try:
                plan = self._planned(graph, rows, target, direction)
            except UnknownRevisionsError as error:
                raise await self._target.dated(session, error) from None
            await self._require_unchanged(session, graph, plan)
            if not plan.steps and await self._target.interrupted(session) is None:
                return nothing_to_do(direction.value, session.database, rows, self._target.tell)
            in_sql = await _sql_of(plan)
            async with self._target.door(session, options, plan.applies) as door:
                # Another migrator may have been at work until the lock was ours.
                now = await session.run(lambda _: scope.versions())
                plan = self._planned(graph, now, target, direction)
                if now != rows:
                    await self._require_unchanged(session, graph, plan)
                return await self._execute(door, scope, graph, plan, in_sql)

    async def _comparing(self, work: Callable[..., _T]) -> _T:
        """Work with the models and a database that is at head."""
        await self.ensure_head()
        async with self._target.session() as session:

            def compare(connection: Connection) -> _T:
                environment = self._target.alembic.on(connection)
                versions = tuple(sorted(environment.get_context().get_current_heads()))
                connection.rollback()
                return work(self._target.alembic, environment, versions=versions)

            return await session.run(compare)

    async def _execute(
        self,
        door: Doorway,
        scope: Scope,
        graph: Graph,
        plan: Plan,
        in_sql: Mapping[tuple[Path, Direction], RevisionCode],
    ) -> RunReport:
        from headway.runner import Work
        from headway.runs import run_behind

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
            )
            for step in plan.steps
        ]
        run = run_behind(door, plan.direction.value, scope)
        return await run.execute(works, before=plan.before, after=plan.after)

    def _planned(
        self, graph: Graph, rows: tuple[str, ...], target: str | Plan | None, direction: Direction
    ) -> Plan:
        if isinstance(target, Plan):
            return still_valid(target, rows)
        if direction is Direction.UPGRADE:
            return plan_upgrade(graph, rows, "head" if target is None else target)
        return plan_downgrade(graph, rows, "-1" if target is None else target)


async def _sql_of(plan: Plan) -> dict[tuple[Path, Direction], RevisionCode]:
    """The plan's revisions in SQL, read in a thread: all their statements, before any is run."""
    from headway.alembic_bridge import load_all_sql

    return await in_thread(lambda: load_all_sql((step.path, step.direction) for step in plan.steps))


def _code_of(step: Step, in_sql: Mapping[tuple[Path, Direction], RevisionCode]) -> RevisionCode:
    from headway.alembic_bridge import load_code

    # Not yet read is what another migrator undid until the lock was ours.
    return in_sql.get((step.path, step.direction)) or load_code(step.path, step.direction)


def _holds(report: PendingReport, wanted: frozenset[str]) -> bool:
    """Whether the database holds the wanted revisions, none of ours is half-way, and it has not diverged."""
    settled = report.dirty is None or report.serves
    return settled and report.state is not State.DIVERGED and not wanted & {*report.pending}
