"""What an interrupted statement left behind, and whether it may be taken away."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from headway.errors import DirtyError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_QUALIFIED = rf"{_NAME}(?:\s*\.\s*{_NAME})?"
_CREATE = re.compile(
    rf"\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<index>{_NAME})\s+"
    rf"ON\s+(?:ONLY\s+)?(?P<table>{_QUALIFIED})",
    re.IGNORECASE,
)
_DROP = re.compile(
    rf"\s*DROP\s+INDEX\s+CONCURRENTLY\s+(?:IF\s+EXISTS\s+)?(?P<index>{_QUALIFIED})", re.IGNORECASE
)
_REINDEX = re.compile(
    rf"\s*REINDEX\s+(?:\([^)]*\)\s*)?(?P<kind>INDEX|TABLE)\s+CONCURRENTLY\s+(?P<name>{_QUALIFIED})",
    re.IGNORECASE,
)

_INDEX = text("""
    SELECT format('%I.%I', nspname, relname) AS name, indisvalid AND indisready AS usable,
           EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = indexrelid) AS being_built
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relname = :index AND indrelid = to_regclass(:table)
""")
# A REINDEX that was cut short leaves <index>_ccnew or <index>_ccold, numbered when taken (manual, REINDEX).
_LEFTOVERS = text("""
    SELECT format('%I.%I', nspname, relname) AS name
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE NOT indisvalid AND relname ~ '_cc(new|old)[0-9]*$'
      AND indrelid = (SELECT coalesce((SELECT indrelid FROM pg_index WHERE indexrelid = to_regclass(:name)),
                                      to_regclass(:name)))
      AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = indexrelid)
""")


class Remains(StrEnum):
    """What to do with a statement."""

    RUN = "run"
    DONE = "done"
    """An earlier attempt brought it to its end and died before it could say so."""


def clear_remains(connection: Connection, statement: str, *, resumed: bool) -> Remains:
    """Look at what an interrupted attempt at a statement left, and take it away where it is proved to be its.

    An INVALID index is the statement's own when an earlier attempt is on record as having begun it, the index
    has its name on its table, and no session is building it. ``IF NOT EXISTS`` would take any other INVALID
    index for a good one (design.md, fact 10), so one that is not proved ours stops the run.

    Args:
        connection: a second connection, with no transaction open; ``DROP INDEX CONCURRENTLY`` runs on it.
        statement: the one about to run.
        resumed: whether the journal has it as begun and not finished.

    Raises:
        DirtyError: an INVALID index is in the way that cannot be proved to be the statement's.
    """
    if found := _CREATE.match(statement):
        return _index_to_create(connection, found, resumed=resumed)
    if resumed and (found := _DROP.match(statement)):
        with connection.begin():
            gone = connection.scalar(text("SELECT to_regclass(:index) IS NULL"), {"index": found["index"]})
        return Remains.DONE if gone else Remains.RUN
    if resumed and (found := _REINDEX.match(statement)):
        with connection.begin():
            leftovers = connection.scalars(_LEFTOVERS, {"name": found["name"]}).all()
        for name in leftovers:
            _drop(connection, name)
    return Remains.RUN


def _index_to_create(connection: Connection, found: re.Match[str], *, resumed: bool) -> Remains:
    parameters = {"index": _unquoted(found["index"]), "table": found["table"]}
    with connection.begin():
        present = connection.execute(_INDEX, parameters).one_or_none()
    if present is None:
        return Remains.RUN
    if present.usable:
        return Remains.DONE if resumed else Remains.RUN
    if not resumed or present.being_built:
        why = (
            "another session is building it"
            if present.being_built
            else "no revision is on record as its maker"
        )
        raise DirtyError(
            "",
            f"the index {present.name} is INVALID, and {why}",
            hint=f"When nobody needs it: DROP INDEX CONCURRENTLY {present.name}; then run the command again.",
        )
    _drop(connection, present.name)
    return Remains.RUN


def _drop(connection: Connection, name: str) -> None:
    """Drop an index outside any transaction; the name comes quoted from the server."""
    driver: Any = connection.connection.driver_connection
    from sqlalchemy.util import await_only

    await_only(driver.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}"))


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
