"""Open an SQLite file, or say why it cannot be opened; a file that is not there yet is an empty database.

What only looks does without SQLAlchemy, as it does on PostgreSQL.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import quote

from headway.errors import ConfigurationError, ConnectionFailedError, DatabaseError, HeadwayError
from headway.planning import read_record
from headway.sqlite.statements import RECORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine

    from headway.project import VersionTable
    from headway.results import Application
    from headway.url import SQLiteURL

_LEDGER_COLUMNS = frozenset({"ledger_layout", "version_table", "checksum"})
_EXAMPLE = "sqlite+aiosqlite:///app.db"


def create_engine(url: SQLiteURL) -> AsyncEngine:
    """An engine for migrations: aiosqlite, no pool.

    Raises:
        ConfigurationError: aiosqlite is not installed.
    """
    if find_spec("aiosqlite") is None:
        raise ConfigurationError(
            url.variable, "SQLite needs the package aiosqlite", example='pip install "headway[sqlite]"'
        )
    from sqlalchemy import URL
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    return create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(url.path)),
        poolclass=NullPool,
        connect_args={"timeout": url.timeout_s},
        hide_parameters=True,
    )


def require_usable(url: SQLiteURL) -> None:
    """Return when there is a database, or can be one.

    Raises:
        ConfigurationError: there is no such folder, or the file is something else than a database.
        ConnectionFailedError: another process has locked it.
        DatabaseError: it cannot be read.
    """
    with _opened(url) as connection:
        if connection is not None:
            connection.execute("PRAGMA schema_version").fetchone()


def fetch_versions(url: SQLiteURL, table: VersionTable) -> tuple[str, ...]:
    """The version table's rows, sorted; empty when there is no such table, or no such file.

    Raises:
        DatabaseError: it is somebody else's table; and what :func:`require_usable` raises.
    """
    with _opened(url) as connection:
        if connection is None:
            return ()
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({_quoted(table.name)})")]
        if not columns:
            return ()
        if "version_num" not in columns:
            raise DatabaseError(
                f"{url.masked}: the version table {table.name} has no column version_num",
                hint="Is this the right database? If that table is something else's, give env.run() in "
                "env.py another version_table=.",
            )
        rows = connection.execute(f"SELECT version_num FROM {_quoted(table.name)}")  # noqa: S608  # quoted
        return tuple(sorted(str(row[0]) for row in rows))


def fetch_record(url: SQLiteURL, table: VersionTable) -> dict[str, Application] | None:
    """How each applied revision came to be so, as ``Ledger.record_of`` finds it; ``None``: no ledger."""
    with _opened(url) as connection:
        columns = _LEDGER_COLUMNS
        if connection is not None:
            columns -= {row[1] for row in connection.execute("PRAGMA table_info(migration_history)")}
        if connection is None or columns:
            return None
        connection.row_factory = sqlite3.Row
        own = "(SELECT * FROM migration_history WHERE version_table = ?)"
        return read_record(connection.execute(RECORD.format(rows=own), (f"main.{table.name}",)))


@contextmanager
def _opened(url: SQLiteURL) -> Iterator[sqlite3.Connection | None]:
    """A connection that creates nothing; ``None`` where there is no file."""
    _refuse_wrong_path(url)
    if not url.path.exists():
        yield None
        return
    failure: HeadwayError
    try:
        # Not read-only: what a process that was killed left half-written is put right by who reads it next.
        uri = f"file:{quote(str(url.path))}?mode=rw"
        with closing(
            sqlite3.connect(uri, uri=True, timeout=url.timeout_s, isolation_level=None)
        ) as connection:
            yield connection
            return
    except sqlite3.Error as error:
        failure = explained(error, url)
    raise failure


def _refuse_wrong_path(url: SQLiteURL) -> None:
    if not url.path.parent.is_dir():
        problem = f"there is no folder {url.path.parent} for the database file"
    elif url.path.is_dir():
        problem = f"{url.path} is a folder, not a database file"
    else:
        return
    raise ConfigurationError(url.variable, problem, example=_EXAMPLE)


def explained(error: sqlite3.Error, url: SQLiteURL) -> HeadwayError:
    """What SQLite's refusal to read a file means (sqlite.org/rescode.html)."""
    code = getattr(error, "sqlite_errorname", None) or ""
    if code.startswith("SQLITE_NOTADB"):
        return ConfigurationError(
            url.variable, f"{url.path} is not an SQLite database, or is encrypted", example=_EXAMPLE
        )
    if code.startswith("SQLITE_CANTOPEN"):
        return ConfigurationError(
            url.variable, f"{url.path} cannot be opened by this user: {error}", example=_EXAMPLE
        )
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return ConnectionFailedError(
            f"{url.masked}: another process keeps the file locked",
            sqlstate=code,
            hint=f"See what writes to it; {url.variable} may say timeout=SECONDS to wait longer than "
            f"{url.timeout_s:g} s.",
        )
    return DatabaseError(f"{url.masked}: {error}", sqlstate=code or None)


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
