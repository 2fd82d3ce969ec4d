"""How much data a loss is: the server's word on the tables concerned."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from headway.onlooking import onlooking
from headway.sqlite import DIALECT as SQLITE
from headway.sqlite import count_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from headway.results import Loss

# Up to here rows are counted, so that a small table that was never analysed shows its true number; a
# larger one shows the planner's estimate (pg_class.reltuples, PostgreSQL manual 53.11).
COUNTED_ROWS = 10_000

# A name as SQL writes it, qualified or not, and the column's name at the end of one.
_COLUMN = re.compile(r'\.(?:"(?:[^"]|"")+"|[^".]+)$')


def measure(connection: Connection, losses: Iterable[Loss]) -> tuple[Loss, ...]:
    """Fill in rows and size of the tables that the losses name; read-only.

    A table that does not exist yet keeps ``None``: what a plan creates and drops again destroys nothing.
    So does one whose rows this user may not read.
    """
    return tuple(_measured(connection, loss) for loss in losses)


def _measured(connection: Connection, loss: Loss) -> Loss:
    if loss.kind not in {"table", "column"}:
        return loss
    table = _COLUMN.sub("", loss.what) if loss.kind == "column" else loss.what
    try:
        with onlooking(connection):
            return _figures(connection, loss, table)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        return loss


def _figures(connection: Connection, loss: Loss, table: str) -> Loss:
    if connection.dialect.name == SQLITE:
        return replace(loss, rows=count_rows(connection, table))  # it does not say how large a table is
    known = """
        SELECT oid::regclass::text, reltuples::bigint, pg_catalog.pg_total_relation_size(oid)
        FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass(:table)
    """
    found = connection.execute(text(known), {"table": table}).one_or_none()
    if found is None:
        return loss
    name, estimate, size = found
    # A name cannot be a bound parameter; this one comes from the server, quoted. A colon would begin one.
    few = f"SELECT pg_catalog.count(*) FROM (SELECT 1 FROM {name} LIMIT {COUNTED_ROWS + 1}) AS few"  # noqa: S608
    counted = connection.execute(text(few.replace(":", r"\:"))).scalar_one()
    rows = counted if counted <= COUNTED_ROWS else max(int(estimate), counted)
    return replace(loss, rows=rows, size_bytes=int(size))
