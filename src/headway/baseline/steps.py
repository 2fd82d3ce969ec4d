"""In which order parts can be made, tables in one piece."""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from headway.catalogue.parts import COMMENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from headway.catalogue import Part, Parts
    from headway.catalogue.parts import Key

_ORDER = (
    *("schema", "extension", "collation", "enum", "domain", "domain constraint", "range", "composite type"),
    *("sequence", "table", "owner of sequence", "storage", "compression", "statistics target", "options"),
    *("check constraint", "not null constraint", "primary key", "unique constraint", "exclude constraint"),
    *("index", "options of index", "foreign key", "clustering", "replica identity", "partition"),
    *("statistics", "function", "procedure", "view", "default of view", "materialized view", "rule"),
    *("trigger", "state of trigger", "row security", "forced row security", "policy", "comment"),
)
"""Kinds as they are made where nothing that is needed speaks against it, for the reader's sake."""
_RANKS = {kind: rank for rank, kind in enumerate(_ORDER)}

_INLINE = frozenset({"check constraint", "primary key", "unique constraint", "exclude constraint"})
_RELATIONS = frozenset({"table", "view", "materialized view"})
_GO_ALONG = frozenset({"index", "trigger", "rule", "policy", "statistics"})
_CONSTRAINTS = _INLINE | {"foreign key", "not null constraint"}
_NAMED = re.compile(r'CONSTRAINT ("(?:[^"]|"")+"|\S+) ')

_SERIAL = {"smallint": "smallserial", "integer": "serial", "bigint": "bigserial"}
_LONGEST_NAME = 63


@dataclass(frozen=True, slots=True)
class Step:
    """What one statement makes.

    Attributes:
        part: what it makes.
        columns: of a table, those that are its own.
        constraints: of a table, those that come with it.
        comments: on a table and its columns, by the column's position; 0 is the table's.
        serial: the column of a table that is ``SERIAL``, if its primary key is.
        implied: it goes with its table, without a statement of its own.
    """

    part: Part
    columns: tuple[Part, ...] = ()
    constraints: tuple[Part, ...] = ()
    comments: Mapping[int, Part] = field(default_factory=dict)
    serial: str | None = None
    implied: bool = False

    @property
    def make(self) -> tuple[str, ...]:
        """The statements, without semicolons at their ends."""
        if self.part.kind == "table":
            lines = [*map(self._column, self.columns), *(each.make for each in self.constraints)]
            inner = "".join(f"\n    {line}," for line in lines).removesuffix(",")
            table = f"{self.part.make} ({inner}\n){self.part.rest}"
            return (table, *(comment.make for comment in self.comments.values()))
        if self.part.kind in _CONSTRAINTS:
            return (f"ALTER TABLE {self.part.rest} ADD {self.part.make}",)
        return (self.part.make,)

    @property
    def drop(self) -> str | None:
        """The statement that takes it back; ``None`` where it goes with something else."""
        if self.implied:
            return None
        if self.part.kind == "foreign key":
            named = _NAMED.match(self.part.make)
            return f"ALTER TABLE {self.part.rest} DROP CONSTRAINT {named[1]}" if named else None
        return self.part.drop

    def _column(self, column: Part) -> str:
        if column.name != self.serial:
            return column.make
        name, type_ = column.make.split(" DEFAULT ")[0].rsplit(" ", 1)
        return f"{name} {_SERIAL[type_]}"


def steps_of(parts: Parts) -> tuple[Step, ...]:
    """All parts, each after those that it needs.

    Parts that need each other in a circle come last, in the order of their kinds; PostgreSQL then says what
    is amiss with them.
    """
    found = {part.key: part for part in parts.all}
    serials = _serials(parts.all)
    into = _homes(parts.all, serials)
    needs: dict[Key, set[Key]] = {key: set() for key in found if into[key] == key}
    pieces: dict[Key, list[Part]] = {}
    for part in parts.all:
        home = into[part.key]
        needs[home] |= {into[key] for key in part.needs if key in into and into[key] != home}
        pieces.setdefault(home, []).append(part)
    for key, also in _before_attaching(parts.all):
        needs[key] |= {into[each] for each in also} - {key}
    order = {key: place for place, key in enumerate(_sorted(found, needs))}
    return tuple(
        replace(
            _step(found[key], pieces[key], serials.get(key)),
            implied=_goes_with_its_table(found[key], {found[each] for each in needs[key]}, order),
        )
        for key in order
    )


def _goes_with_its_table(part: Part, needed: set[Part], order: Mapping[Key, int]) -> bool:
    """Whether nothing that is dropped before its table stands in its way, as a later function would."""
    if any(each.kind == part.kind for each in needed):
        return part.kind in {"index", "foreign key"}  # a partition's goes with its parent's
    if part.kind not in _GO_ALONG:
        return False
    homes = [each for each in needed if each.kind in _RELATIONS]
    after = max((order[each.key] for each in homes), default=0)
    return all(order[each.key] <= after for each in needed)


def _homes(parts: Sequence[Part], serials: Mapping[Key, Part]) -> dict[Key, Key]:
    """For each part the one whose statement makes it, which may be itself."""
    tables = {(part.schema, part.name): part.key for part in parts if part.kind == "table"}
    keys = frozenset(tables.values())
    sequences = {_sequence_of(column): key for key, column in serials.items()}
    homes = {}
    for part in parts:
        home: Key | None = None
        if part.kind == "column" or (part.kind in _INLINE and not part.make.endswith(" NOT VALID")):
            home = tables.get((part.schema, part.table or ""))
        elif part.kind == "comment":
            home = next((key for key in part.needs if key in keys and key[:2] == part.key[:2]), None)
        elif part.kind in {"sequence", "owner of sequence"}:
            home = sequences.get((part.schema, part.name))
        homes[part.key] = home or part.key
    return homes


def _before_attaching(parts: Sequence[Part]) -> Iterator[tuple[Key, list[Key]]]:
    """What a table and its partition have before they are joined: PostgreSQL then pairs what is alike."""
    of_tables: dict[tuple[str | None, str | None], list[Key]] = {}
    tables = {part.key: (part.schema, part.name) for part in parts if part.kind == "table"}
    for part in parts:
        if part.kind in _CONSTRAINTS or part.kind == "index":
            of_tables.setdefault((part.schema, part.table), []).append(part.key)
    for part in parts:
        if part.kind == "partition":
            both = [tables[key] for key in part.needs if key in tables]
            yield part.key, [key for table in both for key in of_tables.get(table, [])]


def _serials(parts: Sequence[Part]) -> dict[Key, Part]:
    """The columns that ``SERIAL`` makes as they are and that are their tables' primary keys, by table."""
    found: dict[tuple[str | None, str, str], dict[str, Part]] = {}
    for part in parts:
        place = (part.schema, part.table or part.name, "")
        if part.kind in {"table", "primary key"}:
            found.setdefault(place, {})[part.kind] = part
        elif part.kind in {"sequence", "owner of sequence"}:
            found.setdefault((part.schema, "", part.name), {})[part.kind] = part
    columns = (part for part in parts if part.kind == "column")
    serials = {}
    for column in columns:
        schema, name = _sequence_of(column)
        table, sequence = found.get((schema, column.table or "", ""), {}), found.get((schema, "", name), {})
        if len(name.encode()) <= _LONGEST_NAME and _is_serial(column, table, sequence):
            serials[table["table"].key] = column
    return serials


def _is_serial(column: Part, table: Mapping[str, Part], sequence: Mapping[str, Part]) -> bool:
    key, made, owned = table.get("primary key"), sequence.get("sequence"), sequence.get("owner of sequence")
    default = re.fullmatch(r"(\S+) (\w+) DEFAULT nextval\('(.+)'::regclass\) NOT NULL", column.make)
    if not (key and made and owned and default):
        return False
    name, type_, taken = default.groups()
    return (
        type_ in _SERIAL
        and key.make.endswith(f" PRIMARY KEY ({name})")
        and made.make == f"CREATE SEQUENCE {taken} AS {type_}"
        and owned.make.endswith(f".{name}")
        and owned.key[2] == column.key[2]
    )


def _sequence_of(column: Part) -> tuple[str | None, str]:
    """The sequence that ``SERIAL`` would make for a column (manual, section 8.1.4)."""
    return column.schema, f"{column.table}_{column.name}_seq"


def _step(part: Part, pieces: Sequence[Part], serial: Part | None) -> Step:
    if part.kind != "table":
        return Step(part)
    return Step(
        part,
        columns=tuple(each for each in pieces if each.kind == "column" and each.rest == "local"),
        constraints=tuple(
            sorted((each for each in pieces if each.kind in _INLINE), key=lambda each: _RANKS[each.kind])
        ),
        comments={COMMENT - each.key[2]: each for each in pieces if each.kind == "comment"},
        serial=serial.name if serial else None,
    )


def _sorted(found: Mapping[Key, Part], needs: Mapping[Key, set[Key]]) -> Iterator[Key]:
    """Kahn's algorithm, that takes of what could come next the one to come first by kind and name."""

    def place(key: Key) -> tuple[int, str, str, str, Key]:
        part = found[key]
        return _RANKS.get(part.kind, len(_RANKS)), part.schema or "", part.table or "", part.name, key

    waiting = {key: len(needed) for key, needed in needs.items()}
    wanted_by: dict[Key, list[Key]] = {}
    for key, needed in needs.items():
        for each in needed:
            wanted_by.setdefault(each, []).append(key)
    ready = [place(key) for key, count in waiting.items() if not count]
    heapq.heapify(ready)
    while ready:
        *_, key = heapq.heappop(ready)
        del waiting[key]
        yield key
        for each in wanted_by.get(key, []):
            waiting[each] -= 1
            if not waiting[each]:
                heapq.heappush(ready, place(each))
    yield from sorted(waiting, key=place)
