"""Run one revision on one connection: its transaction, its operations, its version write.

Everything here is synchronous and runs inside ``run_sync``.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from alembic.operations import Operations
from alembic.runtime.migration import (
    HeadMaintainer,
    MigrationContext,
    MigrationInfo,
    RevisionStep,
    StampStep,
)
from alembic.script import Script
from alembic.util import CommandError, to_tuple
from sqlalchemy import Table, delete, text
from sqlalchemy.exc import DBAPIError

from headway.alembic_bridge.recording import Recorded, Recording, remembered
from headway.alembic_bridge.revision_code import code_of, load_code
from headway.alembic_bridge.routing import environment_of, operations_of
from headway.alembic_bridge.scripts import sent_one_by_one
from headway.alembic_bridge.sql_scripts import sql_graph
from headway.alembic_bridge.version_rows import move, move_in_sql, moves
from headway.errors import HeadwayError, VersionConflictError
from headway.integrity import digest, fingerprint
from headway.placement import version_schema
from headway.results import Direction
from headway.revisions import Revision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from alembic.runtime.environment import EnvironmentContext
    from sqlalchemy.engine import Connection

    from headway.alembic_bridge.code import RevisionCode
    from headway.planning import Step
    from headway.revisions import Graph

# What listeners on a connection may hear of a statement, and of its transaction.
_HEARD = (
    *("before_execute", "after_execute", "before_cursor_execute", "after_cursor_execute"),
    *("begin", "commit", "rollback"),
)
_SCHEMA = text(f"SELECT {version_schema()}")


class WholeGuard(Protocol):
    """What must hold around a revision's own code where it cannot leave its transaction; called inside it."""

    def begin(self, connection: Connection) -> None:
        """The transaction has just begun."""
        ...

    def verify(self, connection: Connection) -> None:
        """The revision's code is done and its version is about to be written."""
        ...

    def close(self, connection: Connection) -> None:
        """The version is written and COMMIT comes next."""
        ...


class Guard(WholeGuard, Protocol):
    """What must hold where it can; called inside the transaction unless said otherwise.

    ``begin`` is called again when the transaction has begun anew, after an ``autocommit_block``.
    """

    def leave_transaction(self) -> None:
        """An ``autocommit_block`` is about to commit what the revision did so far."""
        ...

    def autocommitting(self, connection: Connection) -> AbstractContextManager[None]:
        """Around the statements of an ``autocommit_block``, which are committed one by one."""
        ...


class Scope:
    """One migration context on one connection; lives as long as a run.

    The connection must have no transaction open: Alembic would take an open one for the caller's own
    and never commit (design.md, fact 2).
    """

    def __init__(self, environment: EnvironmentContext) -> None:
        self._environment = environment
        self.context: MigrationContext = environment.get_context()
        self._operations = Operations(self.context)
        self._table: Table = self.context.impl.version_table_impl(
            version_table=self.context.version_table,
            version_table_schema=self._schema(),
            version_table_pk=self.context.opts.get("version_table_pk", True),
        )
        # Alembic's own reading, and the HeadMaintainer of its commands, must mean the same table.
        self.context._version = self._table  # noqa: SLF001  # Alembic offers no other way to it
        self._recording = Recording(environment, self.context)

    def _schema(self) -> str | None:
        """The version table's schema, looked up once: a revision may set ``search_path`` for itself.

        ``None`` when the search path leads to none; creating the table then fails in PostgreSQL's words.
        """
        table, schema = self.context.version_table, self.context.version_table_schema
        if self.connection.dialect.name != "postgresql":
            return schema  # no other has a search path
        with self.connection.begin():
            found = self.connection.scalar(_SCHEMA, {"schema": schema, "table": table})
        return str(found) if found is not None else None

    @property
    def connection(self) -> Connection:
        """The connection under the migration context."""
        connection = self.context.connection
        if connection is None:
            raise HeadwayError("this migration context has no connection")
        return connection

    @contextmanager
    def routed(self) -> Iterator[None]:
        """``alembic.op`` and ``alembic.context`` mean this scope within the block."""
        with (
            environment_of(self._environment),
            operations_of(self._operations),
            sent_one_by_one(self.connection),
        ):
            yield

    def versions(self) -> tuple[str, ...]:
        """The version table's rows, sorted; empty when there is no such table."""
        with self.connection.begin():
            return tuple(sorted(self.context.get_current_heads()))

    def create_version_table(self) -> None:
        """Create the version table unless it exists, in a transaction of its own."""
        try:
            with self.connection.begin():
                self._table.create(self.connection, checkfirst=True)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise  # SQLAlchemy would go on with a new connection, which does not hold the migrator lock
            # Another migrator may have created it between the look and the leap; if not, this raises again.
            with self.connection.begin():
                self._table.create(self.connection, checkfirst=True)

    def run_transaction(self, guard: Guard, migrate: Callable[[], None], write: Callable[[], None]) -> None:
        """Run a revision's function and its version write in one transaction, under a guard's eyes.

        Raises:
            VersionConflictError: the version table did not hold what the plan was made for.
            Exception: whatever the revision or the guard raises; the transaction has been rolled back.
        """
        with self._transaction():
            guard.begin(self.connection)
            with self.routed(), self._autocommit_watched(guard):
                migrate()
            guard.verify(self.connection)
            write()
            guard.close(self.connection)

    def run_whole(self, guard: WholeGuard, migrate: Callable[[], None], write: Callable[[], None]) -> None:
        """As ``run_transaction``, where an ``autocommit_block`` is part of the transaction like all else."""
        with self._transaction():
            guard.begin(self.connection)
            with self.routed_in_autocommit():
                migrate()
            guard.verify(self.connection)
            write()
            guard.close(self.connection)

    @contextmanager
    def _autocommit_watched(self, guard: Guard) -> Iterator[None]:
        """Tell the guard when the revision leaves its transaction by ``autocommit_block`` and comes back."""
        original = self.context.autocommit_block

        @contextmanager
        def watched() -> Iterator[None]:
            guard.leave_transaction()
            with original(), guard.autocommitting(self.connection):
                yield
            guard.begin(self.connection)

        # On this one context, for this one revision; revisions reach it by op.get_context().
        self.context.autocommit_block = watched  # type: ignore[method-assign]
        try:
            yield
        finally:
            del self.context.autocommit_block

    @contextmanager
    def routed_in_autocommit(self) -> Iterator[None]:
        """As ``routed``, for code whose every statement is committed anyway.

        An ``autocommit_block`` has nothing to add there.
        """
        # As in _autocommit_watched.
        self.context.autocommit_block = nullcontext  # type: ignore[method-assign, assignment]
        try:
            with self._forgetting(), self.routed():
                yield
        finally:
            del self.context.autocommit_block

    def recorded(self, code: RevisionCode, *, after: Recorded | None = None) -> Recorded | None:
        """What a revision emits, taken down without the connection; see :class:`Recording`.

        Args:
            code: of the revision.
            after: what is being run now on the connection, which is then left alone.

        Returns:
            ``None`` when that cannot be known beforehand, or somebody else is to hear of each statement:
            listeners on the connection, its engine's ``echo``, callbacks of env.py.
        """
        connection = self.connection
        heard = any(getattr(connection.dispatch, name) for name in _HEARD) or connection.engine.echo
        if heard or connection.get_execution_options() or self.context.on_version_apply_callbacks:
            return None
        recorded = self._recording.of(code, after=after)
        if after is None and connection.in_transaction():  # the revision has got hold of it all the same
            connection.rollback()
            return None
        return recorded

    def keep_recorded(self, recorded: Recorded) -> None:
        """What was recorded has been run as it was; see :meth:`Recording.keep`."""
        self._recording.keep(recorded)

    def moves(self, before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
        """The statements that bring the version rows from ``before`` to ``after``; each changes one row."""
        table = self.connection.dialect.identifier_preparer.format_table(self._table)
        return tuple(move_in_sql(table, gone, come) for gone, come in moves(before, after))

    def write_step(self, step: Step) -> None:
        """Write a planned step's version; inside the step's transaction.

        Raises:
            VersionConflictError: the version table did not hold what the plan was made for.
        """
        self._write_versions(step.revision, step.before, step.after)
        self._announce(step)

    def stamp(
        self,
        before: Sequence[str],
        after: Sequence[str],
        *,
        purge: bool,
        begin: Callable[[Connection], None],
        record: Callable[[Connection], None],
    ) -> None:
        """Put the version table's rows from ``before`` to ``after`` and on record, in one transaction.

        ``begin`` is called first in it, ``record`` last.

        Raises:
            VersionConflictError: the table did not hold ``before``.
        """
        with self.connection.begin():
            begin(self.connection)
            if purge:
                self.connection.execute(delete(self._table))
            self._write_versions(", ".join(after) or "base", () if purge else before, after)
            record(self.connection)

    @contextmanager
    def _forgetting(self) -> Iterator[None]:
        """What is remembered of a try that fails does not count: the next one creates its types anew."""
        before = remembered(self.context)
        try:
            yield
        except BaseException:
            self.context.impl.memo = before
            raise

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # The private argument is what Alembic's own loop passes to open one transaction a revision;
        # `autocommit_block` relies on the bookkeeping behind it.
        with self._forgetting(), self.context.begin_transaction(_per_migration=True):
            yield

    def _write_versions(self, revision: str, before: Sequence[str], after: Sequence[str]) -> None:
        for gone, come in moves(before, after):
            if self.connection.execute(move(self._table, gone, come)).rowcount != 1 and gone is not None:
                raise VersionConflictError(
                    revision,
                    f"{self._table.fullname} no longer holds {gone}: somebody else migrated this database",
                    hint="This step was rolled back. Look at `headway status`, then run the command again.",
                )

    def _announce(self, step: Step) -> None:
        callbacks = self.context.on_version_apply_callbacks
        if not callbacks:
            return
        upgrade = step.direction is Direction.UPGRADE
        info = MigrationInfo(
            revision_map=self._environment.script.revision_map,
            is_upgrade=upgrade,
            is_stamp=False,
            up_revisions=step.revision,
            down_revisions=step.parents,
        )
        for callback in callbacks:
            callback(ctx=self.context, step=info, heads=set(step.after), run_args={})


@dataclass(frozen=True, slots=True)
class CommandStep:
    """One step of an Alembic command, taken apart; ``path`` is ``None`` for a stamp, which runs no file."""

    operation: str
    revision: str
    direction: Direction
    description: str
    path: Path | None
    alembic: RevisionStep | StampStep

    @property
    def code(self) -> RevisionCode:
        """The step's function, and what its file says about how to run it."""
        if self.path is not None and self.path.suffix == ".sql":
            return load_code(self.path, self.direction)
        script = self.alembic.revision if isinstance(self.alembic, RevisionStep) else None
        module = script.module if isinstance(script, Script) else None
        return code_of(self.alembic.migration_fn, module)


class CommandScope(Scope):
    """The scope of a run that one of Alembic's own commands started: the steps are the command's."""

    def __init__(self, environment: EnvironmentContext) -> None:
        super().__init__(environment)
        self._maintainer: HeadMaintainer | None = None
        self._writing: tuple[CommandStep, frozenset[str]] | None = None

    def steps(self, versions: tuple[str, ...]) -> list[CommandStep]:
        """Ask the command for its steps; commands that only look do their looking here and return none."""
        function = self.context._migrations_fn  # noqa: SLF001  # Alembic offers no other way to it
        if function is None:
            return []
        self._maintainer = HeadMaintainer(self.context, versions)
        with self.routed(), self.connection.begin():
            return [_taken_apart(step) for step in function(versions, self.context)]

    @property
    def migrating(self) -> bool:
        """Whether the command goes to a revision, as ``upgrade`` and ``downgrade`` do, rather than looks."""
        return self._environment.context_opts.get("destination_rev") is not None

    def sql_graph(self) -> Graph | None:
        """The revisions as headway reads them; ``None`` where none is in SQL, or the command only looks."""
        return sql_graph(self._environment.script) if self.migrating else None

    @property
    def purging(self) -> bool:
        """Whether the command is ``alembic stamp --purge``."""
        return bool(self.context.purge)

    def known_versions(self) -> tuple[str, ...]:
        """The version rows as the command is to see them: none when it purges."""
        return () if self.purging else self.versions()

    def applied(self, versions: Sequence[str]) -> dict[str, str]:
        """What version rows say is applied: each revision with its description, oldest first."""
        revisions = self._environment.script.revision_map
        found: dict[str, str] = {}
        waiting = list(versions)
        while waiting:
            for script in revisions.get_revisions(waiting.pop()):
                if isinstance(script, Script) and script.revision not in found:
                    found[script.revision] = script.doc or ""
                    waiting += [*to_tuple(script.down_revision, ()), *to_tuple(script.dependencies, ())]
        return dict(reversed(found.items()))

    def revisions(self) -> dict[str, Revision]:
        """Alembic's revisions as headway sees them, their files read anew; unreadable ones are left out."""
        graph = sql_graph(self._environment.script)
        if graph is not None:
            return dict(graph.revisions)
        found = {}
        for script in self._environment.script.walk_revisions():
            with suppress(OSError):
                found[script.revision] = _seen_by_headway(script)
        return found

    def fingerprints(self, ids: Iterable[str]) -> dict[str, str]:
        """What the ledger keeps of these revisions' files; unreadable ones are left out."""
        graph = sql_graph(self._environment.script)
        if graph is not None:
            return graph.fingerprints(ids)
        found = {}
        for script in self._environment.script.revision_map.get_revisions(tuple(ids)):
            with suppress(OSError):
                if isinstance(script, Script):
                    found[script.revision] = str(fingerprint(Path(script.path), _links(script)))
        return found

    def purge(self) -> None:
        """Empty the version table (``alembic stamp --purge``)."""
        self.create_version_table()
        with self.connection.begin():
            self.connection.execute(delete(self._table))

    def write_command_step(self, command_step: CommandStep) -> None:
        """Write the version of one of Alembic's steps; inside the step's transaction.

        Raises:
            VersionConflictError: the version table did not hold what the step expects.
        """
        if self._maintainer is None:
            raise HeadwayError("steps() was not asked before write_command_step()")
        step = command_step.alembic
        if self._writing is None or self._writing[0] is not command_step:
            self._writing = (command_step, frozenset(self._maintainer.heads))
        # A step that is tried again begins where it began before: an attempt may fail as late as in COMMIT.
        self._maintainer.heads = set(self._writing[1])
        try:
            self._maintainer.update_to_step(step)
        except CommandError as error:
            raise VersionConflictError(
                step.short_log, str(error), hint="This step was rolled back; run the command again."
            ) from None
        for callback in self.context.on_version_apply_callbacks:
            callback(ctx=self.context, step=step.info, heads=set(self._maintainer.heads), run_args={})


def _seen_by_headway(script: Script) -> Revision:
    path = Path(script.path)
    return Revision(
        script.revision,
        parents=to_tuple(script.down_revision, ()),
        depends_on=to_tuple(script.dependencies, ()),
        labels=(),
        description=script.doc or "",
        path=path,
        line=1,
        digest=digest(path.read_bytes()),
    )


def _links(script: Script) -> tuple[str, ...]:
    return (*to_tuple(script.down_revision, ()), *to_tuple(script.dependencies, ()))


def _taken_apart(step: RevisionStep | StampStep) -> CommandStep:
    info = step.info
    script = step.revision if isinstance(step, RevisionStep) else None
    direction = Direction.UPGRADE if info.is_upgrade else Direction.DOWNGRADE
    return CommandStep(
        operation="stamp" if info.is_stamp else direction.value,
        revision=", ".join(info.up_revision_ids) or "base",
        direction=direction,
        description=(script.doc or "") if isinstance(script, Script) else "",
        path=Path(script.path) if isinstance(script, Script) else None,
        alembic=step,
    )
