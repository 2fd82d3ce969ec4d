"""Indexes, and what else is built or copied whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.lint import recipes
from headway.lint.alarms import BUILT, COPIED, HELD, Alarm
from headway.lint.names import Name, quoted, read_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway.lint import deeds
    from headway.lint.acts import Act
    from headway.lint.pen import Pen


def create_index(act: Act, deed: deeds.CreateIndex, pen: Pen) -> Iterator[Alarm]:
    """An index of a table that was there."""
    if not act.existed(deed.table):
        return
    name = str(deed.name) if deed.name else f"an index of {deed.table}"
    known = act.schema.table(deed.table)
    divided = known is not None and known.by is not None
    scanned = act.scans(deed)
    if not deed.concurrently and scanned:
        yield Alarm(
            rule="index-not-concurrent",
            act=act,
            on=deed.table,
            during=BUILT,
            explains=scanned,
            hazard=f"{name} is built while {deed.table} refuses writes"
            + (", and fails if two rows are the same" if deed.unique else ""),
            recipe=recipes.index_each_partition(pen, deed)
            if divided
            else recipes.create_index(pen, deed, act.review.sql),
        )
    if deed.concurrently and deed.if_not_exists:
        yield Alarm(
            rule="concurrently-if-not-exists",
            act=act,
            hazard=f"IF NOT EXISTS accepts an INVALID {name} that a failed build left behind, and says that "
            "all is well",
            recipe=recipes.create_index(pen, deed, act.review.sql),
        )
    if deed.unique:
        yield Alarm(
            rule="data-dependent",
            act=act,
            unless=("index-not-concurrent",),
            hazard=f"{name} fails if two rows of {deed.table} are the same"
            + (", and leaves an INVALID index behind" if deed.concurrently else ""),
            recipe=_duplicates(deed, pen),
        )


def _duplicates(deed: deeds.CreateIndex, pen: Pen) -> str:
    columns = ", ".join(map(quoted, deed.columns)) or "…"
    query = f"SELECT {columns}, count(*) FROM {deed.table.sql} GROUP BY {columns} HAVING count(*) > 1"
    return f"{pen.remark('look for them beforehand:')}\n{pen.remark(query)}"


def drop_index(act: Act, deed: deeds.Drop, pen: Pen) -> Iterator[Alarm]:
    """An index that was there."""
    owner = act.schema.owner(deed.name)
    table = owner.name if owner is not None else _locked_table(act)
    if deed.concurrently or (table is not None and act.is_fresh(table)):
        return
    if table is None and not act.existed(deed.name):
        return
    yield Alarm(
        rule="drop-index-not-concurrent",
        act=act,
        on=table or deed.name,
        during=HELD,
        hazard=f"DROP INDEX {deed.name} waits for ACCESS EXCLUSIVE on {table or 'its table'}",
        recipe=recipes.drop_index(pen, deed.name, table),
    )


def _locked_table(act: Act) -> Name | None:
    return next((read_name(lock.relation) for lock in act.review.locks if lock.kind == "table"), None)


def reindex(act: Act, deed: deeds.Reindex, pen: Pen) -> Iterator[Alarm]:
    """An index that is built anew."""
    if deed.concurrently or (deed.name is not None and act.is_fresh(deed.name)):
        return
    name = deed.name.sql if deed.name else ""
    on = _locked_table(act) or deed.name
    yield Alarm(
        rule="reindex-not-concurrent",
        act=act,
        on=on,
        during=BUILT,
        explains=tuple(map(read_name, [*act.review.scanned, *act.review.rewritten])),
        hazard=f"REINDEX {deed.kind.upper()} {name} builds indexes anew while their tables refuse writes",
        recipe=pen.online(f"REINDEX {deed.kind.upper()} CONCURRENTLY {name}".rstrip()),
    )


def vacuum(act: Act, deed: deeds.Vacuum, pen: Pen) -> Iterator[Alarm]:
    """VACUUM FULL."""
    if deed.full:
        yield _copied(act, "VACUUM FULL", deed.tables, pen)


def cluster(act: Act, deed: deeds.Cluster, pen: Pen) -> Iterator[Alarm]:
    """CLUSTER."""
    yield _copied(act, "CLUSTER", (deed.table,) if deed.table else (), pen)


def _copied(act: Act, verb: str, tables: tuple[Name, ...], pen: Pen) -> Alarm:
    names = ", ".join(map(str, tables)) or "every table"
    return Alarm(
        rule="vacuum-full-or-cluster",
        act=act,
        on=tables[0] if tables else None,
        during=COPIED,
        explains=tuple(map(read_name, [*act.review.scanned, *act.review.rewritten])),
        hazard=f"{verb} copies {names}",
        recipe=pen.remark("plain VACUUM lets others work; pg_repack, an extension, copies a table online"),
    )


def refresh(act: Act, deed: deeds.Refresh, pen: Pen) -> Iterator[Alarm]:
    """REFRESH MATERIALIZED VIEW."""
    if deed.concurrently or not act.existed(deed.view):
        return
    view = deed.view.sql
    empties = "is emptied, and cannot be read any more" if not deed.with_data else "cannot be read meanwhile"
    yield Alarm(
        rule="refresh-not-concurrent",
        act=act,
        on=deed.view,
        during="for as long as its query runs",
        explains=tuple(map(read_name, [*act.review.scanned, *act.review.rewritten])),
        hazard=f"{deed.view} {empties}",
        recipe=f"{pen.remark(f'{view} needs a unique index on plain columns')}\n"
        + pen.run(f"REFRESH MATERIALIZED VIEW CONCURRENTLY {view}"),
    )
