"""Filling every table with rows that its constraints allow, or saying why that cannot be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

from headway.testing.rows.ordering import is_required, ordered
from headway.testing.rows.solving import cast, identifier, solve
from headway.testing.rows.values import nth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headway.testing.rows.solving import Solved, Value
    from headway.testing.rows.tables import Column, Reference, Table

ROWS = 3
"""How many rows a table gets: a full one, one with every NULL that is allowed, and another full one."""
_ENOUGH = 12  # rows beyond which no more are added, however little they differ
_TRIES = 24
_LAST_TRIES = 4
_SPARSE = 1  # which of the rows has the NULLs
_PARENTS = 50  # rows of a parent that are considered
_EXPLICIT = 1_000_000  # where numbers begin that a sequence would have given; it will not get there

_DEFAULT = "DEFAULT"


@dataclass(frozen=True, slots=True)
class Filling:
    """What became of it.

    Attributes:
        rows: by table, how many rows were added; tables that had enough are left out.
        unfilled: by table, why it holds fewer rows than wanted.
    """

    rows: dict[str, int] = field(default_factory=dict)
    unfilled: dict[str, str] = field(default_factory=dict)


class _UnknownTypeError(Exception):
    """No value is known of a column's type, and it may not be NULL."""


async def fill(connection: asyncpg.Connection[asyncpg.Record], tables: Mapping[int, Table]) -> Filling:
    """Add rows to every table that has fewer than three, or a column without any value.

    Args:
        connection: to the database, with no transaction open. Triggers fire; the rows are committed.
        tables: all of the database's.
    """
    filling = Filling()
    async with connection.transaction():
        # What would only be refused at COMMIT is refused at once, where another row can be tried.
        await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for group in ordered(tables):
            await _Group(connection, tables, group, filling).fill()
        for table in tables.values():
            await _close_circles(connection, tables, table)
    return filling


class _Group:
    """Tables that are filled together: nearly always one."""

    def __init__(
        self,
        connection: asyncpg.Connection[asyncpg.Record],
        tables: Mapping[int, Table],
        group: tuple[int, ...],
        filling: Filling,
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._members = [tables[oid] for oid in group]
        self._filling = filling
        # A row that needs one of its own statement's must know its key beforehand.
        self._closed = any(
            reference.parent in group and is_required(member, reference)
            for member in self._members
            for reference in member.references
        )
        self._solved: dict[int, list[Solved]] = {}

    async def fill(self) -> None:
        counts = [await _rows_wanted(self._connection, member) for member in self._members]
        if not any(wanted for _, wanted in counts):
            return
        start = max(count for count, _ in counts)
        try:
            for member in self._members:
                parents = await self._parents(member)
                known = {
                    reference.columns[0]: [key for (key,) in parents[reference] if key is not None]
                    for reference in member.references
                    if len(reference.columns) == 1 and parents[reference]
                }
                self._solved[member.oid] = await solve(self._connection, member, known, start)
            for number in range(ROWS):
                await self._add(start, number)
        except _UnknownTypeError as error:
            for member in self._members:
                self._filling.unfilled[member.name] = str(error)

    async def _add(self, start: int, number: int) -> None:
        reason = ""
        parents = {member.oid: await self._parents(member) for member in self._members}
        for shift in range(_TRIES):
            rows = {
                member.oid: self._row(member, parents[member.oid], start + number, number, shift)
                for member in self._members
            }
            self._join(rows)
            try:
                async with self._connection.transaction():
                    await self._connection.execute(self._statement(rows))
            except asyncpg.PostgresError as error:
                reason = str(error.args[0])
                continue
            for member in self._members:
                self._filling.rows[member.name] = self._filling.rows.get(member.name, 0) + 1
            return
        for member in self._members:
            had = start + self._filling.rows.get(member.name, 0)
            if had < ROWS:
                self._filling.unfilled[member.name] = f"{had} of {ROWS} rows: {reason}"

    async def _parents(self, table: Table) -> dict[Reference, list[tuple[Value, ...]]]:
        return {
            reference: await _keys(self._connection, self._tables, reference)
            for reference in table.references
        }

    def _row(
        self,
        table: Table,
        parents: Mapping[Reference, list[tuple[Value, ...]]],
        position: int,
        number: int,
        shift: int,
    ) -> dict[int, Value]:
        # The first tries set every column; later ones let the table's defaults speak, the last ones NULL.
        sparse = number == _SPARSE or shift >= _TRIES - _LAST_TRIES
        defaults = shift >= _TRIES // 2
        row = {
            column.number: _own_value(column, position + shift * ROWS, sparse=sparse, defaults=defaults)
            for column in table.columns.values()
            if not column.generated and not (column.counted and not self._closed)
        }
        for part in self._solved[table.oid]:
            chosen = part.sparse(shift) if sparse else part.full(position + shift)
            row.update(zip(part.columns, chosen, strict=True))
        for reference, keys in parents.items():
            _refer(table, reference, keys, row, position + shift, sparse=sparse)
        if self._closed:
            row.update({c.number: str(_EXPLICIT + position) for c in table.columns.values() if c.counted})
        missing = [
            table.columns[n] for n, value in row.items() if value is None and table.columns[n].not_null
        ]
        unknown = [column for column in missing if nth(column, 0) is None and not column.has_default]
        if unknown:
            raise _UnknownTypeError(
                f"no value is known of the type {unknown[0].type} of its column {unknown[0].name}"
            )
        return {
            n: _DEFAULT if table.columns[n] in missing and table.columns[n].has_default else v
            for n, v in row.items()
        }

    def _join(self, rows: Mapping[int, dict[int, Value]]) -> None:
        """Let rows of one statement refer to each other, where they have to."""
        for member in self._members:
            for reference in member.references:
                if reference.parent in rows and is_required(member, reference):
                    parent = rows[reference.parent]
                    for own, theirs in zip(reference.columns, reference.referenced, strict=True):
                        rows[member.oid][own] = parent.get(theirs)

    def _statement(self, rows: Mapping[int, Mapping[int, Value]]) -> str:
        inserts = [_insert(self._tables[oid], row, explicit=self._closed) for oid, row in rows.items()]
        # Foreign keys are looked at when the whole statement is done (PostgreSQL manual, section 7.8.4).
        before = ", ".join(f"w{place} AS ({insert})" for place, insert in enumerate(inserts[:-1]))
        return f"WITH {before} {inserts[-1]}" if before else inserts[-1]


def _insert(table: Table, row: Mapping[int, Value], *, explicit: bool) -> str:
    if not row:
        return f"INSERT INTO {table.name} DEFAULT VALUES"
    names = ", ".join(identifier(table.columns[number].name) for number in row)
    values = ", ".join(
        _DEFAULT if value == _DEFAULT else cast(value, table.columns[number].type)
        for number, value in row.items()
    )
    overriding = " OVERRIDING SYSTEM VALUE" if explicit else ""
    return f"INSERT INTO {table.name} ({names}){overriding} VALUES ({values})"


def _own_value(column: Column, number: int, *, sparse: bool, defaults: bool) -> Value:
    if sparse and not column.not_null:
        return None
    return _DEFAULT if defaults and column.has_default else nth(column, number)


def _refer(
    table: Table,
    reference: Reference,
    keys: list[tuple[Value, ...]],
    row: dict[int, Value],
    number: int,
    *,
    sparse: bool,
) -> None:
    """Set a foreign key's columns to a row that is there; to NULL where there is none, or none is wanted."""
    free = [own for own in reference.columns if not table.columns[own].not_null]
    if (sparse or not keys) and free:
        row.update(dict.fromkeys(free))
        return
    # Columns that two foreign keys share are set by the first; the second must find a row that agrees.
    shared = {own for other in table.references[: table.references.index(reference)] for own in other.columns}
    agreeing = [
        key
        for key in keys
        if all(
            row.get(own) == value for own, value in zip(reference.columns, key, strict=True) if own in shared
        )
    ] or keys
    if agreeing:
        row.update(zip(reference.columns, agreeing[number % len(agreeing)], strict=True))


async def _keys(
    connection: asyncpg.Connection[asyncpg.Record], tables: Mapping[int, Table], reference: Reference
) -> list[tuple[Value, ...]]:
    """What the rows of the parent hold in the columns that are referred to; oldest first."""
    parent = tables.get(reference.parent)
    if parent is None:
        return []
    names = [identifier(parent.columns[number].name) for number in reference.referenced]
    texts = ", ".join(f"CAST({name} AS text)" for name in names)
    query = f"SELECT {texts} FROM {parent.name} LIMIT {_PARENTS}"
    return [tuple(row) for row in await connection.fetch(query) if None not in tuple(row)]


async def _rows_wanted(connection: asyncpg.Connection[asyncpg.Record], table: Table) -> tuple[int, bool]:
    """How many rows a table has, and whether it should get more."""
    telling = [identifier(column.name) for column in table.columns.values() if not column.generated]
    counts = "".join(f", pg_catalog.count({name})" for name in telling)
    row = await connection.fetchrow(f"SELECT pg_catalog.count(*){counts} FROM {table.name}")
    count, *values = row or (0,)
    return count, count < ROWS or (count < _ENOUGH and 0 in values)


async def _close_circles(
    connection: asyncpg.Connection[asyncpg.Record], tables: Mapping[int, Table], table: Table
) -> None:
    """Let one row refer to a row that was not there yet when it was written."""
    for reference in table.references:
        names = [identifier(table.columns[number].name) for number in reference.columns]
        unset = f"SELECT pg_catalog.count({names[0]}) = 0 FROM {table.name}"
        if is_required(table, reference) or not await connection.fetchval(unset):
            continue
        for key in await _keys(connection, tables, reference):
            values = ", ".join(
                f"{name} = {cast(value, table.columns[number].type)}"
                for name, value, number in zip(names, key, reference.columns, strict=True)
            )
            first = f"SELECT f.ctid FROM {table.name} AS f LIMIT 1"
            try:
                async with connection.transaction():
                    await connection.execute(f"UPDATE {table.name} SET {values} WHERE ctid = ({first})")
                break
            except asyncpg.PostgresError:
                continue  # the row may not refer to this one: the next
