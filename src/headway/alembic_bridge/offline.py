"""What needs no connection: SQL for review, and a look at what a step would destroy."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, TextIO

from alembic.operations import MigrateOperation, Operations
from alembic.operations.ops import DropColumnOp, DropTableOp, ExecuteSQLOp
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import RevisionStep

from headway.alembic_bridge.execution import load_function
from headway.alembic_bridge.routing import environment_of, operations_of
from headway.results import Direction, Loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.alembic_bridge.environment import AlembicProject, EnvironmentOptions
    from headway.planning import Plan, Step

# Statements written as text that take data away; the operations' own classes cover the rest.
_DESTRUCTIVE_SQL = re.compile(
    r"\b(DROP\s+(TABLE|SCHEMA|MATERIALIZED\s+VIEW|TYPE)|DROP\s+COLUMN|TRUNCATE|DELETE\s+FROM)\b",
    re.IGNORECASE,
)


def configure_offline(environment: EnvironmentContext, options: EnvironmentOptions, **how: Any) -> None:
    """Configure a context that prints SQL; values are written out, names keep their ``%``."""
    options.configure(
        environment,
        dialect_name="postgresql+asyncpg",
        dialect_opts={"paramstyle": "named"},
        literal_binds=True,
        **how,
    )


def run_offline(environment: EnvironmentContext) -> None:
    """Print the configured context's steps; Alembic's own loop writes BEGIN, versions and COMMIT."""
    context = environment.get_context()
    with environment_of(environment), operations_of(Operations(context)), context.begin_transaction():
        context.run_migrations()


def render_sql(project: AlembicProject, plan: Plan) -> str:
    """The SQL of a plan, as ``alembic upgrade FROM:TO --sql`` prints it; "" for an empty plan.

    Raises:
        Exception: whatever a revision raises that reads data, which needs a connection.
    """
    if not plan.steps:
        return ""
    output = io.StringIO()
    revisions = project.script.revision_map
    steps = [
        RevisionStep(
            revisions, project.script.get_revision(step.revision), step.direction is Direction.UPGRADE
        )
        for step in plan.steps
    ]
    environment = _offline_environment(project, output, steps, plan.before)
    run_offline(environment)
    return output.getvalue()


def losses_of(project: AlembicProject, step: Step) -> tuple[Loss, ...]:
    """What a step destroys, read from the operations it would run; empty when it destroys nothing.

    The step's function runs without a connection. Where it reads data it cannot be followed to its end,
    and the last loss is of kind ``unknown``.
    """
    environment = _offline_environment(project, io.StringIO(), [], step.before)
    watch = _Watch(environment.get_context())
    losses: list[Loss] = []
    try:
        with environment_of(environment), operations_of(watch):
            load_function(step.path, step.direction)()
    except Exception as error:  # noqa: BLE001  # any failure means only that we cannot see further
        losses.append(
            Loss(
                step.revision,
                "unknown",
                f"not known: {step.direction.value}() reads data ({type(error).__name__})",
            )
        )
    return tuple(dict.fromkeys([*(_loss(step.revision, op) for op in watch.destructive), *losses]))


class _Watch(Operations):
    """Operations that note what destroys data on its way to the (absent) database."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.destructive: list[MigrateOperation] = []

    def invoke(self, operation: MigrateOperation) -> Any:
        if isinstance(operation, DropTableOp | DropColumnOp) or (
            isinstance(operation, ExecuteSQLOp) and _DESTRUCTIVE_SQL.search(str(operation.sqltext))
        ):
            self.destructive.append(operation)
        return super().invoke(operation)


def _loss(revision: str, operation: MigrateOperation) -> Loss:
    match operation:
        case DropTableOp():
            return Loss(revision, "table", _qualified(operation.schema, operation.table_name))
        case DropColumnOp():
            table = _qualified(operation.schema, operation.table_name)
            return Loss(revision, "column", f"{table}.{operation.column_name}")
        case ExecuteSQLOp():
            return Loss(revision, "statement", " ".join(str(operation.sqltext).split()))
        case _:
            raise TypeError(operation)


def _qualified(schema: str | None, name: str) -> str:
    return f"{schema}.{name}" if schema else name


def _offline_environment(
    project: AlembicProject, output: TextIO, steps: Sequence[RevisionStep], before: tuple[str, ...]
) -> EnvironmentContext:
    environment = EnvironmentContext(
        project.config,
        project.script,
        fn=lambda *_: steps,
        as_sql=True,
        starting_rev=before or None,
        destination_rev=None,
    )
    configure_offline(environment, project.options, output_buffer=output)
    return environment
