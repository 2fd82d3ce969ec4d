"""Values that a table's CHECKs allow: PostgreSQL is asked which of many suggested ones they are."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import asyncpg

from headway.testing.rows.values import nth, suggestions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headway.testing.rows.tables import Column, Table

Value = str | None
"""A value as text that a cast takes; ``None`` is NULL."""

_COMBINATIONS = 20_000  # so many are tried of the columns that one CHECK speaks of
_SOLUTIONS = 200
_OWN = 8  # values of a column's type that are tried besides those a rule suggests
_DOMAIN_VALUE = re.compile(r"\bVALUE\b")


@dataclass(frozen=True, slots=True)
class Solved:
    """What the columns of some rules may hold together: those with the fewest NULLs first."""

    columns: tuple[int, ...]
    solutions: tuple[tuple[Value, ...], ...]

    def full(self, number: int) -> tuple[Value, ...]:
        """One of those with the fewest NULLs; another for every number as long as there are others."""
        fewest = self.solutions[0].count(None)
        full = [solution for solution in self.solutions if solution.count(None) == fewest]
        return full[number % len(full)]

    def sparse(self, number: int) -> tuple[Value, ...]:
        """One of those with the most NULLs, likewise."""
        most = self.solutions[-1].count(None)
        sparse = [solution for solution in self.solutions if solution.count(None) == most]
        return sparse[number % len(sparse)]


async def solve(
    connection: asyncpg.Connection[asyncpg.Record],
    table: Table,
    known: Mapping[int, Sequence[str]],
    start: int,
) -> list[Solved]:
    """Find values for the columns that a table's CHECKs and domains speak of.

    Args:
        connection: in a transaction.
        table: the table.
        known: by column, the only values it may have: those of the rows it refers to.
        start: where to begin in the values of a type; other rows have those before it.

    Returns:
        One entry for each set of columns that hang together; empty without rules.
    """
    rules = [*((rule.columns, rule.expression) for rule in table.rules), *_domain_rules(table)]
    found = []
    for columns in _together([set(columns) for columns, _ in rules if columns]):
        own = [expression for spoken_of, expression in rules if columns.issuperset(spoken_of) and spoken_of]
        offers = {
            number: known.get(number) or await _offers(connection, table.columns[number], own, start)
            for number in sorted(columns)
        }
        found.append(await _solved(connection, table, offers, own))
    return found


def _domain_rules(table: Table) -> list[tuple[tuple[int, ...], str]]:
    return [
        ((number,), _DOMAIN_VALUE.sub(lambda _, name=column.name: identifier(name), rule))  # type: ignore[misc]
        for number, column in table.columns.items()
        for rule in column.rules
    ]


def _together(sets: list[set[int]]) -> list[set[int]]:
    """Columns that some rule speaks of at once, directly or by way of others."""
    parts: list[set[int]] = []
    for one in sets:
        touching = [part for part in parts if part & one]
        parts = [part for part in parts if not part & one] + [one.union(*touching)]
    return parts


async def _offers(
    connection: asyncpg.Connection[asyncpg.Record],
    column: Column,
    rules: list[str],
    start: int,
) -> list[str]:
    numbers = range(start, start + _OWN)
    suggested = list(dict.fromkeys(suggestions(column, rules, numbers)))
    own = [value for n in numbers if (value := nth(column, n)) is not None]
    fitting = await _castable(connection, column, suggested)
    # By turns, for only the first ones are tried where many columns hang together.
    mixed = [value for pair in zip(own, fitting, strict=False) for value in pair]
    return list(dict.fromkeys([*mixed, *own, *fitting]))


async def _castable(
    connection: asyncpg.Connection[asyncpg.Record], column: Column, values: list[str]
) -> list[str]:
    """Those that are values of the column's type."""
    fitting: list[str] = []
    for some in ([values], [[value] for value in values]):
        fitting = []
        for each in some:
            try:
                async with connection.transaction():
                    await connection.fetch(
                        "SELECT " + (", ".join(cast(value, column.plain) for value in each) or "1")
                    )
                fitting += each
            except asyncpg.PostgresError:
                continue
        if len(fitting) == len(values):
            break
    return fitting


async def _solved(
    connection: asyncpg.Connection[asyncpg.Record],
    table: Table,
    offers: Mapping[int, Sequence[str]],
    rules: list[str],
) -> Solved:
    width = max(3, int(_COMBINATIONS ** (1 / len(offers))))
    names = {number: identifier(table.columns[number].name) for number in offers}
    sources = []
    for number, values in offers.items():
        column = table.columns[number]
        nulls = [] if column.not_null else ["NULL"]
        some = [*islice((cast(value, column.plain) for value in values), width), *nulls] or ["NULL"]
        rows = ", ".join(f"(CAST({value} AS {column.plain}))" for value in some)
        sources.append(f"(VALUES {rows}) AS {identifier(f'values {number}')} ({names[number]})")
    columns = ", ".join(names.values())
    texts = ", ".join(f"CAST({name} AS text)" for name in names.values())
    order = f"pg_catalog.md5(pg_catalog.concat_ws(',', {texts})) LIMIT {_SOLUTIONS}"
    fitting = (
        f"SELECT {columns} FROM {' CROSS JOIN '.join(sources)} "
        f"WHERE {' AND '.join(f'({rule}) IS NOT FALSE' for rule in rules)}"
    )
    query = (
        f"WITH fitting AS MATERIALIZED ({fitting}) "
        f"(SELECT {texts} FROM fitting ORDER BY pg_catalog.num_nulls({columns}), {order}) UNION "
        f"(SELECT {texts} FROM fitting ORDER BY pg_catalog.num_nonnulls({columns}), {order})"
    )
    try:
        async with connection.transaction():
            solutions = [tuple(row) for row in await connection.fetch(query)]
    except asyncpg.PostgresError:
        solutions = []  # a rule that raises for some values; the rows are then tried without its help
    if not solutions:
        solutions = [tuple(values[0] if values else None for values in offers.values())]
    solutions.sort(key=lambda solution: (solution.count(None), hash_of(solution)))
    return Solved(tuple(offers), tuple(solutions))


def hash_of(solution: tuple[Value, ...]) -> str:
    """A number that tells solutions apart and puts them in an order that is no order of their values."""
    return hashlib.sha256(repr(solution).encode()).hexdigest()


def identifier(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def cast(value: Value, type_: str) -> str:
    """A value as SQL takes it."""
    return "NULL" if value is None else "CAST('" + value.replace("'", "''") + f"' AS {type_})"
