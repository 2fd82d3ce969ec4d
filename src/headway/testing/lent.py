"""A database in a test's hands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headway.testing.engines import sqlalchemy_url
from headway.url import SQLiteURL

if TYPE_CHECKING:
    from headway.testing.wishes import Isolation
    from headway.url import AnyURL


@dataclass(slots=True)
class Database:
    """A database for a test.

    Attributes:
        name: what the server calls it; of SQLite the file's name.
        location: where it is; its ``str`` shows no password.
        isolation: how it was come by.
        kept_as: what it is called when it is kept after a failure.
        handed_out: whether a URL of it was, so that anything may have been committed there.
    """

    name: str
    location: AnyURL
    isolation: Isolation
    kept_as: str
    handed_out: bool = field(default=False, init=False)

    @property
    def url(self) -> str:
        """For SQLAlchemy's ``create_async_engine``; **secret, when it holds a password**."""
        self.handed_out = True
        return sqlalchemy_url(self.location)

    @property
    def dsn(self) -> str:
        """For libpq, psql and asyncpg, or the file's path; **secret, when it holds a password**."""
        self.handed_out = True
        return str(self.location.path) if isinstance(self.location, SQLiteURL) else self.location.render()
