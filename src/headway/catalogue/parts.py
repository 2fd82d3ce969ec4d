"""Everything a database holds, each part with the SQL that makes it, in PostgreSQL's own words."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import text

from headway.catalogue.part_queries import ALIASES, EDGES, PARTS, UNSPOKEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection

Key: TypeAlias = tuple[int, int, int]
"""A catalogue, an oid in it, and what tells several parts of one object apart."""

_Object: TypeAlias = tuple[int, int]

COMMENT = -100_000
"""From here downwards are the places of comments, which share the rows of what they are on."""
_PUBLIC = "schema public"
_NEEDS_TWO = frozenset({"owner of sequence", "partition"})
_LEDGER_COLUMN = "ledger_layout"


@dataclass(frozen=True, slots=True)
class Part:
    """One thing in a database: a table, a column of it, an index, a comment.

    Attributes:
        kind: what it is, as SQL calls it.
        schema: of it or of its table; ``None`` for what is in none.
        table: whose it is; ``None`` for what is no table's.
        name: unique within kind, schema and table; of a routine with the types of its arguments.
        make: the statement that makes it, without a semicolon at its end; of a column and a constraint what
            CREATE TABLE says of it, of a table what stands before its columns. Names have their schemas.
        rest: of a table what stands behind its columns; of a column ``local``, or ``inherited`` from a
            parent; of a constraint its table's name as SQL has it; of a comment its text; else "" or for
            this room alone.
        drop: the statement that takes it back; ``None`` where it can only go with something else.
        key: tells it from all others of this reading, and nothing else.
        needs: the keys of parts that must be there before.
    """

    kind: str
    schema: str | None
    table: str | None
    name: str
    make: str
    rest: str
    drop: str | None
    key: Key
    needs: frozenset[Key] = frozenset()

    @property
    def identity(self) -> tuple[str, str | None, str | None, str]:
        """What the same part of another database has in common with it."""
        return self.kind, self.schema, self.table, self.name


@dataclass(frozen=True, slots=True)
class Parts:
    """What a database holds.

    Attributes:
        all: every part but those of extensions, in an order of kind and name; a table's columns in theirs.
        unspoken: what is there besides, in words (``aggregate public.median(integer)``): kinds that this
            reading does not know, and privileges. Owners are not looked at.
    """

    all: tuple[Part, ...]
    unspoken: tuple[str, ...]


def read_parts(
    connection: Connection,
    schemas: Iterable[str] | None = None,
    *,
    version_table: tuple[str | None, str] | None = None,
) -> Parts:
    """Everything that the database holds, in five statements.

    The ``search_path`` is empty from here to the end of the transaction. Nothing is locked: only system
    catalogues are read. What belongs to an extension is left out, the extension itself is not; plpgsql is.
    A ledger of headway's is left out wherever it is.

    Args:
        connection: in a transaction, or about to begin one.
        schemas: only these; all that are not the system's when ``None``.
        version_table: its schema, ``None`` for whichever it is in, and its name: left out.

    Raises:
        sqlalchemy.exc.DBAPIError: the catalogue cannot be read.
    """
    connection.execute(text("SELECT pg_catalog.set_config('search_path', '', true)"))
    chosen = None if schemas is None else sorted(schemas)
    rows = connection.execute(text(PARTS), {"schemas": chosen}).all()
    aliases = {(row[0], row[1]): (row[2], row[3]) for row in connection.execute(text(ALIASES))}
    edges = defaultdict(set)
    for row in connection.execute(text(EDGES)):
        edges[row[0], row[1]].add((row[2], row[3]))
    unspoken = [
        what
        for schema, what in connection.execute(text(UNSPOKEN))
        if schema is None or chosen is None or schema in chosen
    ]
    found = [_part(row) for row in _shown(rows, edges, aliases, version_table)]
    return Parts(tuple(_connected(found, edges, aliases)), tuple(sorted(unspoken)))


def _part(row: Any) -> Part:
    kind, catalogue, oid, position, schema, table, name, make, rest, drop = row
    place = COMMENT - position if kind == "comment" else position
    return Part(kind, schema, table, name, _statement(make), rest or "", drop, (catalogue, oid, place))


def _statement(text_: str) -> str:
    return text_.rstrip().removesuffix(";")


def _shown(
    rows: Iterable[Any],
    edges: Mapping[_Object, set[_Object]],
    aliases: Mapping[_Object, _Object],
    version_table: tuple[str | None, str] | None,
) -> list[Any]:
    """All but the version table, the ledgers, and the views of these."""
    kept = list(rows)
    hidden = {(row[1], row[2]) for row in kept if row[0] == "column" and row[6] == _LEDGER_COLUMN}
    home, name = version_table or (None, None)
    hidden |= {
        (row[1], row[2]) for row in kept if row[0] == "table" and row[6] == name and home in {None, row[4]}
    }
    views = {(row[1], row[2]) for row in kept if row[0] == "view"}
    using = {aliases.get(thing, thing) for thing, needed in edges.items() if needed & hidden}
    hidden |= using & views
    tables = {(row[4], row[6]) for row in kept if row[0] in {"table", "view"} and (row[1], row[2]) in hidden}
    return [row for row in kept if (row[1], row[2]) not in hidden and (row[4], row[5]) not in tables]


def _connected(
    found: list[Part], edges: Mapping[_Object, set[_Object]], aliases: Mapping[_Object, _Object]
) -> Iterable[Part]:
    """The parts with what they need, sorted."""
    # Others with the same oid say something of it; they need it.
    main = {part.key[:2]: part for part in found if part.key[2] == 0}

    def whole(thing: _Object) -> Part | None:
        seen = set[_Object]()
        while thing not in main and thing in aliases and thing not in seen:
            seen.add(thing)
            thing = aliases[thing]
        return main.get(thing)

    needs: dict[Key, set[Key]] = defaultdict(set)
    for thing, needed in edges.items():
        if of := whole(thing):
            needs[of.key] |= {
                other.key
                for each in needed
                # The table that owns a sequence takes values from it; that it owns it is said afterwards.
                if (other := whole(each)) and other != of and (of.kind, other.kind) != ("sequence", "table")
            }
    for part in sorted(found, key=_place):
        of = whole(part.key[:2])
        if of is None and part.name != _PUBLIC:
            continue  # a comment on what is left out
        wanted = {of.key} if of and of.key != part.key else needs[part.key]
        if part.kind in _NEEDS_TWO and (other := whole((part.key[0], int(part.rest)))):
            wanted = wanted | {other.key}
        yield replace(part, needs=frozenset(wanted))


def _place(part: Part) -> tuple[Any, ...]:
    column = part.key[2] if part.kind == "column" else 0
    return part.kind, part.schema or "", part.table or "", column, part.name
