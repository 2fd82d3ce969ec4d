"""What must be true behind a statement that makes an index: that it is valid, whoever made it."""

from __future__ import annotations

from headway.bundle.psql import literal
from headway.bundle.refusing import unless
from headway.indexes import NAMED, NewIndex, new_index

READY = (
    "-- What has an index's name: its oid, and whether it is valid and on that table.\n"
    "PREPARE headway_index (text, text) AS\n"
    "SELECT coalesce(pg_catalog.jsonb_agg(found.oid::bigint)::text, '[]') AS present,\n"
    "    coalesce(pg_catalog.bool_and(usable AND on_it), false) AS usable\n"
    f"FROM ({str(NAMED).replace(':index', '$1').replace(':table', '$2').strip()}) AS found;\n"
)
"""The prepared statement that the lines below need."""


def look(statement: str) -> str | None:
    """A line that looks up the name a ``CREATE INDEX`` gives; ``None`` for another statement."""
    wanted = new_index(statement)
    if wanted is None or wanted.index is None:
        return None
    return f"EXECUTE headway_index({literal(wanted.index)}, {literal(wanted.table)}) \\gset headway_\n"


def may_be_invalid(statement: str) -> bool:
    """Whether a statement may succeed over, or leave, an INVALID index that it names."""
    wanted = new_index(statement)
    return wanted is not None and wanted.index is not None and _doubtful(wanted)


def usable(statement: str, revision: str) -> str:
    """Lines that end the script where ``IF NOT EXISTS`` or a concurrent build left an INVALID index."""
    wanted = new_index(statement)
    if wanted is None or not may_be_invalid(statement):
        return ""
    return f"{look(statement)}" + unless(
        "headway_usable",
        literal(f"{revision}: the index {wanted.index} is INVALID, or is an index of another table"),
        "Queries do not use an INVALID index. When nobody is building it: DROP INDEX CONCURRENTLY it, then "
        "run the script again.",
    )


def _doubtful(wanted: NewIndex) -> bool:
    return (wanted.tolerant or wanted.concurrently) and not wanted.only
