"""What one direction leaves of a schema, so that the two can be held against each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from headway.lint import deeds
from headway.lint.deeds import Kind
from headway.lint.names import quoted
from headway.lint.schema import default_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from headway.lint.acts import Act
    from headway.lint.deeds import Constraint
    from headway.lint.names import Name

Key: TypeAlias = tuple[str, ...]
"""A thing: its kind, its table where it has one, its name."""


class Change(StrEnum):
    """What became of a thing."""

    MADE = "made"
    GONE = "gone"
    ALTERED = "altered"


_VERBS = {Change.MADE: "drop", Change.GONE: "bring back", Change.ALTERED: "change back"}
_OF_A_TABLE = frozenset({"column", "constraint", "type of column", "NOT NULL of column", "default of column"})
_OBJECTS = frozenset({"table", "view", "index", "type", "sequence"})
_KINDS = {"materialized view": "view", "foreign table": "table", "domain": "type"}
_LOSING = frozenset({"table", "column"})


@dataclass(slots=True)
class Balance:
    """What a direction makes, drops and alters, in total.

    Attributes:
        changes: each thing with what became of it.
        columns: the columns of the indexes and constraints among them, with which they go.
        certain: whether all of it could be told.
    """

    changes: dict[Key, Change] = field(default_factory=dict)
    columns: dict[Key, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    certain: bool = True

    def make(self, *key: str) -> None:
        """Something comes into being; what was dropped before is altered."""
        was = self.changes.get(key)
        self.changes[key] = Change.MADE if was is None else Change.ALTERED

    def drop(self, *key: str) -> None:
        """Something goes; what was made before was never there."""
        if self.changes.get(key) is Change.MADE:
            del self.changes[key]
        else:
            self.changes[key] = Change.GONE
        if key[0] == "table":
            for inner in [each for each in self.changes if each[0] in _OF_A_TABLE and each[1] == key[1]]:
                del self.changes[inner]

    def alter(self, *key: str) -> None:
        """Something is altered."""
        self.changes.setdefault(key, Change.ALTERED)

    @property
    def due(self) -> dict[Key, Change]:
        """What a downgrade has to undo: what is part of something else that it undoes is left out."""
        return {key: change for key, change in self.changes.items() if not self._goes_along(key)}

    def _goes_along(self, key: Key) -> bool:
        """Whether a thing belongs to a table or column that itself comes or goes here."""
        return any(self.changes.get(whole) in {Change.MADE, Change.GONE} for whole in self._wholes(key))

    def _wholes(self, key: Key) -> Iterator[Key]:
        if key[0] in _OF_A_TABLE:
            yield ("table", key[1])
            if key[0] != "column":
                yield ("column", key[1], key[-1])
        table, columns = self.columns.get(key, ("", ()))
        if table:
            yield ("table", table)
            yield from (("column", table, column) for column in columns)

    def not_undone_by(self, back: Balance) -> Iterator[str]:
        """What a downgrade leaves as it is, one line each."""
        for key, change in self.due.items():
            wholes = list(self._wholes(key))
            if (key not in back.changes and not any(whole in back.changes for whole in wholes)) or (
                key in back.changes and back.changes[key] is change is not Change.ALTERED
            ):
                yield f"it does not {_VERBS[change]} {_called(key)}"

    def takes_more_than(self, forth: Balance) -> Iterator[str]:
        """The tables and columns that this drops and the other direction did not make, one line each."""
        for key, change in self.due.items():
            made = forth.changes.get(key) in {Change.MADE, Change.ALTERED}
            whole = any(forth.changes.get(each) is Change.MADE for each in self._wholes(key))
            if key[0] in _LOSING and change is Change.GONE and not made and not whole:
                yield f"it drops {_called(key)}, which the upgrade did not make"

    def told(self) -> str:
        """What there is to undo, in words; the first few of many."""
        names = [f"{_called(key)} {change.value}" for key, change in self.due.items()]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return ", ".join(names[:_SHOWN]) + more


_SHOWN = 3


def _called(key: Key) -> str:
    return f"{key[0]} {'.'.join(map(quoted, key[1:]))}"


def balance_of(acts: Iterable[Act]) -> Balance:
    """What a direction leaves."""
    balance = Balance()
    for act in acts:
        if not act.deeds:
            balance.certain = False
        for deed in act.deeds:
            taken = _TAKEN.get(type(deed))
            if taken is not None:
                taken(balance, deed)
            elif isinstance(deed, deeds.Other) and deed.node in {"DoStmt", "CallStmt"}:
                balance.certain = False
    return balance


def _create_table(balance: Balance, deed: deeds.CreateTable) -> None:
    if not deed.temporary:
        balance.make("table", deed.name.name)
        if deed.parent is not None:
            balance.columns["table", deed.name.name] = (deed.parent.name, ())


def _create_index(balance: Balance, deed: deeds.CreateIndex) -> None:
    if deed.name is not None:
        key = ("index", deed.name.name)
        balance.columns[key] = (deed.table.name, deed.columns)
        balance.make(*key)


def _create_view(balance: Balance, deed: deeds.CreateView) -> None:
    if deed.replaces:
        balance.alter("view", deed.name.name)
    else:
        balance.make("view", deed.name.name)


def _create(balance: Balance, deed: deeds.Create) -> None:
    if deed.kind in {"sequence", "type"} and not deed.if_not_exists:
        balance.make(deed.kind, deed.name.name)


def _drop(balance: Balance, deed: deeds.Drop) -> None:
    kind = _KINDS.get(deed.kind, deed.kind)
    if kind == "schema" and deed.cascade:
        balance.certain = False  # with all that is in it
    if kind in _OBJECTS:
        balance.drop(kind, deed.name.name)


def _add_column(balance: Balance, deed: deeds.AddColumn) -> None:
    balance.make("column", deed.table.name, deed.column.name)


def _drop_column(balance: Balance, deed: deeds.DropColumn) -> None:
    balance.drop("column", deed.table.name, deed.column)


def _rename_column(balance: Balance, deed: deeds.RenameColumn) -> None:
    balance.drop("column", deed.table.name, deed.column)
    balance.make("column", deed.table.name, deed.to)


def _rename(balance: Balance, deed: deeds.Rename) -> None:
    kind = _KINDS.get(deed.kind, deed.kind)
    if kind in _OBJECTS and deed.name.name != deed.to.name:
        balance.drop(kind, deed.name.name)
        balance.make(kind, deed.to.name)


def _add_constraint(balance: Balance, deed: deeds.AddConstraint) -> None:
    made = deed.constraint
    if made.kind is Kind.NOT_NULL:
        balance.alter("NOT NULL of column", deed.table.name, *made.columns[:1])
        return
    key = _constraint(deed.table, made)
    named = made.columns or (tuple(made.condition.columns) if made.condition else ())
    balance.columns[key] = (deed.table.name, named)
    balance.make(*key)
    if made.index:
        # The index becomes the constraint's, and goes with it.
        balance.changes.pop(("index", made.index), None)


def _constraint(table: Name, made: Constraint) -> Key:
    return ("constraint", table.name, made.name or default_name(table, made))


def _drop_constraint(balance: Balance, deed: deeds.DropConstraint) -> None:
    balance.drop("constraint", deed.table.name, deed.constraint)


def _alter(what: str) -> Callable[[Balance, deeds.AlterType], None]:
    def taken(balance: Balance, deed: deeds.AlterType) -> None:
        balance.alter(f"{what} of column", deed.table.name, deed.column)

    return taken


_TAKEN: dict[type, Callable[..., None]] = {
    deeds.CreateTable: _create_table,
    deeds.CreateIndex: _create_index,
    deeds.CreateView: _create_view,
    deeds.CreateEnum: lambda balance, deed: balance.make("type", deed.name.name),
    deeds.CreateDomain: lambda balance, deed: balance.make("type", deed.name.name),
    deeds.Create: _create,
    deeds.Drop: _drop,
    deeds.AddColumn: _add_column,
    deeds.DropColumn: _drop_column,
    deeds.RenameColumn: _rename_column,
    deeds.Rename: _rename,
    deeds.AddConstraint: _add_constraint,
    deeds.DropConstraint: _drop_constraint,
    deeds.AlterType: _alter("type"),
    deeds.SetNotNull: _alter("NOT NULL"),
    deeds.DropNotNull: _alter("NOT NULL"),
    deeds.SetDefault: _alter("default"),
}
