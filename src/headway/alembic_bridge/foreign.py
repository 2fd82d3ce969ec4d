"""Upgrading by an env.py that was written for Alembic alone; meant for a process of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection


def upgrade_by_foreign_env(  # each is one thing that Alembic is told
    *,
    config_file: str | None,
    toml_file: str | None,
    section: str,
    url: str,
    connection_url: str,
    database: str,
    revision: str,
) -> str | None:
    """Upgrade a database, once env.py has been seen to lead there.

    The URL is given as ``sqlalchemy.url``, and where that leads elsewhere a connection as
    ``config.attributes["connection"]``. The caller sets ``DATABASE_URL``.

    Args:
        config_file: alembic.ini.
        toml_file: pyproject.toml.
        section: the ini file's section.
        url: the database, with the driver that env.py works with.
        connection_url: the same for asyncpg.
        database: its name, by which it is recognised.
        revision: what to upgrade to.

    Returns:
        ``None`` when it was done; else the name of the database that env.py leads to, which is as it was.
    """

    def config() -> Config:
        made = Config(file_=config_file, toml_file=toml_file, ini_section=section)
        made.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
        return made

    def upgrade(connection: Connection | None = None) -> str | None:
        def given() -> Config:
            made = config()
            if connection is not None:
                made.attributes["connection"] = connection
            return made

        found = _destination(given())
        if found != database:
            return found or "none"
        command.upgrade(given(), revision)
        if connection is not None:
            connection.commit()
        return None

    elsewhere = upgrade()
    return elsewhere if elsewhere is None else asyncio.run(_on_a_connection(connection_url, upgrade))


async def _on_a_connection(url: str, upgrade: Callable[[Connection], str | None]) -> str | None:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)
    async with engine.connect() as connection:
        return await connection.run_sync(upgrade)


def _destination(config: Config) -> str | None:
    """The database that env.py leads to, or what is there instead.

    It runs without a step to do, and writes no version table.
    """
    seen: list[str] = []

    def look(_: Any, context: Any) -> list[Any]:
        connection = context.connection
        if connection.dialect.name == "postgresql":
            seen.append(connection.scalar(text("SELECT pg_catalog.current_database()")))
        else:
            seen.append(f"a database of {connection.dialect.name}")
        return []

    script = ScriptDirectory.from_config(config)
    with EnvironmentContext(config, script, fn=look, dont_mutate=True):
        try:
            script.run_env()
        except (OperationalError, asyncpg.PostgresError, OSError) as error:
            if not seen:  # the database it was to lead to answers
                return f"one that cannot be reached ({type(error).__name__})"
            raise
    return seen[-1] if seen else None
