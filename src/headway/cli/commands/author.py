"""Verbs that write revision files: revision and merge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway.cli import documents
from headway.cli.failure import shorten
from headway.cli.options import Example, Verb
from headway.cli.sitting import sitting

if TYPE_CHECKING:
    from pathlib import Path

    from headway import Rename, RevisionReport
    from headway.cli.invocation import Invocation
    from headway.cli.sitting import Sitting


def _spoken(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter("it says nothing; tell in a few words what the revision does", ctx, param)
    return value


def _renames(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[Rename, ...]:
    from headway import Rename

    found = []
    for value in values:
        try:
            found.append(Rename.parse(value))
        except ValueError:
            raise click.BadParameter(
                f"{value!r} is not of the form users.mail=users.email", ctx, param
            ) from None
    return tuple(found)


_branch_label = click.option("--branch-label", metavar="LABEL", help="Name the branch that begins here.")
_rev_id = click.option("--rev-id", metavar="ID", help="The identifier, instead of a random one.")


@click.command(
    cls=Verb,
    examples=[
        Example('headway revision --autogenerate -m "add users"', "from the models"),
        Example('headway revision -m "fill users"', "an empty file to write in"),
    ],
)
@click.option(
    "-m",
    "--message",
    required=True,
    callback=_spoken,
    metavar="TEXT",
    help="What it does, in a few words.",
)
@click.option(
    "--autogenerate/--empty",
    default=False,
    help="Write what the models hold and the database lacks, or an empty file. Default: empty, as Alembic.",
)
@click.option("--allow-empty", is_flag=True, help="Write the file even when models and database agree.")
@click.option(
    "--rename",
    "renames",
    multiple=True,
    callback=_renames,
    metavar="OLD=NEW",
    help="A column renamed, as users.mail=users.email: its data stays. Repeatable.",
)
@click.option("--no-renames", is_flag=True, help="No column was renamed: ask nothing, flag nothing.")
@click.option("--head", default="head", show_default=True, metavar="REVISION", help="What it follows.")
@click.option("--splice", is_flag=True, help="Allow --head to name a revision that is not a head.")
@_branch_label
@click.option("--depends-on", multiple=True, metavar="REVISION", help="What must be applied too. Repeatable.")
@_rev_id
@click.option("--version-path", metavar="DIR", help="Where to write, among several version locations.")
@click.pass_obj
def revision(  # noqa: PLR0913  # one parameter for each of Alembic's options
    invocation: Invocation,
    message: str,
    head: str,
    branch_label: str | None,
    depends_on: tuple[str, ...],
    rev_id: str | None,
    version_path: str | None,
    renames: tuple[Rename, ...],
    *,
    autogenerate: bool,
    allow_empty: bool,
    splice: bool,
    no_renames: bool,
) -> None:
    """Write a new revision and print its path, or its paths.

    With --autogenerate, nothing is written when models and database agree. Indexes of tables in use, and what
    else need not keep others out, go into revisions of their own, which are not transactional. Where a column
    may have been renamed, a terminal is asked; elsewhere a comment in the file says so.
    """
    if renames and (no_renames or not autogenerate):
        raise click.UsageError("--rename goes with --autogenerate, and not with --no-renames.")
    with sitting(invocation) as desk:
        decided = renames if renames or no_renames else _asked(desk, autogenerate=autogenerate)
        report = desk.run(
            desk.migrator.revision(
                message,
                autogenerate=autogenerate,
                allow_empty=allow_empty,
                head=head,
                splice=splice,
                branch_label=branch_label,
                version_path=version_path,
                rev_id=rev_id,
                depends_on=depends_on or None,
                renames=decided,
            )
        )
        _show_files(desk, report, nothing="models and database agree: no file written")


@click.command(
    cls=Verb,
    examples=[
        Example("headway merge", "all heads"),
        Example('headway merge 3f2a 77c1 -m "join billing"', "these two"),
    ],
)
@click.argument("revisions", nargs=-1, metavar="[REVISION...]")
@click.option(
    "-m",
    "--message",
    callback=_spoken,
    metavar="TEXT",
    help="What it joins, in a few words. Default: merge A and B.",
)
@_branch_label
@_rev_id
@click.pass_obj
def merge(
    invocation: Invocation,
    revisions: tuple[str, ...],
    message: str | None,
    branch_label: str | None,
    rev_id: str | None,
) -> None:
    """Write a revision that joins several heads, and print its path."""
    with sitting(invocation) as desk:
        report = desk.run(
            desk.migrator.merge(
                revisions or ("heads",), message=message, branch_label=branch_label, rev_id=rev_id
            )
        )
        _show_files(desk, report, nothing="there is nothing to merge: no file written")


def _asked(desk: Sitting, *, autogenerate: bool) -> tuple[Rename, ...] | None:
    """The renames that somebody at the terminal says yes to; ``None`` when nobody can be asked."""
    if not autogenerate or not desk.terminal.asks:
        return None
    possible = desk.run(desk.migrator.probable_renames())
    return tuple(
        rename for rename in possible if desk.terminal.ask(f"Was {rename.old} renamed to {rename.new}?")
    )


def _show_files(desk: Sitting, report: RevisionReport, *, nothing: str) -> None:
    for rename in report.renames:
        desk.terminal.say(
            f"{click.style('note:', fg='yellow')} {rename.old} goes and {rename.new} comes, empty. If it was "
            f"renamed, delete the file and pass --rename {rename}."
        )
    if desk.terminal.json:
        desk.terminal.answer(documents.render(documents.describe(report)))
    elif report.paths:
        desk.terminal.answer("\n".join(_each(report.paths)))
    else:
        desk.terminal.say(nothing)


def _each(paths: tuple[Path, ...]) -> list[str]:
    return [shorten(path) for path in paths]
