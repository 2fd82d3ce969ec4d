"""What rows a database holds, and which of them a migration lost or changed."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.testing.rows.solving import identifier

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import asyncpg

    from headway.results import Loss
    from headway.testing.rows.solving import Value
    from headway.testing.rows.tables import Column, Table

_PART = re.compile(r'"((?:[^"]|"")*)"|([^".]+)')


@dataclass(frozen=True, slots=True)
class Kept:
    """All rows of all tables at one moment; a row's values are in the order of its table's columns."""

    tables: Mapping[int, Table]
    rows: Mapping[int, tuple[tuple[Value, ...], ...]]

    def lost(self, later: Kept, losses: Sequence[Loss]) -> tuple[str, ...]:
        """What is not there any more in ``later``, a line each; empty when all is.

        Tables and columns are recognised after they are renamed. A value is lost when it is another one now,
        or NULL; where the column's type is another now, when it is NULL. A NULL that got a value is no loss.

        Args:
            later: the same database after a migration.
            losses: what the migration drops in plain sight (``Migrator.losses``), which is no secret.
        """
        dropped = _Dropped.of(losses)
        return tuple(
            finding
            for oid, table in self.tables.items()
            if self.rows[oid]
            for finding in self._of_table(table, later, dropped)
        )

    def _of_table(self, table: Table, later: Kept, dropped: _Dropped) -> Iterator[str]:
        now = later.tables.get(table.oid) or later.named(table.name)
        if now is None:
            if table.relname not in dropped.tables:
                yield f"{table.name}: the table is gone, with {_rows(len(self.rows[table.oid]))}"
            return
        pairs = _pairs(table, now)
        old = [_picked(table, row) for row in self.rows[table.oid]]
        new = [_picked(now, row) for row in later.rows[now.oid]]
        for number, column in table.columns.items():
            if number not in pairs and (table.relname, column.name) not in dropped.columns:
                count = sum(row[number] is not None for row in old)
                if count:
                    yield f"{table.name}: the column {column.name} is gone, with {count} values"
        key = [(table.columns[number], pairs.get(number)) for number in table.key]
        same_key = key and all(there and there.type == here.type for here, there in key)
        if not same_key:
            if len(new) < len(old):
                yield f"{table.name}: {_rows(len(old) - len(new))} of {len(old)} missing"
            return
        yield from _by_key(table, pairs, old, new)

    def named(self, name: str) -> Table | None:
        """The table of this name; ``None`` when there is none."""
        return next((table for table in self.tables.values() if table.name == name), None)


async def keep(connection: asyncpg.Connection[asyncpg.Record], tables: Mapping[int, Table]) -> Kept:
    """Read all rows of all tables.

    Args:
        connection: to the database.
        tables: as the database has them now.
    """
    rows = {}
    for oid, table in tables.items():
        texts = ", ".join(f"CAST({identifier(column.name)} AS text)" for column in table.columns.values())
        only = "" if table.partitioned else "ONLY "
        found = await connection.fetch(f"SELECT {texts} FROM {only}{table.name}")
        rows[oid] = tuple(tuple(row) for row in found)
    return Kept(tables, rows)


@dataclass(frozen=True, slots=True)
class _Dropped:
    """What a migration's SQL drops by name."""

    tables: frozenset[str]
    columns: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, losses: Sequence[Loss]) -> _Dropped:
        names = [(loss.kind, _parts(loss.what)) for loss in losses if loss.kind in {"table", "column"}]
        return cls(
            frozenset(parts[-1] for kind, parts in names if kind == "table"),
            frozenset((parts[-2], parts[-1]) for kind, parts in names if kind == "column" and len(parts) > 1),
        )


def _parts(name: str) -> list[str]:
    """The parts of a name as PostgreSQL means them: what is not quoted is folded."""
    return [
        quoted.replace('""', '"') if quoted else bare.strip().lower() for quoted, bare in _PART.findall(name)
    ]


def _pairs(old: Table, new: Table) -> dict[int, Column]:
    """For each old column the one that it is now: by number, or by name where the table was made anew."""
    if old.oid == new.oid:
        return {number: new.columns[number] for number in old.columns if number in new.columns}
    by_name = {column.name: column for column in new.columns.values()}
    return {n: by_name[column.name] for n, column in old.columns.items() if column.name in by_name}


def _picked(table: Table, row: tuple[Value, ...]) -> dict[int, Value]:
    return dict(zip(table.columns, row, strict=True))


def _by_key(
    table: Table,
    pairs: Mapping[int, Column],
    old: Sequence[Mapping[int, Value]],
    new: Sequence[Mapping[int, Value]],
) -> Iterator[str]:
    found = {tuple(row[pairs[number].number] for number in table.key): row for row in new}
    missing = 0
    changed: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for row in old:
        now = found.get(tuple(row[number] for number in table.key))
        if now is None:
            missing += 1
            continue
        for number, there in pairs.items():
            column = table.columns[number]
            was, is_ = row[number], now[there.number]
            if was is not None and (is_ is None or (is_ != was and column.type == there.type)):
                changed[column.name] += 1
                examples.setdefault(column.name, f"{_shown(was)} became {_shown(is_)}")
    if missing:
        yield f"{table.name}: {_rows(missing)} of {len(old)} missing"
    for name, count in changed.items():
        yield f"{table.name}: {name} changed in {_rows(count)}, for example {examples[name]}"


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def _shown(value: Value) -> str:
    return "NULL" if value is None else repr(value if len(value) <= 40 else value[:39] + "…")  # noqa: PLR2004  # characters
