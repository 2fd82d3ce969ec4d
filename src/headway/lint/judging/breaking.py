"""What code that is still running would miss: names that go, or mean something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.lint import deeds, recipes
from headway.lint.alarms import HELD, Alarm
from headway.lint.judging.constraints import drop_constraint, locked_beside
from headway.lint.judging.indexes import drop_index
from headway.lint.names import Name, quoted
from headway.lint.pen import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway.lint.acts import Act
    from headway.lint.pen import Pen

_NOT_READ = "the last release that reads it is gone since …"


def drop_column(act: Act, deed: deeds.DropColumn, pen: Pen) -> Iterator[Alarm]:
    """A column of a table that was there."""
    if not act.existed(deed.table):
        return
    yield Alarm(
        rule="drop-column",
        act=act,
        on=deed.table,
        during=HELD,
        hazard=f"{deed.table}.{quoted(deed.column)} goes with its values, and code that is still running "
        "reads and writes it",
        recipe=""
        f"{pen.remark('first release code that does not name it; then say so above this statement:')}\n"
        + recipes.allow(pen, "drop-column", _NOT_READ),
    )
    yield from drop_constraint(act, deed, pen)


def drop(act: Act, deed: deeds.Drop, pen: Pen) -> Iterator[Alarm]:
    """An object that was there."""
    if deed.kind == "index":
        yield from drop_index(act, deed, pen)
    elif deed.kind in {"table", "foreign table"} and act.existed(deed.name):
        yield from _drop_table(act, deed, pen)
    elif deed.kind in {"view", "materialized view"} and act.existed(deed.name):
        yield Alarm(
            rule="drop-view",
            act=act,
            on=deed.name,
            during=HELD,
            hazard=f"{deed.name} goes, and code that is still running reads it",
            recipe=f"{pen.remark('first release code that does not read it; then say so here:')}\n"
            + recipes.allow(pen, "drop-view", _NOT_READ),
        )
    elif deed.kind == "schema" and deed.cascade:
        yield Alarm(
            rule="drop-table",
            act=act,
            hazard=f"the schema {deed.name} goes with all its tables, whatever they hold",
            recipe=pen.run(f"DROP SCHEMA {deed.name.sql}"),
        )


def _drop_table(act: Act, deed: deeds.Drop, pen: Pen) -> Iterator[Alarm]:
    yield Alarm(
        rule="drop-table",
        act=act,
        on=deed.name,
        during=HELD,
        hazard=f"{deed.name} goes with its rows, and code that is still running reads and writes it",
        recipe=""
        f"{pen.remark('first release code that does not name it; then say so above this statement:')}\n"
        + recipes.allow(pen, "drop-table", _NOT_READ),
    )
    known = act.schema.table(deed.name)
    keys = list(known.constraints.items()) if known else []
    key = next((name for name, each in keys if each.refers is not None), None)
    first = (
        f"ALTER TABLE {deed.name.sql} DROP CONSTRAINT {quoted(key)}" if key else f"DROP TABLE {deed.name.sql}"
    )
    yield from locked_beside(act, deed, deed.name, first, pen)


def rename_column(act: Act, deed: deeds.RenameColumn, pen: Pen) -> Iterator[Alarm]:
    """A column of a table that was there."""
    if not act.existed(deed.table):
        return
    in_models = f"{deed.to} = mapped_column({text(deed.column)}, …)  # its new name in the code alone"
    yield Alarm(
        rule="rename-column",
        act=act,
        on=deed.table,
        during=HELD,
        hazard=f"{deed.table}.{quoted(deed.column)} becomes {quoted(deed.to)}, and code that is still "
        "running knows its old name only",
        recipe=f"{pen.remark('keep the name in the database, and change it in the model:')}\n"
        f"{pen.remark(in_models)}",
    )


def rename(act: Act, deed: deeds.Rename, pen: Pen) -> Iterator[Alarm]:
    """A table or view that was there."""
    if deed.kind not in {"table", "view", "materialized view"} or not act.existed(deed.name):
        return
    old, new = deed.name.sql, deed.to.sql
    moved = deed.to.schema != deed.name.schema
    how = f"SET SCHEMA {quoted(deed.to.schema or '')}" if moved else f"RENAME TO {quoted(deed.to.name)}"
    yield Alarm(
        rule="rename-table",
        act=act,
        on=deed.name,
        during=HELD,
        hazard=f"{deed.name} becomes {deed.to.sql}, and code that is still running knows its old name only",
        recipe=f"{pen.remark('leave a view of the old name behind until no release uses it:')}\n"
        + pen.run(f"ALTER TABLE {old} {how}", f"CREATE VIEW {old} AS TABLE {new}"),
    )


def rename_label(act: Act, deed: deeds.RenameLabel, pen: Pen) -> Iterator[Alarm]:
    """A label of an enum."""
    yield Alarm(
        rule="enum-value-renamed",
        act=act,
        hazard=f"the label '{deed.label}' of {deed.type} becomes '{deed.to}', and code that is still running "
        "sends and expects the old one",
        recipe=f"{pen.remark('add the new label beside the old, and move rows and code over to it:')}\n"
        + pen.online(f"ALTER TYPE {deed.type.sql} ADD VALUE {_literal(deed.to)}"),
    )


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def replaced(act: Act, name: Name, later: tuple[Act, ...]) -> bool:
    """Whether something of the same name takes the place of what goes, in the same transaction."""
    return any(
        isinstance(deed, deeds.CreateView) and deed.name.means(name)
        for each in later
        if each.transaction == act.transaction
        for deed in each.deeds
    )
