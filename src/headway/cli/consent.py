"""Consent to what cannot be taken back: a yes, or in a protected environment the database's own name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from headway.cli.sitting import Sitting

confirm_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--confirm",
    metavar="NAME",
    help="The database's name: consent to what destroys data in production, and wherever HEADWAY_PROTECTED "
    "is set.",
)


def announce(desk: Sitting, *, confirm: str | None) -> None:
    """Say which database is about to be changed, before anything is.

    Raises:
        RefusedError: ``confirm`` names another one.
    """
    desk.name_database(desk.run(desk.migrator.database()))
    if confirm is None:
        return
    name = desk.run(desk.migrator.database_name())
    if confirm != name:
        raise RefusedError(
            f"--confirm names {confirm!r}, and this database is called {name!r}. Nothing was changed.",
            hint="Look at the URL, then at the name.",
        )


def warn(desk: Sitting) -> None:
    """Of a protected database, say once more that it is the one about to be changed; quiet or not."""
    if desk.protected:
        database = desk.run(desk.migrator.database())
        desk.terminal.complain(
            f"{click.style('warning:', fg='yellow')} about to change {_called(desk, database)}"
        )


def require_consent(desk: Sitting, question: str, *, confirm: str | None, yes: bool = False) -> None:
    """Return when whoever is there consents.

    Args:
        desk: where.
        question: what is about to be done, as a question, where a yes will do.
        confirm: the database's name as it was passed; :func:`announce` has compared it.
        yes: what was passed beforehand; it is no answer for a protected database.

    Raises:
        RefusedError: nobody can answer, or it was declined.
    """
    if confirm is not None:
        return
    if not desk.protected:
        desk.terminal.confirm(question, yes=yes)
        return
    name = desk.run(desk.migrator.database_name())
    if not desk.terminal.asks:
        raise RefusedError(
            f"{question} {_called(desk, name)} needs consent by its name, and there is no terminal to ask "
            "on. Nothing was changed.",
            hint=f"Pass --confirm {name} to go ahead{'; --yes does not suffice here' if yes else ''}.",
        )
    if desk.terminal.ask_for(f"{question} Type the database's name to go ahead:") != name:
        raise RefusedError("Declined: that is not its name. Nothing was changed.")


def _called(desk: Sitting, database: str) -> str:
    environment = desk.migrator.settings.environment
    return f"{database} ({environment}{', protected' if desk.migrator.settings.marked else ''})"
