"""What becomes of the tables between two catalogues, as plain data for a drawing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headway.catalogue import Catalogue, Column, Index, Table


class Fate(StrEnum):
    """What becomes of something."""

    NEW = "new"
    GONE = "gone"
    CHANGED = "changed"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Line:
    """A column, a constraint or an index on both sides; ``None`` where it is not."""

    name: str
    before: str | None
    after: str | None

    @property
    def fate(self) -> Fate:
        """What becomes of it."""
        if self.before is None:
            return Fate.NEW
        if self.after is None:
            return Fate.GONE
        return Fate.SAME if self.before == self.after else Fate.CHANGED


@dataclass(frozen=True, slots=True)
class TableChange:
    """A table that comes, goes or changes.

    Attributes:
        name: with its schema unless that is ``public``.
        fate: of the table.
        columns: all of them, in the order of the new table, those that go behind.
        rules: its constraints and indexes, by name; those that stay are left out.
        refers: the tables that its foreign keys refer to afterwards.
    """

    name: str
    fate: Fate
    columns: tuple[Line, ...]
    rules: tuple[Line, ...]
    refers: tuple[str, ...]


def altered(before: Catalogue, after: Catalogue) -> tuple[TableChange, ...]:
    """The tables that differ, by name; empty when none do. The ledger's own are left out."""
    found = []
    for key in sorted({*before.tables, *after.tables}):
        old, new = before.tables.get(key), after.tables.get(key)
        if old == new or is_ours(old or new):
            continue
        fate = Fate.NEW if old is None else Fate.GONE if new is None else Fate.CHANGED
        rules = tuple(line for line in _lines(_rules(old), _rules(new)) if line.fate is not Fate.SAME)
        refers = tuple(
            sorted({_named(*rule.referred) for rule in (new.constraints if new else ()) if rule.referred})
        )
        columns = _lines(_columns(old), _columns(new))
        found.append(TableChange(_named(*key), fate, columns, rules, refers))
    return tuple(found)


def is_ours(table: Table | None) -> bool:
    """Whether it is the ledger or the version table, which are there on both sides but for the first time."""
    names = {column.name for column in table.columns} if table else set()
    return "ledger_layout" in names or names == {"version_num"}


def _lines(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Line, ...]:
    order = [*new, *(name for name in old if name not in new)]
    return tuple(Line(name, old.get(name), new.get(name)) for name in order)


def _columns(table: Table | None) -> dict[str, str]:
    return {column.name: _said(column) for column in (table.columns if table else ())}


def _rules(table: Table | None) -> dict[str, str]:
    if table is None:
        return {}
    indexes = ((f"index {each.name}", _index(each)) for each in table.indexes if not each.constraint)
    rules = ((f"constraint {rule.name}", rule.definition) for rule in table.constraints if rule.kind != "n")
    return {**dict(rules), **dict(indexes)}


def _index(index: Index) -> str:
    keys = ", ".join(each.text for each in index.elements)
    where = f" where {index.where}" if index.where else ""
    return f"{'unique ' if index.unique else ''}{index.method} ({keys}){where}"


def _said(column: Column) -> str:
    parts = [column.type, "" if column.nullable else "not null"]
    if column.default is not None:
        parts.append(f"default {column.default}")
    if column.identity is not None:
        parts.append("identity")
    if column.expression is not None:
        parts.append(f"generated as {column.expression}")
    return " ".join(part for part in parts if part)


def _named(schema: str, name: str) -> str:
    return name if schema == "public" else f"{schema}.{name}"
