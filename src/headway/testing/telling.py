"""What the suite says for people: which server it runs on, and how to reach a database that is kept."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from headway import embedded
from headway.database import connect
from headway.settings import load_settings
from headway.testing.files import LABEL
from headway.testing.private_loop import PrivateLoop
from headway.testing.server import project_of
from headway.testing.wishes import Isolation, Provider
from headway.url import DatabaseURL, SQLiteURL

if TYPE_CHECKING:
    from headway.testing.lent import Database
    from headway.testing.wishes import Wishes


def which_server(wishes: Wishes) -> str:
    """The server that was decided on, with its version; nothing is started.

    Raises:
        HeadwayError: the rung that was decided on cannot be stood on: no programs, nobody answers.
    """
    if wishes.provider is Provider.EMBEDDED:
        settings = load_settings(project_of(wishes), url="postgresql://unused", environment="development")
        binaries = embedded.locate(settings.postgres_binaries)
        return f"embedded PostgreSQL {binaries.major} ({binaries.source})"
    if wishes.provider is Provider.SQLITE:
        return f"{LABEL} ({wishes.source})"
    if wishes.url is None:
        return f"PostgreSQL in a container of {wishes.image} ({wishes.source})"
    url = DatabaseURL.parse(wishes.url, variable=wishes.source)
    with contextlib.closing(PrivateLoop()) as loop:
        return f"PostgreSQL {loop.run(_version(url, wishes.source))} at {url.masked} ({wishes.source})"


async def _version(url: DatabaseURL, source: str) -> str:
    connection = await connect(url, source=source)
    try:
        version = connection.get_server_version()
        return f"{version.major}.{version.minor}"
    finally:
        await connection.close()


def how_to_reach(database: Database, provider: Provider) -> str:
    """Lines for a failing test's report; without a password."""
    if database.isolation is Isolation.SAVEPOINT:
        return "There is nothing to look at: its rows are rolled back. Try --headway-isolation=reset."
    if provider is Provider.EMBEDDED:
        way = f"headway tests psql, and in it: \\c {database.kept_as}"
    elif isinstance(database.location, SQLiteURL):
        way = f"sqlite3 {database.kept_as}"
    else:
        way = f"psql '{replace(database.location, database=database.kept_as).masked}'"
    return f"{way}\npytest --headway-drop-kept drops it, with all others that were kept."
