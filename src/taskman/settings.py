"""The application's settings: read where its migrations read theirs, so that both mean one database."""

import os
from pathlib import Path

from headway import Settings, load_project, load_settings

CHECKOUT = Path(__file__).parents[2]
"""Where alembic.ini and ``.env`` are. taskman runs from a checkout; no wheel ships it."""


def application_settings(database_url: str | None = None) -> Settings:
    """What is configured for the application.

    ``MIGRATION_DATABASE_URL`` is left out: where a pooler stands between, it leads around the pooler, which
    is right for migrations and not for requests.

    Args:
        database_url: the database, given outright.

    Returns:
        Settings without a ``database`` when none is configured.

    Raises:
        headway.ConfigurationError: a setting is wrong.
    """
    environ = {name: value for name, value in os.environ.items() if name != "MIGRATION_DATABASE_URL"}
    return load_settings(load_project(CHECKOUT / "alembic.ini"), url=database_url, environ=environ)
