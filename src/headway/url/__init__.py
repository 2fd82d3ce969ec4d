"""Database URLs as people and providers write them, in what asyncpg and aiosqlite take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.exports import on_first_use
from headway.url.database_url import DatabaseURL

if TYPE_CHECKING:
    from headway.url.sqlite_url import AnyURL, SQLiteURL

__all__ = ["AnyURL", "DatabaseURL", "SQLiteURL", "read_url"]

__getattr__, __dir__ = on_first_use(__name__, {"headway.url.sqlite_url": ("AnyURL", "SQLiteURL")})


def read_url(raw: str, *, variable: str = "DATABASE_URL") -> AnyURL:
    """Read a URL of PostgreSQL or SQLite.

    Args:
        raw: the URL.
        variable: the setting it came from, for the error.

    Raises:
        ConfigurationError: it is neither, or asks for what cannot be honoured.
    """
    if "sqlite" in raw.lower():
        from headway.url.sqlite_url import SQLiteURL, is_sqlite  # as a rule, nobody needs it

        if is_sqlite(raw):
            return SQLiteURL.parse(raw, variable=variable)
    return DatabaseURL.parse(raw, variable=variable)
