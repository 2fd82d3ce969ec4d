"""Entries on their way into the ledger and out of it."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from headway.results import JournalledStatement, LedgerEntry, Operation, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_LEAVES_APPLIED = {
    Operation.UPGRADE: True,
    Operation.DOWNGRADE: False,
    Operation.STAMP: True,
    Operation.BASELINE: True,
}


@cache
def os_user() -> str:
    """The user this process runs as, whatever variables say it is."""
    try:
        import pwd
    except ImportError:  # Windows
        import getpass

        return getpass.getuser()
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container may run as a number that no file names
        return f"uid {os.geteuid()}"


@cache
def _host() -> str:
    return platform.node()


@cache
def written_by() -> Mapping[str, str]:
    """The versions of python, headway and alembic, as an entry has them."""
    found = {"python": platform.python_version()}
    for package in ("headway", "alembic"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from its source tree
            found[package] = "unknown"
    return found


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A step about to run.

    Attributes:
        run_id: the run it is part of.
        revision: the revision.
        operation: what is done with it.
        description: the revision's, redacted by the caller; of a repair, what it does and why.
        checksum: :class:`headway.integrity.Fingerprint` of its file, written; ``None`` where none is.
        transactional: whether it runs in one transaction.
        statements_total: how many statements it has, where that is known beforehand.
        journal: what an earlier, interrupted attempt journalled, when this one resumes it.
        applied: what success leaves the revision. By default what the operation says (a repair: as it was);
            a stamp that takes revisions back says ``False``.
        os_user: who runs it, by the operating system.
        host: where.
        versions: of headway, alembic and python; the server adds its own.
        remarks: on the run, kept beside the versions: ``backup``, the command that came first; ``plan``, the
            checksum of the sealed plan.
    """

    run_id: str
    revision: str
    operation: Operation
    description: str = ""
    checksum: str | None = None
    transactional: bool = True
    statements_total: int | None = None
    journal: tuple[JournalledStatement, ...] = ()
    applied: bool | None = None
    os_user: str = field(default_factory=os_user)
    host: str = field(default_factory=_host)
    versions: Mapping[str, str] = field(default_factory=written_by)
    remarks: Mapping[str, str] = field(default_factory=dict)

    @property
    def leaves_applied(self) -> bool | None:
        """What success leaves the revision: ``applied``, or what the operation implies."""
        return _LEAVES_APPLIED.get(self.operation) if self.applied is None else self.applied

    def parameters(self, outcome: Outcome, clean: Callable[[str], str]) -> dict[str, Any]:
        """The entry as parameters of ``statements.INSERT``."""
        journal = [
            {
                "statement": clean(line.statement),
                "started_at": _written(line.started_at),
                "finished_at": _written(line.finished_at) if line.finished_at else None,
                "digest": line.digest,
                "rowcount": line.rowcount,
                "rejected": line.rejected,
                "backend_pid": line.backend_pid,
                "backend_start": _written(line.backend_start) if line.backend_start else None,
                "indexes_before": line.indexes_before,
                "repaired": [clean(name) for name in line.repaired],
            }
            for line in self.journal
        ]
        return {
            "run_id": self.run_id,
            "revision": clean(self.revision),
            "operation": self.operation.value,
            "outcome": outcome.value,
            "applied": self.leaves_applied,
            "transactional": self.transactional,
            "description": clean(self.description),
            "checksum": self.checksum,
            "statements_done": sum(line.finished_at is not None for line in self.journal),
            "statements_total": self.statements_total,
            "os_user": clean(self.os_user),
            "host": clean(self.host),
            "versions": json.dumps(
                {name: clean(it) for name, it in {**self.versions, **self.remarks}.items()}
            ),
            "journal": json.dumps(journal),
        }


def clean_for(encoding: str) -> Callable[[str], str]:
    """What makes any text one that a database of this encoding can hold.

    A description must not keep a revision from being applied: PostgreSQL's text has no zero byte, and a
    LATIN1 database no dash.
    """
    target = "utf-8" if encoding == "UTF8" else "ascii"

    def clean(text: str) -> str:
        return text.replace("\0", r"\x00").encode(target, "backslashreplace").decode(target)

    return clean


def read_entry(row: Any) -> LedgerEntry:
    """One row of ``statements.ENTRIES``."""
    fields = dict(row._mapping)  # SQLAlchemy's public name, in spite of the underscore # noqa: SLF001
    journal = enumerate(json.loads(fields.pop("journal")))
    for name in ("started_at", "finished_at", "backend_start"):
        fields[name] = read_time(fields[name])
    duration_ms = fields.pop("duration_ms")
    return LedgerEntry(
        **{
            **fields,
            "operation": Operation(fields["operation"]),
            "outcome": Outcome(fields["outcome"]),
            "duration_ms": float(duration_ms) if duration_ms is not None else None,
            "versions": json.loads(fields["versions"]),
            "journal": tuple(_read_line(position, line) for position, line in journal),
        }
    )


def _read_line(position: int, line: Mapping[str, Any]) -> JournalledStatement:
    before = line.get("indexes_before")
    return JournalledStatement(
        position,
        line["statement"],
        datetime.fromisoformat(line["started_at"]),
        read_time(line["finished_at"]),
        # Lines written before there were these have none of them.
        digest=line.get("digest"),
        rowcount=line.get("rowcount"),
        rejected=line.get("rejected"),
        backend_pid=line.get("backend_pid"),
        backend_start=read_time(line.get("backend_start")),
        indexes_before=None if before is None else tuple(before),
        repaired=tuple(line.get("repaired", ())),
    )


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_TIME)


def read_time(written: str | None) -> datetime | None:
    """A time as the ledger's SQL writes it, in UTC."""
    return datetime.fromisoformat(written) if written else None


def read_faults(row: Any) -> list[str]:
    """What is wrong with one entry, in words: one row of ``statements.BROKEN``."""
    name = f"entry {row.id} ({row.operation} {row.revision})"
    faults = {
        f"{row.missing} missing before {name}": row.missing != 0,
        f"{name} does not follow from the one before it: one of them was changed, or removed": row.unlinked,
        f"{name} was changed after it was closed": row.altered,
        f"{name} is open, and others follow it: it was changed": row.left_open,
    }
    return [fault for fault, holds in faults.items() if holds]
