"""Verbs that show what a run would do: plan and sql."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.cli import documents, outlook
from headway.cli.failure import shorten
from headway.cli.options import Example, Verb, scratch_options
from headway.cli.planfile import write_plan
from headway.cli.sitting import sitting
from headway.results import Direction

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from headway import BundleReport, SealedPlan
    from headway.cli.invocation import Invocation
    from headway.cli.sitting import Sitting

_USUAL = {Direction.UPGRADE: "head", Direction.DOWNGRADE: "-1"}
"""Where to, where no target is named."""


@click.command(
    cls=Verb,
    relative_targets=True,
    examples=[
        Example("headway plan", "up to head"),
        Example("headway plan --downgrade -1", "what undoing the newest revision would cost"),
        Example("headway plan --out plan.json", "seal it, for headway upgrade --plan plan.json"),
    ],
)
@click.argument("target", required=False)
@click.option("--downgrade", "downwards", is_flag=True, help="Plan a downgrade; TARGET is -1 by default.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Seal it in FILE, to be run as it is or not at all, by upgrade --plan or downgrade --plan.",
)
@scratch_options
@click.pass_obj
def plan(
    invocation: Invocation, target: str | None, *, downwards: bool, out: Path | None, scratch: str | None
) -> None:
    """Show what a run to TARGET would do, in order: its SQL, what that locks, reads, rewrites and destroys.

    The database is only looked at: how large is what would be touched, and who would keep it waiting now.
    What the SQL does is watched in a scratch database.
    """
    direction = Direction.DOWNGRADE if downwards else Direction.UPGRADE
    with sitting(invocation) as desk:
        show_plan(desk, target, direction, scratch=scratch, out=out)


@click.command(
    "sql",
    cls=Verb,
    relative_targets=True,
    examples=[
        Example("headway sql > schema.sql", "everything, from nothing to head"),
        Example("headway sql 3f2a:head", "only what comes after 3f2a"),
        Example("headway sql --downgrade head:base", "the way back"),
        Example("headway sql 3f2a:head --bundle release", "scripts for psql, the way back, and a review"),
    ],
)
@click.argument("target", metavar="[[FROM:]TO]", default="head")
@click.option("--downgrade", "downwards", is_flag=True, help="The SQL of a downgrade; needs FROM:TO.")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write upgrade.sql, rollback.sql and a pair for each revision, guarded for psql, with a review.",
)
@click.option("--force", is_flag=True, help="With --bundle: write into a folder that holds other files.")
@click.option(
    "--scratch-url",
    metavar="URL",
    help="With --bundle: replay for the review on this server, in a database of our own. Default: embedded.",
)
@click.option("--no-scratch", is_flag=True, help="With --bundle: review the text alone, without a server.")
@click.pass_obj
def sql(  # each is an option
    invocation: Invocation,
    target: str,
    bundle: Path | None,
    scratch_url: str | None,
    *,
    downwards: bool,
    force: bool,
    no_scratch: bool,
) -> None:
    """Print the SQL of a run, for review or to apply by hand. No database is asked.

    With --bundle nothing is printed but the files: what a DBA reviews and applies with psql. Afterwards
    "headway verify --bundle DIR" proves that it was.
    """
    if bundle is not None and downwards:
        raise click.UsageError("a bundle holds both ways: write FROM:TO upwards, without --downgrade.")
    if bundle is None and (force or scratch_url or no_scratch):
        raise click.UsageError("--force, --scratch-url and --no-scratch go with --bundle.")
    with sitting(invocation) as desk:
        if bundle is not None:
            scratch = None if no_scratch else scratch_url or "embedded"
            _write_bundle(desk, desk.migrator.bundle(bundle, target, scratch=scratch, force=force))
            return
        show_sql(desk, target, Direction.DOWNGRADE if downwards else Direction.UPGRADE)


def _write_bundle(desk: Sitting, writing: Coroutine[Any, Any, BundleReport]) -> None:
    report = desk.run(writing)
    if desk.terminal.json:
        desk.terminal.answer(documents.render(documents.describe(report)))
        return
    desk.terminal.answer("\n".join(shorten(path) for path in report.paths))
    if report.unwatched:
        desk.terminal.say(f"reviewed by its text alone: {report.unwatched}")
    for revision in report.manual:
        desk.terminal.say(f"{revision} is a manual step: upgrade.sql stops before it, and says how to go on")
    for revision in report.irreversible:
        desk.terminal.say(f"{revision} has no way back in rollback.sql, which says why")


def show_plan(
    desk: Sitting,
    target: str | SealedPlan | None,
    direction: Direction,
    *,
    scratch: str | None,
    out: Path | None = None,
) -> None:
    """Print what a run to a target (``None``: head, or one back) would do, and seal it if asked to."""
    planned = desk.run(desk.migrator.plan(target, direction=direction))
    desk.name_database(desk.run(desk.migrator.database()))
    preview = desk.run(desk.migrator.preview(planned, scratch=scratch))
    if out is not None:
        asked = target if isinstance(target, str) else _USUAL[direction]
        write_plan(out, desk.run(desk.migrator.seal(planned, preview, target=asked)))
    if desk.terminal.json:
        desk.terminal.answer(documents.render(documents.describe_preview(preview)))
    else:
        desk.terminal.answer(outlook.draw(preview))
    if out is not None:
        desk.terminal.say(f"sealed: headway {direction.value} --plan {out}")


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
