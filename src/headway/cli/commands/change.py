"""Verbs that change the database: upgrade, downgrade, stamp."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import click

from headway.cli import documents, pictures
from headway.cli.consent import announce, confirm_option, require_consent, warn
from headway.cli.options import Example, Verb, backup_options, run_options, scratch_options
from headway.cli.planfile import goal_of, plan_option
from headway.cli.sitting import sitting
from headway.results import Direction

if TYPE_CHECKING:
    from pathlib import Path

    from headway import Backup, Plan
    from headway.cli.invocation import Invocation
    from headway.cli.planfile import Goal
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
        Example("headway upgrade --plan plan.json", "run what headway plan --out has sealed"),
        Example("headway upgrade --confirm shop", "in production, where it destroys data"),
        Example("headway upgrade --lock-timeout 2s", "wait longer for busy tables"),
        Example("headway upgrade 3f2a:head --sql", "the SQL of that range"),
    ],
)
@click.argument("target", required=False)
@_dry_run
@_sql
@plan_option
@confirm_option
@scratch_options
@backup_options
@run_options
@click.pass_obj
def upgrade(  # noqa: PLR0913  # each is a word of the command line
    invocation: Invocation,
    target: str | None,
    *,
    dry_run: bool,
    as_sql: bool,
    plan_file: Path | None,
    confirm: str | None,
    scratch: str | None,
    backup: Backup | None,
    options: RunOptions,
) -> None:
    """Apply the revisions up to TARGET, each in a transaction of its own.

    In production, and where HEADWAY_PROTECTED is set, it names the data that is lost and takes the database's
    name for consent: typed on a terminal, or as --confirm.
    """
    goal = goal_of(target, plan_file, as_sql=as_sql, usual="head")
    with sitting(invocation) as desk:
        if as_sql:
            from headway.cli.commands.preview import show_sql

            show_sql(desk, str(goal), Direction.UPGRADE)
        elif dry_run:
            from headway.cli.commands.preview import show_plan

            show_plan(desk, goal, Direction.UPGRADE, scratch=scratch)
        else:
            announce(desk, confirm=confirm)
            agreed = _agreed(desk, goal, confirm=confirm) if desk.protected else None
            report = desk.run(desk.migrator.upgrade(goal, options=options, agreed=agreed, backup=backup))
            _show_run(desk, report)


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
@click.argument("target", required=False)
@click.option("-y", "--yes", is_flag=True, help="Do not ask; not enough in production.")
@_dry_run
@_sql
@plan_option
@confirm_option
@scratch_options
@backup_options
@run_options
@click.pass_obj
def downgrade(  # noqa: PLR0913  # each is a word of the command line
    invocation: Invocation,
    target: str | None,
    *,
    yes: bool,
    dry_run: bool,
    as_sql: bool,
    plan_file: Path | None,
    confirm: str | None,
    scratch: str | None,
    backup: Backup | None,
    options: RunOptions,
) -> None:
    """Undo revisions, down to TARGET.

    Names the data that is lost and asks first. It does not ask where nothing is lost and the environment
    is development. Without a terminal, --yes must answer; in production, and where HEADWAY_PROTECTED is
    set, only the database's name will do: typed, or as --confirm.
    """
    goal = goal_of(target, plan_file, as_sql=as_sql, usual=None)
    with sitting(invocation) as desk:
        if as_sql:
            from headway.cli.commands.preview import show_sql

            show_sql(desk, str(goal), Direction.DOWNGRADE)
        elif dry_run:
            from headway.cli.commands.preview import show_plan

            show_plan(desk, goal, Direction.DOWNGRADE, scratch=scratch)
        else:
            announce(desk, confirm=confirm)
            agreed = _confirmed(desk, goal, yes=yes, confirm=confirm)
            # A sealed plan is looked over once more by the run itself, under the lock.
            what = goal if plan_file else agreed
            _show_run(
                desk, desk.run(desk.migrator.downgrade(what, options=options, agreed=agreed, backup=backup))
            )


@click.command(
    cls=Verb,
    examples=[
        Example("headway stamp head", "the schema is already there: record it"),
        Example("headway stamp --purge 3f2a", "forget what was recorded, then record 3f2a"),
    ],
)
@click.argument("targets", nargs=-1, required=True, metavar="REVISION...")
@click.option("--purge", is_flag=True, help="Empty the version table first, unknown revisions included.")
@confirm_option
@run_options
@click.pass_obj
def stamp(
    invocation: Invocation,
    targets: tuple[str, ...],
    *,
    purge: bool,
    confirm: str | None,
    options: RunOptions,
) -> None:
    """Record the database as being at REVISION, without running anything."""
    with sitting(invocation) as desk:
        announce(desk, confirm=confirm)
        warn(desk)
        if purge and desk.protected:
            require_consent(desk, "Empty the version table?", confirm=confirm)
        report = desk.run(desk.migrator.stamp(*targets, purge=purge, options=options))
        desk.name_database(report.database)
        if desk.terminal.json:
            desk.terminal.answer(documents.render(documents.describe(report)))
        else:
            before, after = (", ".join(places) or "base" for places in (report.before, report.after))
            desk.terminal.say(f"stamped: {before} -> {after}")


def _agreed(desk: Sitting, target: Goal, *, confirm: str | None) -> Plan:
    """The plan that was agreed to; the run may do less than that, and no more."""
    planned = desk.run(desk.migrator.plan(target))
    if not planned.steps:
        return planned
    warn(desk)
    losses = desk.run(desk.migrator.losses(planned))
    if losses:
        desk.terminal.complain(pictures.destroyed(losses))
        require_consent(desk, f"Apply {pictures.count(planned.steps, 'revision')}?", confirm=confirm)
    return planned


def _confirmed(desk: Sitting, target: Goal, *, yes: bool, confirm: str | None) -> Plan:
    """The plan that was agreed to; the run does it and no other."""
    planned = desk.run(desk.migrator.plan(target, direction=Direction.DOWNGRADE))
    if not planned.steps:
        return planned
    warn(desk)
    losses = desk.run(desk.migrator.losses(planned))
    if not losses and desk.in_development and not desk.protected:
        return planned
    if losses:
        desk.terminal.complain(pictures.destroyed(losses))
    question = f"Undo {pictures.count(planned.steps, 'revision')}?"
    require_consent(desk, question, yes=yes, confirm=confirm)
    return planned


def _show_run(desk: Sitting, report: RunReport) -> None:
    desk.name_database(report.database)
    if desk.terminal.json:
        desk.terminal.answer(documents.render(documents.describe(report)))
        return
    desk.terminal.say(pictures.summary(report))
