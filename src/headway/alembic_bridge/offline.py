"""What needs no connection: SQL for review."""

from __future__ import annotations

import io
import traceback
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from alembic.op import get_context
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import RevisionStep
from sqlalchemy.exc import CompileError

from headway.alembic_bridge.routing import environment_of, operations_of
from headway.diagnosis import line_in
from headway.errors import HeadwayError, StepFailedError
from headway.results import Direction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from alembic.runtime.migration import MigrationStep

    from headway.alembic_bridge.environment import AlembicProject, EnvironmentOptions
    from headway.planning import Plan, Step

# For each database system, SQLAlchemy's name of it with the driver that headway uses.
_DIALECTS = {"postgresql": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}


def configure_offline(
    environment: EnvironmentContext, options: EnvironmentOptions, *, dialect: str = "postgresql", **how: Any
) -> None:
    """Configure a context that prints SQL; values are written out, names keep their ``%``."""
    options.configure(
        environment,
        dialect_name=_DIALECTS[dialect],
        dialect_opts={"paramstyle": "named"},
        literal_binds=True,
        **how,
    )


def run_offline(environment: EnvironmentContext) -> None:
    """Print the configured context's steps; Alembic's own loop writes BEGIN, versions and COMMIT."""
    context = environment.get_context()
    steps = context._migrations_fn  # noqa: SLF001  # Alembic offers no other way to it
    if steps is not None:
        context._migrations_fn = lambda *asked: map(_outside, steps(*asked))  # noqa: SLF001  # as above
    with environment_of(environment), operations_of(Operations(context)), context.begin_transaction():
        context.run_migrations()


def _outside(step: MigrationStep) -> MigrationStep:
    """Let what says ``transactional = False`` be printed outside a transaction; one in SQL does so itself."""
    # A stamp is a step too, and of no revision.
    module = getattr(getattr(step, "revision", None), "module", None)
    if getattr(module, "transactional", True):
        return step
    function = step.migration_fn

    @wraps(function)  # the script says `Running upgrade` by its name
    def outside() -> None:
        with get_context().autocommit_block():
            function()

    step.migration_fn = outside
    return step


def render_sql(project: AlembicProject, plan: Plan, *, dialect: str = "postgresql") -> str:
    """The SQL of a plan, as ``alembic upgrade FROM:TO --sql`` prints it; "" for an empty plan.

    Raises:
        StepFailedError: a revision cannot be written as SQL beforehand; as a rule because it reads data.
        HeadwayError: a revision file cannot be loaded.
    """
    if not plan.steps:
        return ""
    output = io.StringIO()
    _load_revisions(project)
    under_way = plan.steps[0]

    def steps(*_: object) -> Iterator[RevisionStep]:
        nonlocal under_way
        for step in plan.steps:
            under_way = step
            yield RevisionStep(
                project.script.revision_map,
                project.script.get_revision(step.revision),
                step.direction is Direction.UPGRADE,
            )

    environment = _offline_environment(project, output, steps, plan.before, dialect)
    try:
        run_offline(environment)
    except HeadwayError:
        raise
    except Exception as error:
        raise unwritable(under_way, error) from error
    return output.getvalue()


def _load_revisions(project: AlembicProject) -> None:
    """Let Alembic execute every revision file, as it does before it writes any SQL."""
    try:
        project.script.get_heads()
    except Exception as error:
        locations = [location.resolve() for location in project.project.version_locations]
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if any(Path(frame.filename).resolve().is_relative_to(location) for location in locations)
        ]
        where = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
        raise HeadwayError(
            f"{where}the revision files cannot be loaded: {in_one_line(error)}",
            hint="Alembic executes them all, whichever the SQL is for; mend this one first.",
        ) from error


def unwritable(step: Step, error: Exception) -> StepFailedError:
    """The error for a step that cannot be written as SQL, with the line of its file and a way out."""
    title = f"{step.revision} ({step.description})" if step.description else step.revision
    if isinstance(error, CompileError):
        hint = (
            "Give the value a type; for op.bulk_insert, that is "
            "sa.table('users', sa.column('id', sa.Integer)) instead of sa.column('id')."
        )
    else:
        hint = (
            "A revision that reads data cannot be written as SQL beforehand, for no database is asked. Write "
            "the SQL of the ranges before and after it, and run it by itself with "
            f"`headway {step.direction.value}`; or let it ask context.is_offline_mode()."
        )
    return StepFailedError(
        f"{step.direction.value} of revision {title} cannot be written as SQL: {in_one_line(error)}",
        revision=step.revision,
        path=step.path,
        line=line_in(step.path, error),
        hint=hint,
    )


def in_one_line(error: Exception) -> str:
    """An exception in one line."""
    told = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {told}" if told else type(error).__name__


def _offline_environment(
    project: AlembicProject,
    output: TextIO,
    steps: Callable[..., Iterator[RevisionStep]],
    before: tuple[str, ...],
    dialect: str,
) -> EnvironmentContext:
    environment = EnvironmentContext(
        project.config,
        project.script,
        fn=steps,
        as_sql=True,
        starting_rev=before or None,
        destination_rev=None,
    )
    configure_offline(environment, project.options, dialect=dialect, output_buffer=output)
    return environment
