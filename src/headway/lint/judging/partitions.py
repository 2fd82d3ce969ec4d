"""Partitions that come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.lint import recipes
from headway.lint.alarms import HELD, READ, Alarm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway.lint import deeds
    from headway.lint.acts import Act
    from headway.lint.pen import Pen


def attach(act: Act, deed: deeds.AttachPartition, pen: Pen) -> Iterator[Alarm]:
    """ATTACH PARTITION of a table with rows that nothing vouches for."""
    scanned = act.scans(deed)
    if scanned:
        names = " and ".join(map(str, scanned))
        yield Alarm(
            rule="attach-partition-scan",
            act=act,
            on=scanned[0],
            during=READ,
            explains=scanned,
            hazard=f"every row of {names} is read to see that it belongs where it is, for no CHECK proves it",
            recipe=recipes.attach(pen, scanned[0]),
        )


def detach(act: Act, deed: deeds.DetachPartition, pen: Pen) -> Iterator[Alarm]:
    """DETACH PARTITION without CONCURRENTLY."""
    if not deed.concurrently and act.existed(deed.table):
        yield Alarm(
            rule="detach-partition-not-concurrent",
            act=act,
            on=deed.table,
            during=HELD,
            hazard=f"DETACH PARTITION {deed.partition} waits for ACCESS EXCLUSIVE on {deed.table}",
            recipe=recipes.detach(pen, deed.table, deed.partition),
        )


def create_table(act: Act, deed: deeds.CreateTable, pen: Pen) -> Iterator[Alarm]:
    """CREATE TABLE … PARTITION OF."""
    if deed.parent is None or not act.existed(deed.parent):
        return
    scanned = act.scans(deed)
    also = f", and {', '.join(map(str, scanned))} is read for rows that belong there" if scanned else ""
    yield Alarm(
        rule="partition-of-lock",
        act=act,
        on=deed.parent,
        during=READ if scanned else HELD,
        explains=scanned,
        hazard=f"{deed.name} as a partition from the start waits for ACCESS EXCLUSIVE on {deed.parent}{also}",
        recipe=recipes.partition(pen, deed.parent, deed.name),
    )
