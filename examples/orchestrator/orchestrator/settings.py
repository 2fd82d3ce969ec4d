"""Which database this is: a file in development and staging, a server in production."""

from pathlib import Path

from headway import ConfigurationError, Environment, Migrator, SQLiteURL, load_project, load_settings

ROOT = Path(__file__).parents[1]


def migrator() -> Migrator:
    """The migrations of the database that ``DATABASE_URL`` names, or else ``alembic.ini``.

    Raises:
        headway.ConfigurationError: ``APP_ENVIRONMENT`` is production, and the database is a file.
    """
    project = load_project(ROOT)
    settings = load_settings(project)
    if settings.environment is Environment.PRODUCTION and isinstance(settings.database, SQLiteURL):
        raise ConfigurationError(
            "DATABASE_URL",
            "production needs a PostgreSQL server",
            example="postgresql://orchestrator:secret@db.example.com/orchestrator",
        )
    return Migrator(project, settings=settings)
