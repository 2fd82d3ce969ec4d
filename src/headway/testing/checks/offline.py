"""A check that each revision can be written as SQL for somebody else to run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headway.errors import RefusedError, StepFailedError
from headway.planning import Plan, plan_upgrade
from headway.project import Project, load_project
from headway.results import Direction
from headway.testing.checks.failure import CheckFailedError, NotApplicableError
from headway.testing.checks.files import graph_of
from headway.testing.checks.subject import told, undoing, why_irreversible

if TYPE_CHECKING:
    from pathlib import Path

    from headway.alembic_bridge import AlembicProject


def offline_sql(project: Project | Path | str | None, revision: str) -> None:
    """A revision compiles to SQL without a database, in both directions.

    Args:
        project: the project, its configuration file or folder; ``None`` searches from the working directory.
        revision: its id.

    Raises:
        CheckFailedError: it does not compile, for a reason of its own.
        NotApplicableError: it reads data, so that no SQL can be written beforehand; says in which direction.
    """
    from headway.alembic_bridge import AlembicProject

    known = project if isinstance(project, Project) else load_project(project)
    plan = plan_upgrade(graph_of(known), (), revision)
    step = plan.steps[-1]
    there = replace(plan, steps=(step,), before=step.before, after=step.after)
    alembic = AlembicProject(known)
    unwritten = [
        reason for way in (there, undoing(there)) if (reason := _why_unwritten(alembic, way)) is not None
    ]
    if unwritten:
        raise NotApplicableError("; ".join(unwritten))


def _why_unwritten(alembic: AlembicProject, plan: Plan) -> str | None:
    """Why there is no SQL, where that is as it should be; ``None`` when there is.

    Raises:
        CheckFailedError: it should not be.
    """
    from headway.alembic_bridge import reads_data, render_sql

    try:
        render_sql(alembic, plan)
    except (StepFailedError, RefusedError) as error:
        verb, [step] = plan.direction.value, plan.steps
        if plan.direction is Direction.DOWNGRADE and why_irreversible(error) is not None:
            return None
        if error.__cause__ is not None and reads_data(error.__cause__):
            return f"{verb}() reads data, so its SQL cannot be written beforehand"
        raise CheckFailedError(
            "offline_sql",
            f"{verb} of {step.revision} cannot be written as SQL:",
            told(error),
            hint=error.hint or f"See {step.path}.",
        ) from error
    return None
