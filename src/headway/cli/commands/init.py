"""The verb that begins a project, or takes over one that Alembic runs: init."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.cli import documents
from headway.cli.failure import shorten
from headway.cli.options import Example, Verb
from headway.cli.sitting import project_of
from headway.cli.terminal import Terminal

if TYPE_CHECKING:
    from headway.cli.invocation import Invocation
    from headway.scaffold import Adoption


@click.command(
    cls=Verb,
    examples=[
        Example("headway init --models myapp.models:Base", "a new project, here"),
        Example("headway init --pyproject db/migrations", "configured in pyproject.toml"),
        Example("headway init", "in an Alembic project: what its env.py says, and what would change"),
        Example("headway init --apply", "change it"),
    ],
)
@click.argument("folder", default="migrations", metavar="[DIRECTORY]")
@click.option(
    "--models",
    metavar="MODULE:NAME",
    help="Your declarative base or metadata. Asked for on a terminal; else left to be filled in.",
)
@click.option("--pyproject", is_flag=True, help="Add [tool.alembic] to pyproject.toml; write no alembic.ini.")
@click.option(
    "--apply", "apply_", is_flag=True, help="In an Alembic project, let env.py hand over to headway."
)
@click.pass_obj
def init(invocation: Invocation, folder: str, models: str | None, *, pyproject: bool, apply_: bool) -> None:
    """Begin a project in the current directory, its migrations in DIRECTORY; or look at the one there.

    A file that exists is left alone, and named. In an Alembic project nothing is changed without --apply.
    It says what env.py does, whether headway works with it as it is, and shows the change that hands the
    running to headway, everything kept that the project relies on. Configuration and revisions stay.
    """
    from headway.scaffold import is_project

    terminal = Terminal(invocation)
    if invocation.config is not None or is_project(Path.cwd()):
        _take_over(invocation, terminal, apply_=apply_)
    else:
        _begin(terminal, folder, models, pyproject=pyproject)


def _begin(terminal: Terminal, folder: str, models: str | None, *, pyproject: bool) -> None:
    from headway.scaffold import begin

    if models is None and terminal.asks:
        models = terminal.ask_for("Your models' declarative base or metadata, as module:name (empty: later)?")
    done = begin(Path.cwd(), folder, models=models or None, toml=pyproject)
    if terminal.json:
        terminal.answer(documents.render({"project": "new", **documents.describe(done)}))
        return
    terminal.answer("\n".join(map(str, done.written)))
    sys.stdout.flush()
    for path in done.left_alone:
        terminal.say(f"left alone, for it is there: {path}")
        if str(path) in done.lines:
            terminal.say(f"to add to it, if you like:\n\n{done.lines[str(path)]}")
    if not models:
        terminal.say(f"name your models in {folder}/env.py, for --autogenerate and check")
    terminal.say('next: headway revision --autogenerate -m "..." and headway upgrade')


def _take_over(invocation: Invocation, terminal: Terminal, *, apply_: bool) -> None:
    from headway.scaffold import adopt, examine

    found = examine(project_of(invocation))
    diff = found.diff
    if apply_ and not found.hands_over:
        adopt(found)
    if terminal.json:
        content = documents.describe(found) | {"diff": diff, "applied": apply_ and not found.hands_over}
        terminal.answer(documents.render({"project": "existing", **content}))
        return
    _tell(terminal, found)
    if found.hands_over:
        return
    if apply_:
        terminal.say(f"written: {shorten(found.path)}")
    else:
        terminal.answer(diff.rstrip("\n"))
        sys.stdout.flush()
        terminal.say(
            "a beginning only: `headway init --apply` leaves this file to you; nothing was changed"
            if found.manual
            else "this is what `headway init --apply` would write; nothing was changed"
        )


def _tell(terminal: Terminal, found: Adoption) -> None:
    name = shorten(found.path)
    if found.hands_over:
        terminal.say(f"{name} hands over to headway already: nothing to do")
    else:
        terminal.say(f"{name} connects by itself and calls context.configure")
        terminal.say(f"it asks for: {', '.join(found.asks) or 'nothing'}")
    if found.obstacle is not None:
        terminal.complain(f"headway cannot run it as it is: {found.obstacle}")
    elif not found.hands_over:
        terminal.say(
            "headway runs it as it is: these options are kept, its own connection and logging are not used; "
            "the database is DATABASE_URL, or sqlalchemy.url of alembic.ini"
        )
    for line in found.database:
        terminal.complain(f"it finds the database by {line}; for headway, set DATABASE_URL to the same one")
    for line in found.manual:
        terminal.complain(f"to decide by hand: {line}")
