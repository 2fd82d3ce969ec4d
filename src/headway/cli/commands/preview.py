"""Verbs that show what a run would do: plan and sql."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway.cli import documents, pictures
from headway.cli.options import Example, Verb
from headway.cli.sitting import sitting
from headway.results import Direction

if TYPE_CHECKING:
    from headway.cli.invocation import Invocation
    from headway.cli.sitting import Sitting


@click.command(
    cls=Verb,
    relative_targets=True,
    examples=[
        Example("headway plan", "up to head"),
        Example("headway plan --downgrade -1", "what undoing the newest revision would cost"),
    ],
)
@click.argument("target", required=False)
@click.option("--downgrade", "downwards", is_flag=True, help="Plan a downgrade; TARGET is -1 by default.")
@click.pass_obj
def plan(invocation: Invocation, target: str | None, *, downwards: bool) -> None:
    """Show what a run to TARGET would do, in order, and what data it destroys. Nothing is changed."""
    direction = Direction.DOWNGRADE if downwards else Direction.UPGRADE
    with sitting(invocation) as desk:
        show_plan(desk, target, direction)


@click.command(
    "sql",
    cls=Verb,
    relative_targets=True,
    examples=[
        Example("headway sql > schema.sql", "everything, from nothing to head"),
        Example("headway sql 3f2a:head", "only what comes after 3f2a"),
        Example("headway sql --downgrade head:base", "the way back"),
    ],
)
@click.argument("target", metavar="[[FROM:]TO]", default="head")
@click.option("--downgrade", "downwards", is_flag=True, help="The SQL of a downgrade; needs FROM:TO.")
@click.pass_obj
def sql(invocation: Invocation, target: str, *, downwards: bool) -> None:
    """Print the SQL of a run, for review or to apply by hand. No database is asked."""
    with sitting(invocation) as desk:
        show_sql(desk, target, Direction.DOWNGRADE if downwards else Direction.UPGRADE)


def show_plan(desk: Sitting, target: str | None, direction: Direction) -> None:
    """Print the plan to a target (``None``: head, or one back), and what it destroys."""
    planned = desk.run(desk.migrator.plan(target, direction=direction))
    losses = desk.run(desk.migrator.losses(planned))
    database = desk.run(desk.migrator.database())
    desk.name_database(database)
    if desk.terminal.json:
        desk.terminal.answer(documents.render(documents.describe_plan(database, planned, losses)))
    else:
        desk.terminal.answer(pictures.plan(desk.terminal, planned, losses))


def show_sql(desk: Sitting, target: str, direction: Direction) -> None:
    """Print the SQL of a run, made without a database."""
    script = desk.run(desk.migrator.sql(target, direction=direction))
    if desk.terminal.json:
        content = {"direction": direction, "range": target, "sql": script}
        desk.terminal.answer(documents.render(content))
    elif script:
        desk.terminal.answer_exactly(script)
    else:
        desk.terminal.say(f"no SQL: {target} holds no revision to {direction.value}")
