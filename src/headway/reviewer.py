"""What is known of steps before they run, put together: their text, what was watched, and what lint says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headway.alembic_bridge import losses_of, script_steps
from headway.errors import ConfigurationError
from headway.lint import Schema, Subject, examine, explained
from headway.planning import Plan, Step
from headway.results import Direction, StatementReview, StepReview
from headway.sqlfiles import down_path
from headway.sqltext import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from headway.alembic_bridge import AlembicProject, ScriptedStep
    from headway.lint import Policy
    from headway.rehearsal import Rehearsed
    from headway.revisions import Graph


def way_back(graph: Graph, step: Step) -> Step | None:
    """The step that undoes an upgrade; ``None`` of a downgrade."""
    if step.direction is not Direction.UPGRADE:
        return None
    revision = graph.revisions[step.revision]
    return Step(
        step.revision,
        Direction.DOWNGRADE,
        revision.description,
        step.path,
        step.after,
        step.before,
        step.parents,
    )


def reviewed(
    project: AlembicProject,
    graph: Graph,
    steps: Sequence[Step],
    wanted: Collection[Step],
    seen: Mapping[Step, Rehearsed],
) -> Iterator[Subject]:
    """Review some of the steps that lead from an empty database to the end of a plan.

    Args:
        project: the project.
        graph: its revisions.
        steps: all of them, in order.
        wanted: those to review; of the others only what they make is read.
        seen: what was watched.
    """
    schema: Schema | None = Schema()
    for step in steps:
        (scripted,) = script_steps(project, Plan(step.direction, (step,), step.before, step.after))
        review = _review(scripted)
        if step in wanted:
            review = replace(_watched(review, seen.get(step)), losses=losses_of(project, step))
            back = way_back(graph, step)
            yield _subject(project, review, back, seen.get(step), schema or Schema())
        schema = _after(schema, review)


def judged(subject: Subject, policy: Policy) -> StepReview:
    """The step with findings, and with what the text of unwatched statements tells.

    Raises:
        ConfigurationError: PostgreSQL's parser (extra ``lint``) is not installed.
    """
    return replace(subject.step, statements=explained(subject), findings=examine(subject, policy))


def _after(schema: Schema | None, review: StepReview) -> Schema | None:
    """What is known behind a step; nothing where nobody can read SQL."""
    try:
        return schema.after(review) if schema is not None else None
    except ConfigurationError:
        return None


def _review(scripted: ScriptedStep) -> StepReview:
    step = scripted.step
    statements = tuple(
        StatementReview(
            number,
            shown(statement.sql),
            line=statement.line,
            transactional=scripted.transactional and not statement.alone,
        )
        for number, statement in enumerate(scripted.statements, start=1)
    )
    return StepReview(
        step.revision,
        step.direction,
        step.description,
        step.path,
        scripted.transactional,
        statements,
        unseen=scripted.unseen,
    )


def _watched(review: StepReview, seen: Rehearsed | None) -> StepReview:
    """The review with what was watched in place of what its text tells."""
    if seen is None:
        return review
    if seen.trace is None:
        return replace(review, unseen=review.unseen or seen.unseen)
    return replace(review, statements=seen.trace.statements, unseen=seen.trace.unseen)


def _subject(
    project: AlembicProject, review: StepReview, back: Step | None, seen: Rehearsed | None, schema: Schema
) -> Subject:
    undo = _undo(project, back) if back is not None else None
    own_file = down_path(review.path) if undo is not None and review.path.suffix == ".sql" else None
    return Subject(
        step=review,
        source=_text(review.path),
        undo=undo,
        undo_path=own_file,
        undo_source=_text(own_file) if own_file else None,
        left=seen.left if seen else None,
        before=schema,
    )


def _undo(project: AlembicProject, back: Step) -> StepReview | None:
    """The way back; ``None`` where there is none: no function, or no file."""
    (scripted,) = script_steps(project, Plan(back.direction, (back,), back.before, back.after))
    return _review(scripted) if scripted.code is not None else None


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="replace")  # with its line ends, for --fix keeps them
