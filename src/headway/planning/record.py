"""What the ledger says is applied, read from its rows in whichever driver's form."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from headway import results

if TYPE_CHECKING:
    from collections.abc import Iterable


def read_record(rows: Iterable[Any]) -> dict[str, results.Application]:
    """How each revision that is applied came to be so.

    Args:
        rows: oldest first; of each revision the one that last applied it or took it back, then what was
            accepted of it since, whose ``applied`` is null.
    """
    found: dict[str, results.Application] = {}
    for row in rows:
        revision = str(row["revision"])
        checksums = (row["checksum"],) if row["checksum"] is not None else ()
        if row["applied"]:
            found[revision] = results.Application(
                revision,
                results.Operation(row["operation"]),
                datetime.fromisoformat(row["recorded_at"]),
                row["database_user"],
                row["os_user"],
                row["host"],
                checksums,
            )
        elif row["applied"] is None and revision in found:
            known = found[revision]
            found[revision] = replace(known, checksums=(*known.checksums, *checksums))
    return found
