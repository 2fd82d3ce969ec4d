"""What a file, and the SQLite that opens it, can do for us; found before the first write."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from headway.results import Check
from headway.sqlite.driver import asked
from headway.sqlite.foreign import BRANCH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

_MINIMUM = (3, 35, 0)
"""The first with RETURNING, by which the ledger numbers its entries (sqlite.org/lang_returning.html)."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What was found.

    Attributes:
        path: the database file; ``None`` for one in memory.
        version: of the SQLite library in this process.
        journal_mode: how it makes transactions, such as ``delete`` or ``wal``.
        autocommits: the connection commits every statement by itself.
    """

    path: Path | None
    version: tuple[int, ...]
    journal_mode: str
    autocommits: bool


def survey(connection: Connection) -> FileFacts:
    """Ask; begins no transaction and writes nothing."""
    files = {name: file for _, name, file in asked(connection, "PRAGMA database_list")}
    [(mode,)] = asked(connection, "PRAGMA journal_mode")
    return FileFacts(
        path=Path(files["main"]) if files["main"] else None,
        version=sqlite3.sqlite_version_info,
        journal_mode=str(mode),
        autocommits=connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        or connection.engine.get_execution_options().get("isolation_level") == "AUTOCOMMIT",
    )


def count_rows(connection: Connection, table: str) -> int:
    """How many rows a table has; SQLite keeps no estimate.

    Args:
        connection: where.
        table: its name as SQL writes it, from a statement.
    """
    counted = f"SELECT count(*) FROM {table}"  # noqa: S608  # it stands in SQL already
    return int(connection.execute(text(counted.replace(":", r"\:"))).scalar_one())


def checks_of(facts: FileFacts, *, wanted: Mapping[str, Sequence[str]] | None = None) -> tuple[Check, ...]:
    """Every requirement, met or not; ``name`` is ``CapabilityError``'s.

    Args:
        facts: from :func:`survey`.
        wanted: PostgreSQL extensions that the run is sure to create, each with the revisions that do.
    """
    return (_version(facts), _writable(facts), _session(facts), *_extensions(wanted or {}))


def _version(facts: FileFacts) -> Check:
    passed, here = facts.version >= _MINIMUM, ".".join(map(str, facts.version))
    least = ".".join(map(str, _MINIMUM[:2]))
    way_out = "The library comes with Python, or with the operating system: use a newer one."
    finding = f"SQLite {here}" if passed else f"SQLite {here} is too old; headway needs {least} or later"
    return Check("version", passed=passed, finding=finding, way_out=None if passed else way_out)


def _writable(facts: FileFacts) -> Check:
    path = facts.path
    if path is None:
        return Check(
            "writable", passed=True, finding="the database is in memory, and ends with its connection"
        )
    sealed = [str(place) for place in (path, path.parent) if place.exists() and not os.access(place, os.W_OK)]
    if not sealed:
        return Check(
            "writable", passed=True, finding=f"{path} can be written (journal mode {facts.journal_mode})"
        )
    return Check(
        "writable",
        passed=False,
        finding=f"{' and '.join(sealed)} cannot be written by this user",
        way_out="SQLite writes the file and, beside it, its journal: make the file and its folder writable.",
    )


def _session(facts: FileFacts) -> Check:
    if not facts.autocommits:
        return Check("session", passed=True, finding="each revision runs in a transaction")
    return Check(
        "session",
        passed=False,
        finding="this connection commits every statement by itself (isolation level AUTOCOMMIT), so a "
        "revision that fails could not be rolled back",
        way_out="Hand over an engine or connection without isolation_level='AUTOCOMMIT'.",
    )


def _extensions(wanted: Mapping[str, Sequence[str]]) -> Iterator[Check]:
    for name, revisions in wanted.items():
        yield Check(
            f"extension {name}",
            passed=False,
            finding=f"{', '.join(revisions)} creates the extension {name}, and SQLite has no extensions",
            way_out=BRANCH,
        )
