"""How much data a loss is: the server's word on the tables concerned."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from headway.results import Loss

# Up to here rows are counted, so that a small table that was never analysed shows its true number; a
# larger one shows the planner's estimate (pg_class.reltuples, PostgreSQL manual 53.11).
COUNTED_ROWS = 10_000


def measure(connection: Connection, losses: Iterable[Loss]) -> tuple[Loss, ...]:
    """Fill in rows and size of the tables that the losses name; read-only.

    A table that does not exist yet keeps ``None``: what a plan creates and drops again destroys nothing.
    """
    with connection.begin():
        return tuple(_measured(connection, loss) for loss in losses)


def _measured(connection: Connection, loss: Loss) -> Loss:
    if loss.kind not in {"table", "column"}:
        return loss
    *schema, table = (loss.what.rpartition(".")[0] if loss.kind == "column" else loss.what).split(".")
    quote = connection.dialect.identifier_preparer.quote
    name = ".".join(quote(part) for part in (*schema, table))
    known = (
        "SELECT reltuples::bigint, pg_total_relation_size(oid) FROM pg_class WHERE oid = to_regclass(:name)"
    )
    found = connection.execute(text(known), {"name": name}).one_or_none()
    if found is None:
        return loss
    estimate, size = found
    # A name cannot be a bound parameter; it is quoted above.
    few = f"SELECT count(*) FROM (SELECT 1 FROM {name} LIMIT {COUNTED_ROWS + 1}) AS few"  # noqa: S608
    counted = connection.exec_driver_sql(few).scalar_one()
    rows = counted if counted <= COUNTED_ROWS else max(int(estimate), counted)
    return replace(loss, rows=rows, size_bytes=int(size))
