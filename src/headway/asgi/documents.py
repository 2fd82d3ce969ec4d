"""What the endpoints show of a database; its address is not among it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headway.results import Outcome

if TYPE_CHECKING:
    from headway import LedgerEntry, Migrator, PendingReport, RevisionStatus


def shortcoming(report: PendingReport, *, strict: bool) -> str | None:
    """Why the code cannot serve on a database, in words; ``None`` when it can.

    Args:
        report: where the database stands.
        strict: one that is ahead will not do.
    """
    if report.serves and not (strict and (report.unknown or report.dirty)):
        return None
    if report.dirty is not None:
        return f"revision {report.dirty} is half-way"
    parts = [f"missing {', '.join(report.pending)}"] if report.pending else []
    parts += [f"unknown here {', '.join(report.unknown)}"] if report.unknown else []
    return f"the database is {report.state.value}: {'; '.join(parts)}"


async def migrations_document(migrator: Migrator) -> dict[str, Any]:
    """Where the database stands, and every revision with what the ledger has of it.

    Raises:
        HeadwayError: what ``Migrator.status`` raises.
    """
    report = await migrator.status()
    entries = await migrator.log(outcome=Outcome.SUCCEEDED) if report.ledger else ()
    # Newest first: the first that left a revision applied is how it came to be so.
    latest: dict[str, LedgerEntry] = {}
    for entry in entries:
        if entry.applied:
            latest.setdefault(entry.revision, entry)
    return {
        "state": report.state.value,
        "current": [*report.current],
        "heads": [*report.heads],
        "pending": [*report.pending],
        "unknown": [*report.unknown],
        "revisions": [_revision(item, latest.get(item.revision)) for item in report.revisions],
    }


def _revision(item: RevisionStatus, entry: LedgerEntry | None) -> dict[str, Any]:
    applied = entry if item.applied_at is not None else None
    return {
        "revision": item.revision,
        "description": item.description,
        "mark": item.mark.value,
        "applied_at": item.applied_at.isoformat() if item.applied_at else None,
        "duration_ms": applied.duration_ms if applied else None,
        "checksum": applied.checksum if applied else None,
    }
