"""The application's settings: read where its migrations read theirs, so that both mean one database."""

from dataclasses import replace
from pathlib import Path

from headway import Migrator, Settings, load_project, load_settings

CHECKOUT = Path(__file__).parents[2]
"""Where alembic.ini and ``.env`` are. taskman runs from a checkout; no wheel ships it."""


def application_settings(database_url: str | None = None) -> Settings:
    """What is configured for the application.

    ``MIGRATION_DATABASE_URL`` does not count: where a pooler stands between, it leads around the pooler,
    which is right for migrations and not for requests.

    Args:
        database_url: the database, given outright.

    Returns:
        Settings without a ``database`` when none is configured.

    Raises:
        headway.ConfigurationError: a setting is wrong.
    """
    settings = load_settings(load_project(CHECKOUT / "alembic.ini"), url=database_url)
    own = settings.application
    return replace(settings, database=own, source=own.variable if own is not None else None)


def migrations(database_url: str | None = None) -> Migrator:
    """The migrations of the application's own database, to ask where it stands; close it when done.

    Args:
        database_url: the database, given outright.
    """
    return Migrator(CHECKOUT / "alembic.ini", settings=application_settings(database_url))
