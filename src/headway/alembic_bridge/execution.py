"""Run one revision on one connection: its transaction, its operations, its version write.

Everything here is synchronous and runs inside ``run_sync``.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from alembic.operations import Operations
from alembic.runtime.migration import (
    MigrationContext,
    MigrationInfo,
)
from sqlalchemy import Table, delete, text
from sqlalchemy.exc import DBAPIError

from headway.alembic_bridge.recording import Recorded, Recording, remembered
from headway.alembic_bridge.routing import environment_of, operations_of
from headway.alembic_bridge.scripts import sent_one_by_one
from headway.alembic_bridge.version_rows import move, move_in_sql, moves
from headway.alone import singly
from headway.errors import HeadwayError, VersionConflictError
from headway.placement import version_schema
from headway.results import Direction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from alembic.runtime.environment import EnvironmentContext
    from sqlalchemy.engine import Connection

    from headway.alembic_bridge.code import RevisionCode
    from headway.planning import Step

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
        with singly(self.connection):
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
        with singly(self.connection):
            return tuple(sorted(self.context.get_current_heads()))

    def create_version_table(self) -> None:
        """Create the version table unless it exists, in a transaction of its own."""
        connection = self.connection
        with singly(connection):
            if connection.dialect.has_table(connection, self._table.name, schema=self._table.schema):
                return
        try:
            with connection.begin():
                self._table.create(connection)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise  # SQLAlchemy would go on with a new connection, which does not hold the migrator lock
            # Another migrator may have created it between the look and the leap; if not, this raises again.
            with connection.begin():
                self._table.create(connection, checkfirst=True)

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

    def moves(self, before: Sequence[str], after: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """The statements that bring the version rows from ``before`` to ``after``; each changes one row.

        Each with its values, for ``$1`` and ``$2`` in it.
        """
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
