"""Indexes that a statement names: what it says of them, and what the server has under those names.

``CREATE INDEX … IF NOT EXISTS`` is satisfied by whatever has the name: an INVALID index, an index of another
table, even a table (PostgreSQL manual, CREATE INDEX; design.md, fact 10). A step that relied on it must not
succeed over one of these.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import event, text

from headway.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection

# What may stand between two words: space and comments (PostgreSQL manual, section 4.1.5).
_COMMENT = r"--[^\n]*(?:\n|\Z)|/\*(?:[^*]|\*(?!/))*\*/"
GAP = rf"(?:\s|{_COMMENT})*"
NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
QUALIFIED = rf"{NAME}(?:\s*\.\s*{NAME}){{0,2}}"

_CREATE = re.compile(
    rf"\bCREATE\b{GAP}(?P<unique>UNIQUE\b{GAP})?INDEX\b{GAP}(?P<concurrently>CONCURRENTLY\b{GAP})?"
    rf"(?P<tolerant>IF\b{GAP}NOT\b{GAP}EXISTS\b{GAP})?(?:(?!ON\b)(?P<index>{NAME}){GAP})?"
    rf"ON\b{GAP}(?P<only>ONLY\b{GAP})?(?P<table>{QUALIFIED})",
    re.IGNORECASE,
)
_BEGINNING = re.compile(GAP)
_WORDS = (re.compile(r"\bINDEX\b", re.IGNORECASE), re.compile(r"\bCREATE\b", re.IGNORECASE))

# The server reads the names as it reads the statement: folds what is not quoted, cuts after 63 bytes. An
# index is in the schema of its table.
NAMED = text("""
    SELECT index.oid, pg_catalog.format('%I.%I', place.nspname, index.relname) AS name,
        CASE WHEN at.nspname IS NOT NULL
            THEN pg_catalog.format('%I.%I', at.nspname, owner.relname) END AS table_name,
        entry.indrelid, entry.indexrelid, entry.indrelid = wanted.oid AS on_it,
        entry.indisvalid AND entry.indisready AND entry.indislive AS usable,
        index.relkind = 'I' AS partitioned
    FROM pg_catalog.pg_class AS wanted
    JOIN pg_catalog.pg_namespace AS place ON place.oid = wanted.relnamespace
    JOIN pg_catalog.pg_class AS index ON index.oid
        = CAST(pg_catalog.to_regclass(pg_catalog.format('%I.', place.nspname) || CAST(:index AS text)) AS oid)
    LEFT JOIN pg_catalog.pg_index AS entry ON entry.indexrelid = index.oid
    LEFT JOIN pg_catalog.pg_class AS owner ON owner.oid = entry.indrelid
    LEFT JOIN pg_catalog.pg_namespace AS at ON at.oid = owner.relnamespace
    WHERE wanted.oid = CAST(pg_catalog.to_regclass(CAST(:table AS text)) AS oid)
""")
# A partitioned index is INVALID until each partition has its own (manual, CREATE INDEX); that is no damage.
_INVALID = text("""
    SELECT index.relname, place.nspname, false AS partitioned,
        pg_catalog.pg_table_is_visible(index.oid) AS visible,
        pg_catalog.format('%I.%I', place.nspname, index.relname) AS name,
        pg_catalog.format('%I.%I', at.nspname, owner.relname) AS table_name
    FROM pg_catalog.pg_index AS entry
    JOIN pg_catalog.pg_class AS index ON index.oid = entry.indexrelid
    JOIN pg_catalog.pg_namespace AS place ON place.oid = index.relnamespace
    JOIN pg_catalog.pg_class AS owner ON owner.oid = entry.indrelid
    JOIN pg_catalog.pg_namespace AS at ON at.oid = owner.relnamespace
    WHERE NOT (entry.indisvalid AND entry.indisready AND entry.indislive) AND index.relkind = 'i'
    ORDER BY name
""")
_CUT_FROM = 60
"""A name of so many bytes may have been cut; the last character that did not fit has up to four of 63."""


@dataclass(frozen=True, slots=True)
class NewIndex:
    """What one ``CREATE INDEX`` says; names as they are written.

    Attributes:
        index: its name; ``None`` when the server is to choose one, or it cannot be read.
        table: the table's.
        concurrently: whether it says so.
        tolerant: whether it says ``IF NOT EXISTS``.
        only: whether it says ``ON ONLY``: a partitioned index that is to be completed later.
        definition: what follows the table's name.
    """

    index: str | None
    table: str
    concurrently: bool
    tolerant: bool
    only: bool
    unique: bool
    definition: str


def new_index(statement: str) -> NewIndex | None:
    """What a ``CREATE INDEX`` says; ``None`` when the statement is none."""
    found = _plainly_created(statement)
    return _read(found) if found else None


def is_to_be_looked_at(statement: str) -> bool:
    """Whether the success of a statement says too little of its indexes; see :class:`NamedIndexes`."""
    plain = _plainly_created(statement)
    return plain["tolerant"] is not None if plain else _may_make_indexes(statement)


def named_index(connection: Connection, index: str, table: str) -> Any:
    """What has an index's name, names as they are written; ``None`` when nothing has.

    Joins the caller's transaction, and begins one where there is none.
    """
    return connection.execute(NAMED, {"index": index, "table": table}).one_or_none()


class NamedIndexes:
    """The indexes that a revision's statements name, looked at before its success is believed.

    Let its code run :meth:`watched`, and call :meth:`settle` behind it.

    Attributes:
        found_others: how many plain ``CREATE INDEX IF NOT EXISTS`` were refused, each of which did nothing.
    """

    def __init__(self) -> None:
        self.found_others = 0
        self._unsettled: list[str] = []

    @contextmanager
    def watched(self, connection: Connection) -> Iterator[None]:
        """Look after each statement that may make an index, in the transaction that it has.

        A statement raises, beside its own errors, :class:`RefusedError` when an index that it names is
        INVALID, or ``IF NOT EXISTS`` found something else.
        """
        event.listen(connection, "before_cursor_execute", self._before)
        event.listen(connection, "after_cursor_execute", self._after)
        try:
            yield
        finally:
            event.remove(connection, "before_cursor_execute", self._before)
            event.remove(connection, "after_cursor_execute", self._after)

    def settle(self, connection: Connection) -> None:
        """Look at what statements name that failed without failing the revision.

        Such a statement has no end that could be seen, and its failure may have been swallowed.

        Raises:
            RefusedError: an index that one of them names is INVALID.
        """
        for statement in self._unsettled:
            _refuse_first(_invalid_in(connection, statement))

    def _before(self, _connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if _may_make_indexes(statement):
            self._unsettled.append(statement)

    def _after(self, connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if self._unsettled and self._unsettled[-1] == statement:
            try:
                require_usable(connection, statement)
            except RefusedError:
                self.found_others += new_index(statement) is not None
                raise
            self._unsettled.pop()


def require_usable(connection: Connection, statement: str) -> None:
    """Return when every index that a statement made, or was content to find, is what it asked for.

    A plain ``CREATE INDEX`` that succeeded needs no look. With ``IF NOT EXISTS``, an index of that name must
    be on that table and valid; and what runs the statement out of sight, such as a DO block, must name no
    INVALID index.

    Args:
        connection: the one that ran it, whose transaction is joined; names mean there what they meant.
        statement: one that succeeded.

    Raises:
        RefusedError: an index that it names is INVALID, or ``IF NOT EXISTS`` found something else.
    """
    plain = new_index(statement)
    for wanted in [plain] if plain else _embedded(statement):
        if wanted.index is not None and wanted.tolerant:
            _require(wanted, named_index(connection, wanted.index, wanted.table), embedded=plain is None)
    if plain is None and _may_make_indexes(statement):
        _refuse_first(_invalid_in(connection, statement))


def refuse_invalid(found: Any) -> NoReturn:
    """Refuse an INVALID index, a row of :func:`named_index`.

    Raises:
        RefusedError: always.
    """
    how = "" if found.partitioned else " CONCURRENTLY"
    raise RefusedError(
        f"the index {found.name} of {found.table_name} is INVALID, and is not on record as this revision's: "
        "queries do not use it, though IF NOT EXISTS is content with it",
        hint="A build that failed or was cut short left it, or one is under way. When none is, and nobody "
        f"needs it: DROP INDEX{how} {found.name}; then run the command again.",
    )


def _require(wanted: NewIndex, found: Any, *, embedded: bool) -> None:
    if found is None and embedded:
        return  # a branch that was not taken
    if found is None or found.name is None or not found.on_it:
        what = (
            f"is an index of {found.table_name}" if found is not None and found.table_name else "is no index"
        )
        raise RefusedError(
            f"IF NOT EXISTS was content with something else: {wanted.index} {what}, not of {wanted.table}",
            hint="Give the new index another name, or rename what has this one; then run the command again.",
        )
    if not found.usable and not (found.partitioned and wanted.only):
        refuse_invalid(found)


def _refuse_first(found: Sequence[Any]) -> None:
    for row in found:
        refuse_invalid(row)


def _invalid_in(connection: Connection, statement: str) -> list[Any]:
    return [
        row
        for row in connection.execute(_INVALID).all()
        if _mentions(statement, row.relname) and (row.visible or _mentions(statement, row.nspname))
    ]


def _mentions(statement: str, name: str) -> bool:
    end = "" if len(name.encode()) >= _CUT_FROM else r"(?![\w$])"
    written = re.escape(name.replace('"', '""'))
    return re.search(rf"(?<![\w$]){written}{end}", statement, re.IGNORECASE) is not None


def _plainly_created(statement: str) -> re.Match[str] | None:
    begins = _BEGINNING.match(statement)
    return _CREATE.match(statement, begins.end() if begins else 0)


def _may_make_indexes(statement: str) -> bool:
    return all(word.search(statement) for word in _WORDS)


def _embedded(statement: str) -> Iterator[NewIndex]:
    return map(_read, _CREATE.finditer(statement))


def _read(found: re.Match[str]) -> NewIndex:
    return NewIndex(
        index=found["index"],
        table=found["table"],
        concurrently=found["concurrently"] is not None,
        tolerant=found["tolerant"] is not None,
        only=found["only"] is not None,
        unique=found["unique"] is not None,
        definition=found.string[found.end() :],
    )
