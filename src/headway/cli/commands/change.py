"""Verbs that change the database: upgrade, downgrade, stamp."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import click

from headway.cli import documents, pictures
from headway.cli.commands.preview import show_plan, show_sql
from headway.cli.options import Example, Verb, run_options
from headway.cli.sitting import sitting
from headway.results import Direction

if TYPE_CHECKING:
    from headway import Plan
    from headway.cli.invocation import Invocation
    from headway.cli.sitting import Sitting
    from headway.results import RunOptions, RunReport

_dry_run = click.option("--dry-run", is_flag=True, help="Show the plan, change nothing.")
_sql = click.option("--sql", "as_sql", is_flag=True, help="Print the SQL instead; asks no database.")


@click.command(
    cls=Verb,
    relative_targets=True,
    examples=[
        Example("headway upgrade", "to head"),
        Example("headway upgrade +1", "one revision"),
        Example("headway upgrade billing@head", "one branch"),
        Example("headway upgrade --dry-run", "show what would run"),
        Example("headway upgrade --lock-timeout 2s", "wait longer for busy tables"),
        Example("headway upgrade 3f2a:head --sql", "the SQL of that range"),
    ],
)
@click.argument("target", default="head")
@_dry_run
@_sql
@run_options
@click.pass_obj
def upgrade(invocation: Invocation, target: str, *, dry_run: bool, as_sql: bool, options: RunOptions) -> None:
    """Apply the revisions up to TARGET, each in a transaction of its own."""
    with sitting(invocation) as desk:
        if as_sql:
            show_sql(desk, target, Direction.UPGRADE)
        elif dry_run:
            show_plan(desk, target, Direction.UPGRADE)
        else:
            _show_run(desk, desk.run(desk.migrator.upgrade(target, options=options)))


up = copy(upgrade)
up.name = "up"


@click.command(
    cls=Verb,
    relative_targets=True,
    examples=[
        Example("headway downgrade -1", "the newest revision"),
        Example("headway downgrade 3f2a", "back to where 3f2a is the newest"),
        Example("headway downgrade base --yes", "everything, without a question"),
        Example("headway downgrade head:base --sql", "the SQL of that range"),
    ],
)
@click.argument("target")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@_dry_run
@_sql
@run_options
@click.pass_obj
def downgrade(
    invocation: Invocation, target: str, *, yes: bool, dry_run: bool, as_sql: bool, options: RunOptions
) -> None:
    """Undo revisions, down to TARGET.

    Names the data that is lost and asks first. It does not ask where nothing is lost and the environment
    is development. Without a terminal, --yes must answer.
    """
    with sitting(invocation) as desk:
        if as_sql:
            show_sql(desk, target, Direction.DOWNGRADE)
        elif dry_run:
            show_plan(desk, target, Direction.DOWNGRADE)
        else:
            plan = _confirmed(desk, target, yes=yes)
            _show_run(desk, desk.run(desk.migrator.downgrade(plan, options=options)))


@click.command(
    cls=Verb,
    examples=[
        Example("headway stamp head", "the schema is already there: record it"),
        Example("headway stamp --purge 3f2a", "forget what was recorded, then record 3f2a"),
    ],
)
@click.argument("targets", nargs=-1, required=True, metavar="REVISION...")
@click.option("--purge", is_flag=True, help="Empty the version table first, unknown revisions included.")
@run_options
@click.pass_obj
def stamp(invocation: Invocation, targets: tuple[str, ...], *, purge: bool, options: RunOptions) -> None:
    """Record the database as being at REVISION, without running anything."""
    with sitting(invocation) as desk:
        report = desk.run(desk.migrator.stamp(*targets, purge=purge, options=options))
        desk.name_database(report.database)
        if desk.terminal.json:
            desk.terminal.answer(documents.render(documents.describe(report)))
        else:
            before, after = (", ".join(places) or "base" for places in (report.before, report.after))
            desk.terminal.say(f"stamped: {before} -> {after}")


def _confirmed(desk: Sitting, target: str, *, yes: bool) -> Plan:
    """The plan that was agreed to; the run does it and no other."""
    planned = desk.run(desk.migrator.plan(target, direction=Direction.DOWNGRADE))
    if not planned.steps:
        return planned
    losses = desk.run(desk.migrator.losses(planned))
    if not losses and desk.in_development:
        return planned
    desk.name_database(desk.run(desk.migrator.database()))
    if losses:
        desk.terminal.complain(pictures.destroyed(losses))
    desk.terminal.confirm(f"Undo {pictures.count(planned.steps, 'revision')}?", yes=yes)
    return planned


def _show_run(desk: Sitting, report: RunReport) -> None:
    desk.name_database(report.database)
    if desk.terminal.json:
        desk.terminal.answer(documents.render(documents.describe(report)))
        return
    heads = desk.run(desk.migrator.heads())
    desk.terminal.say(pictures.summary(report, [item.revision for item in heads]))
