"""What is known of a step before it runs: what each statement locks, rewrites and reads; what is amiss."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from headway.results.running import Loss
    from headway.results.words import Direction


class LockMode(StrEnum):
    """PostgreSQL's table-level locks, weakest first, by their names in ``pg_locks`` (manual, 13.3.1)."""

    ACCESS_SHARE = "AccessShareLock"
    ROW_SHARE = "RowShareLock"
    ROW_EXCLUSIVE = "RowExclusiveLock"
    SHARE_UPDATE_EXCLUSIVE = "ShareUpdateExclusiveLock"
    SHARE = "ShareLock"
    SHARE_ROW_EXCLUSIVE = "ShareRowExclusiveLock"
    EXCLUSIVE = "ExclusiveLock"
    ACCESS_EXCLUSIVE = "AccessExclusiveLock"

    @property
    def strength(self) -> int:
        """Its place in the order above, from 1."""
        return list(LockMode).index(self) + 1

    @property
    def sql(self) -> str:
        """Its name as ``LOCK TABLE`` takes it: ``ACCESS EXCLUSIVE``."""
        return self.name.replace("_", " ")

    def conflicts_with(self, other: LockMode) -> bool:
        """Whether two sessions cannot hold them on one table at a time (PostgreSQL manual, table 13.2)."""
        weaker, stronger = sorted((self.strength, other.strength))
        if stronger < LockMode.SHARE.strength:
            return weaker == stronger == LockMode.SHARE_UPDATE_EXCLUSIVE.strength
        if weaker == stronger == LockMode.SHARE.strength:
            return False
        # Each mode from SHARE on is open to one more of the weakest: the first three, two, one, none.
        open_to = {
            LockMode.SHARE.strength: LockMode.ROW_SHARE.strength,
            LockMode.SHARE_ROW_EXCLUSIVE.strength: LockMode.ROW_SHARE.strength,
            LockMode.EXCLUSIVE.strength: LockMode.ACCESS_SHARE.strength,
            LockMode.ACCESS_EXCLUSIVE.strength: 0,
        }
        return weaker > open_to[stronger]

    @property
    def blocks_writes(self) -> bool:
        """Whether INSERT, UPDATE and DELETE wait for it (they take ROW EXCLUSIVE)."""
        return self.strength >= LockMode.SHARE.strength

    @property
    def blocks_reads(self) -> bool:
        """Whether even SELECT waits for it (it takes ACCESS SHARE)."""
        return self is LockMode.ACCESS_EXCLUSIVE


class Effort(StrEnum):
    """What a statement's duration grows with, least first."""

    METADATA = "metadata"
    """Nothing: only the catalogue is written."""
    SCAN = "scan"
    """The rows of a table that existed before: they are read through."""
    REWRITE = "rewrite"
    """The rows of a table that existed before: they, or an index of them, are written anew."""


@dataclass(frozen=True, slots=True)
class RelationLock:
    """A lock that a statement takes on a table, index or view that existed before its transaction.

    ``relation`` is its name, with its schema in front unless that is ``public``; ``kind`` is ``table``,
    ``index``, ``view``, ``materialized view``, ``sequence`` or ``foreign table``.
    """

    relation: str
    kind: str
    mode: LockMode


@dataclass(frozen=True, slots=True)
class StatementReview:
    """One statement of a step, and what it does to relations that existed before its transaction.

    Attributes:
        position: its number within the step, from 1.
        sql: as it is sent, without a semicolon at its end.
        line: where it comes from in the revision's file; ``None`` where that cannot be told.
        transactional: whether it runs inside the step's transaction, and not committed on its own.
        traced: whether PostgreSQL was watched running it; otherwise the rest is what its text tells.
        locks: the strongest lock on each relation, strongest first.
        rewritten: tables and indexes that are written anew.
        scanned: tables that are read through.
        error: why it failed in the empty database it was traced in, in one line; ``None`` as a rule.
    """

    position: int
    sql: str
    line: int | None = None
    transactional: bool = True
    traced: bool = False
    locks: tuple[RelationLock, ...] = ()
    rewritten: tuple[str, ...] = ()
    scanned: tuple[str, ...] = ()
    error: str | None = None

    @property
    def effort(self) -> Effort:
        """What its duration grows with."""
        if self.rewritten:
            return Effort.REWRITE
        return Effort.SCAN if self.scanned else Effort.METADATA

    @property
    def strongest(self) -> LockMode | None:
        """The strongest lock on anything that existed before; ``None`` when it takes none."""
        return max((lock.mode for lock in self.locks), key=lambda mode: mode.strength, default=None)


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """Not to be run on a live database as it is; exit code 6."""
    WARNING = "warning"
    """Worth a look; reported."""
    OFF = "off"
    """Not looked for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One hazard of one statement, or of a revision as a whole.

    Attributes:
        rule: the rule's slug, as ``docs/rules/<rule>.md`` has it.
        severity: ``ERROR`` or ``WARNING``.
        revision: the revision's id.
        path: its file.
        line: where, in that file; ``None`` when the finding is of the whole.
        statement: the statement's position within the step; ``None`` when the finding is of the whole.
        hazard: what happens, in one sentence, with the user's own names.
        lock: the lock that makes it one; ``None`` where no lock does.
        blocks: what waits meanwhile, and for how long; "" where nothing does.
        recipe: the safe way, as ready Alembic code (or SQL, for an SQL revision) with the user's own names;
            "" where there is none.
        silenced: the reason given in the revision for leaving it so; ``None`` when it is not silenced.
    """

    rule: str
    severity: Severity
    revision: str
    path: Path
    line: int | None
    statement: int | None
    hazard: str
    lock: RelationLock | None = None
    blocks: str = ""
    recipe: str = ""
    silenced: str | None = None


@dataclass(frozen=True, slots=True)
class StepReview:
    """One step of a plan as a reviewer sees it.

    ``statements`` is empty for a step that does nothing. ``unseen`` says why the statements end early (the
    revision reads data, or raises), ``None`` when all are there.
    """

    revision: str
    direction: Direction
    description: str
    path: Path
    transactional: bool = True
    statements: tuple[StatementReview, ...] = ()
    losses: tuple[Loss, ...] = ()
    findings: tuple[Finding, ...] = ()
    unseen: str | None = None


@dataclass(frozen=True, slots=True)
class LintReport:
    """What lint found. ``steps`` are those examined, in order; empty when there was nothing to examine.

    ``oracle`` is the server that was watched (``PostgreSQL 18.4``), ``None`` when none was; ``unwatched``
    then says why, in words. ``fail_on`` is the least severity with which lint fails, ``OFF`` when none does.
    """

    steps: tuple[StepReview, ...] = ()
    oracle: str | None = None
    unwatched: str | None = None
    fail_on: Severity = Severity.ERROR

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that are not silenced, in order."""
        return tuple(it for step in self.steps for it in step.findings if it.silenced is None)

    @property
    def silenced(self) -> tuple[Finding, ...]:
        """Those that a revision silences, with its reasons."""
        return tuple(it for step in self.steps for it in step.findings if it.silenced is not None)

    @property
    def failed(self) -> bool:
        """Whether any finding that is not silenced is as bad as ``fail_on``."""
        failing = {Severity.ERROR: {Severity.ERROR}, Severity.WARNING: {Severity.ERROR, Severity.WARNING}}
        return any(finding.severity in failing.get(self.fail_on, set()) for finding in self.findings)
