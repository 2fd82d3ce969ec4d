"""Database URLs as people and providers write them, in what asyncpg and aiosqlite take."""

from __future__ import annotations

from typing import TypeAlias

from headway.url.database_url import DatabaseURL
from headway.url.sqlite_url import SQLiteURL, is_sqlite

__all__ = ["AnyURL", "DatabaseURL", "SQLiteURL", "read_url"]

AnyURL: TypeAlias = DatabaseURL | SQLiteURL
"""Of whichever database system."""


def read_url(raw: str, *, variable: str = "DATABASE_URL") -> AnyURL:
    """Read a URL of PostgreSQL or SQLite.

    Args:
        raw: the URL.
        variable: the setting it came from, for the error.

    Raises:
        ConfigurationError: it is neither, or asks for what cannot be honoured.
    """
    if is_sqlite(raw):
        return SQLiteURL.parse(raw, variable=variable)
    return DatabaseURL.parse(raw, variable=variable)
