"""Run one revision on one connection: its transaction, its operations, its version write.

Everything here is synchronous and runs inside ``run_sync``.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.operations import Operations
from alembic.runtime.migration import (
    HeadMaintainer,
    MigrationContext,
    MigrationInfo,
    RevisionStep,
    StampStep,
)
from alembic.script import Script
from alembic.util import CommandError
from alembic.util.pyfiles import load_python_file
from sqlalchemy import Table, delete, insert, update
from sqlalchemy.exc import DBAPIError

from headway.alembic_bridge.routing import environment_of, operations_of
from headway.errors import HeadwayError, VersionConflictError
from headway.results import Direction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from alembic.runtime.environment import EnvironmentContext
    from sqlalchemy.engine import Connection

    from headway.planning import Step


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
            version_table_schema=self.context.version_table_schema,
            version_table_pk=self.context.opts.get("version_table_pk", True),
        )

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
        with environment_of(self._environment), operations_of(self._operations):
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
        except DBAPIError:
            # Another migrator may have created it between the look and the leap; if not, this raises again.
            with self.connection.begin():
                self._table.create(self.connection, checkfirst=True)

    def apply(self, step: Step) -> None:
        """Run one planned step and write its version, in one transaction.

        Raises:
            VersionConflictError: the version table did not hold what the plan was made for.
            Exception: whatever the revision raises; its transaction has been rolled back.
        """
        with self._transaction():
            migrate = load_function(step.path, step.direction)
            with self.routed():
                migrate()
            self._write_versions(step.revision, step.before, step.after)
            self._announce(step)

    def rewrite_versions(self, before: Sequence[str], after: Sequence[str], *, purge: bool = False) -> None:
        """Put the version table's rows from ``before`` to ``after`` in one transaction (stamp).

        Raises:
            VersionConflictError: the table did not hold ``before``.
        """
        with self._transaction():
            if purge:
                self.connection.execute(delete(self._table))
                before = ()
            self._write_versions(", ".join(after) or "base", before, after)

    def _transaction(self) -> Any:
        # The private argument is what Alembic's own loop passes to open one transaction a revision;
        # `autocommit_block` relies on the bookkeeping behind it.
        return self.context.begin_transaction(_per_migration=True)

    def _write_versions(self, revision: str, before: Sequence[str], after: Sequence[str]) -> None:
        gone, come = sorted(set(before) - set(after)), sorted(set(after) - set(before))
        column = self._table.c.version_num
        if len(gone) == len(come) == 1:
            self._expect_one(
                revision, gone[0], update(self._table).values(version_num=come[0]).where(column == gone[0])
            )
            return
        for version in gone:
            self._expect_one(revision, version, delete(self._table).where(column == version))
        for version in come:
            self.connection.execute(insert(self._table).values(version_num=version))

    def _expect_one(self, revision: str, expected: str, statement: Any) -> None:
        if self.connection.execute(statement).rowcount != 1:
            raise VersionConflictError(
                revision,
                f"{self._table.fullname} no longer holds {expected}: somebody else migrated this database",
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


class CommandScope(Scope):
    """The scope of a run that one of Alembic's own commands started: the steps are the command's."""

    def __init__(self, environment: EnvironmentContext) -> None:
        super().__init__(environment)
        self._maintainer: HeadMaintainer | None = None

    def steps(self, versions: tuple[str, ...]) -> list[CommandStep]:
        """Ask the command for its steps; commands that only look do their looking here and return none."""
        function = self.context._migrations_fn  # noqa: SLF001  # Alembic offers no other way to it
        if function is None:
            return []
        self._maintainer = HeadMaintainer(self.context, versions)
        with self.routed(), self.connection.begin():
            return [_taken_apart(step) for step in function(versions, self.context)]

    def purge(self) -> None:
        """Empty the version table (``alembic stamp --purge``)."""
        self.create_version_table()
        with self.connection.begin():
            self.connection.execute(delete(self._table))

    def apply_command_step(self, command_step: CommandStep) -> None:
        """Run one of Alembic's steps and write its version, in one transaction.

        Raises:
            VersionConflictError: the version table did not hold what the step expects.
        """
        if self._maintainer is None:
            raise HeadwayError("steps() was not asked before apply_command_step()")
        step = command_step.alembic
        with self._transaction():
            with self.routed():
                step.migration_fn()
            try:
                self._maintainer.update_to_step(step)
            except CommandError as error:
                raise VersionConflictError(
                    step.short_log, str(error), hint="This step was rolled back; run the command again."
                ) from None
            for callback in self.context.on_version_apply_callbacks:
                callback(ctx=self.context, step=step.info, heads=set(self._maintainer.heads), run_args={})


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


def load_function(path: Path, direction: Direction) -> Callable[[], None]:
    """Execute one revision file and return its ``upgrade`` or ``downgrade``.

    Raises:
        AttributeError: the file has no such function.
        Exception: whatever executing the file raises.
    """
    module = load_python_file(str(path.parent), path.name)
    function = getattr(module, direction.value, None)
    if not callable(function):
        # What a plain `module.upgrade` would raise.
        raise AttributeError(f"{path.name} has no function {direction.value}()")  # noqa: TRY004
    return function  # type: ignore[no-any-return]  # a revision file's functions are not typed for us
