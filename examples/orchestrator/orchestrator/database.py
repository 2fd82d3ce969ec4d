"""The application's engine, on whichever database it was given."""

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from headway import DatabaseURL, SQLiteURL


def engine_of(url: DatabaseURL | SQLiteURL) -> AsyncEngine:
    """An engine with a pool; dispose of it when done."""
    if isinstance(url, SQLiteURL):
        return create_async_engine(url.render())
    # asyncpg takes keywords rather than a URL: so every parameter of the URL has its effect.
    return create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(**url.connect_arguments())
    )
