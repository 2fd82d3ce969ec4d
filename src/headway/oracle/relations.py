"""Relations as a transaction finds them, and what it holds and has done to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import text

from headway.results import LockMode, RelationLock
from headway.sqltext import Kind, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection

# What initdb made has an oid below 16384 (FirstNormalObjectId, access/transam.h): that is the catalogue.
_ALL = text("""
    SELECT
        CAST(c.oid AS pg_catalog.int8), n.nspname, c.relname, CAST(c.relkind AS pg_catalog.text),
        CAST(c.relfilenode AS pg_catalog.int8), CAST(i.indrelid AS pg_catalog.int8),
        pg_catalog.pg_stat_get_xact_numscans(c.oid)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
    WHERE c.oid >= 16384 AND n.nspname <> 'pg_toast'
        AND c.relkind IN ('r', 'p', 'i', 'I', 'v', 'm', 'S', 'f')
""")
_HELD = text("""
    SELECT CAST(l.relation AS pg_catalog.int8), l.modes,
        CAST(c.oid AS pg_catalog.int8), n.nspname, c.relname, CAST(c.relkind AS pg_catalog.text),
        CAST(c.relfilenode AS pg_catalog.int8), CAST(i.indrelid AS pg_catalog.int8),
        pg_catalog.pg_stat_get_xact_numscans(c.oid)
    FROM (
        SELECT relation, pg_catalog.array_agg(mode) AS modes FROM pg_catalog.pg_locks
        WHERE locktype = 'relation' AND pid = pg_catalog.pg_backend_pid() AND relation >= 16384
            AND database = (
                SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        GROUP BY relation
    ) l
    LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
""")

# pg_class.relkind (manual, section 52.11).
_KINDS = {
    "r": "table",
    "p": "table",
    "i": "index",
    "I": "index",
    "v": "view",
    "m": "materialized view",
    "S": "sequence",
    "f": "foreign table",
}
_HOLDS_ROWS = frozenset({"r", "m"})


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation at one moment.

    Attributes:
        oid: its identity; an index that ALTER TABLE makes anew gets another one.
        schema: where it is.
        name: what it is called.
        relkind: what it is, as ``pg_class`` has it.
        filenode: the file of its rows; another one after it was written anew. 0 where it has none.
        owner: the table's oid, for an index.
        scans: how often this transaction has begun to read it from one end, or to search it as an index.
    """

    oid: int
    schema: str
    name: str
    relkind: str
    filenode: int
    owner: int | None
    scans: int

    @property
    def shown(self) -> str:
        """Its name, with its schema in front unless that is ``public``."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    @property
    def is_index(self) -> bool:
        """Whether it is an index."""
        return self.owner is not None

    @property
    def holds_rows(self) -> bool:
        """Whether reading or writing it takes as long as it has rows."""
        return self.relkind in _HOLDS_ROWS

    def locked(self, mode: LockMode) -> RelationLock:
        """A lock on it."""
        return RelationLock(self.shown, _KINDS[self.relkind], mode)


@dataclass(frozen=True, slots=True)
class Picture:
    """What there is, by oid; and which locks the transaction holds on what."""

    relations: Mapping[int, Relation]
    held: Mapping[int, frozenset[LockMode]] = field(default_factory=dict)

    def named(self, schema: str, name: str) -> Relation | None:
        """The relation of a name; ``None`` when there is none."""
        return next((it for it in self.relations.values() if (it.schema, it.name) == (schema, name)), None)


def everything(connection: Connection) -> Picture:
    """All relations that are not PostgreSQL's own, as this transaction finds them; nothing is locked."""
    return Picture({row[0]: Relation(*row) for row in connection.execute(_ALL)})


def brought_up_to_date(connection: Connection, before: Picture) -> Picture:
    """What this transaction holds locks on, as it now is; all else is taken from ``before``.

    Nothing can have changed that is not locked.
    """
    relations = dict(before.relations)
    held: dict[int, frozenset[LockMode]] = {}
    for oid, modes, *row in connection.execute(_HELD):
        held[oid] = frozenset(map(LockMode, modes))
        if row[0] is None:
            relations.pop(oid, None)
        elif row[3] in _KINDS and row[1] != "pg_toast":
            relations[oid] = Relation(*row)
    return Picture(relations, held)


def mentioned(statement: str, relations: Iterable[Relation]) -> frozenset[int]:
    """The oids of those that a statement speaks of by name, as far as its words can tell."""
    names = {_plain(word) for word in _words(statement)}
    return frozenset(relation.oid for relation in relations if relation.name in names)


def _words(statement: str) -> Iterable[str]:
    for token in tokens(statement):
        if token.kind in {Kind.NAME, Kind.WORD}:
            yield statement[token.start : token.end]


def _plain(word: str) -> str:
    """A name as the catalogue has it (manual, section 4.1.1)."""
    return word[1:-1].replace('""', '"') if word.startswith('"') else word.lower()
