"""Database URLs as people and providers write them, in what asyncpg takes."""

from headway.url.database_url import DatabaseURL

__all__ = ["DatabaseURL"]
