"""Whether a database is what a run would have left: two databases' holdings, compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.bundle.holdings import told
from headway.results import Operation, Outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from headway.bundle.holdings import Holdings
    from headway.results import LedgerEntry

_ROOM = 240


def differences(found: Holdings, replayed: Holdings, scripted: Collection[str]) -> tuple[str, ...]:
    """What one database holds and the other does not, a line each; empty when they agree.

    Args:
        found: the database that is looked at.
        replayed: one in which headway has run the same revisions.
        scripted: the revisions that a bundle applied: these must be on record as upgrades.
    """
    return (*_rows(found, replayed), *_objects(found, replayed), *_ledger(found, replayed, scripted))


def _rows(found: Holdings, replayed: Holdings) -> Iterator[str]:
    if found.rows != replayed.rows:
        here, there = (", ".join(rows) or "base" for rows in (found.rows, replayed.rows))
        yield f"version: the database is at {here}, and should be at {there}"


def _objects(found: Holdings, replayed: Holdings) -> Iterator[str]:
    here, there = found.objects, replayed.objects
    for name in sorted({*here, *there}):
        if name not in here:
            yield f"{name}: missing"
        elif name not in there:
            yield f"{name}: is there, and no revision makes it"
        elif here[name] != there[name]:
            yield f"{name}: {_short(here[name])}; a run would have left: {_short(there[name])}"


def _ledger(found: Holdings, replayed: Holdings, scripted: Collection[str]) -> Iterator[str]:
    here, there = found.applications, replayed.applications
    for entry in found.entries:
        if entry.outcome is Outcome.RUNNING:
            yield f"ledger: entry {entry.id} ({entry.operation} {entry.revision}) is still open"
    for revision in sorted({*here, *there}):
        if revision not in here:
            yield f"ledger: {revision} is not on record as applied"
        elif revision not in there:
            yield f"ledger: {revision} is on record as applied, and should not be"
        else:
            yield from _entry(here[revision], there[revision], scripted=revision in scripted)


def _entry(here: LedgerEntry, there: LedgerEntry, *, scripted: bool) -> Iterator[str]:
    if not scripted and here.operation is Operation.BASELINE:
        if here.checksum not in {None, there.checksum}:
            yield f"ledger: {here.revision} has the checksum {here.checksum}; its file has {there.checksum}"
    elif told(here) != told(there):
        yield f"ledger: {here.revision}: {told(here)}; a run would have left: {told(there)}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _ROOM else f"{line[:_ROOM]}…"
