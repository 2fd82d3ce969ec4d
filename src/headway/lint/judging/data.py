"""Rows that are changed, emptied or locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.lint import recipes
from headway.lint.alarms import COPIED, HELD, Alarm
from headway.lint.deeds import ChangeRows, Kind, Reach
from headway.lint.names import quoted
from headway.results import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway.lint import deeds
    from headway.lint.acts import Act
    from headway.lint.pen import Pen


def change_rows(act: Act, deed: ChangeRows, pen: Pen) -> Iterator[Alarm]:
    """UPDATE and DELETE of many rows."""
    if not is_unbatched(act, deed):
        return
    every = deed.reach is Reach.ALL
    which = (
        "every row"
        if every and not deed.where
        else "every row of which " + deed.where
        if deed.where
        else "rows"
    )
    yield Alarm(
        rule="unbatched-data-change",
        act=act,
        severity=None if every else Severity.WARNING,
        hazard=f"{deed.verb} changes {which} of {deed.table} at once: each stays locked until the "
        "transaction ends",
        recipe=recipes.batches(pen, _some_of(deed)) if deed.verb != "MERGE" else "",
    )


def is_unbatched(act: Act, deed: ChangeRows) -> bool:
    """Whether a change may take many rows of a table that was there."""
    batched = " LIMIT " in deed.where.upper() or " BETWEEN " in deed.where.upper()
    return act.existed(deed.table) and not batched and not _is_about_few(act, deed)


def _is_about_few(act: Act, deed: ChangeRows) -> bool:
    """Whether a condition names a key; of a table that lint has not seen being made it is believed."""
    if deed.reach is not Reach.NAMED:
        return False
    known = act.schema.table(deed.table)
    if known is None or not known.whole:
        return True
    keys = [each.columns for each in known.constraints.values() if each.kind in {Kind.PRIMARY, Kind.UNIQUE}]
    keys += [each.columns for each in known.indexes.values() if each.unique]
    return any(columns and {*columns} <= {*deed.keys} for columns in keys)


def _some_of(deed: ChangeRows) -> str:
    """The same change of some rows; the limit and a bracket are to follow."""
    table = deed.table.sql
    where = f" WHERE {deed.where}" if deed.where else ""
    some = f"WHERE ctid IN (SELECT ctid FROM {table}{where}"
    if deed.verb == "DELETE":
        return f"DELETE FROM {table} {some}"
    assigned = ", ".join(f"{quoted(column)} = …" for column in deed.columns)
    return f"UPDATE {table} SET {assigned} {some}"


def truncate(act: Act, deed: deeds.Truncate, pen: Pen) -> Iterator[Alarm]:
    """TRUNCATE of tables that were there."""
    tables = [table for table in deed.tables if act.existed(table)]
    if tables:
        yield Alarm(
            rule="truncate-table",
            act=act,
            on=tables[0],
            during=HELD,
            explains=deed.tables,
            hazard=f"all rows of {', '.join(map(str, tables))} are gone, and do not come back",
            recipe=recipes.allow(pen, "truncate-table", "its rows can be made again from …"),
        )


def lock_table(act: Act, deed: deeds.LockTable, pen: Pen) -> Iterator[Alarm]:
    """LOCK TABLE in a mode that somebody waits for."""
    tables = [table for table in deed.tables if act.existed(table)]
    if tables and deed.mode.blocks_writes:
        yield Alarm(
            rule="table-locked-explicitly",
            act=act,
            on=tables[0],
            during=HELD,
            hazard=f"{', '.join(map(str, tables))} is locked ({deed.mode.sql}) until the transaction ends",
            recipe=pen.remark(
                "leave it out: each statement takes the lock it needs; keep what follows short"
            ),
        )


def alter_table(act: Act, deed: deeds.AlterTable, pen: Pen) -> Iterator[Alarm]:
    """A table that is stored in another way or place."""
    if act.existed(deed.table) and act.rewrites(deed):
        yield Alarm(
            rule="table-rewrite",
            act=act,
            on=deed.table,
            during=COPIED,
            explains=(deed.table,),
            hazard=f"{deed.what} writes {deed.table} anew",
            recipe=pen.remark(
                f"make a second table, copy {deed.table} in batches, and rename both at the end"
            ),
        )


def set_parameter(act: Act, deed: deeds.SetParameter, pen: Pen) -> Iterator[Alarm]:
    """A time limit that is taken away."""
    limits = {"lock_timeout", "statement_timeout"}
    gone = deed.value is None or deed.value.strip().rstrip("mins ") in {"0", "default", ""}
    if not gone or not (deed.name in limits or (deed.name == "all" and deed.value is None)):
        return
    mild = deed.name == "statement_timeout"
    yield Alarm(
        rule="lock-timeout-disabled",
        act=act,
        severity=Severity.WARNING if mild else None,
        hazard=f"{deed.name} is taken away: "
        + (
            "a statement may take for ever, with its locks"
            if mild
            else "a statement waits for its lock for ever, and all who come after it wait behind"
        ),
        recipe=f"{pen.remark('let the run set it, or the revision at its top:')}\n"
        + ('lock_timeout = "2s"' if pen.python else "-- headway: lock_timeout=2s"),
    )
