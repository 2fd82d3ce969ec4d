"""What headway answers with: frozen dataclasses, plain data, no behaviour beyond reading it."""

from __future__ import annotations

from headway.results.authoring import Change, CheckReport, Difference, LockReport, Rename, RevisionReport
from headway.results.bundling import BundleReport, VerifyReport
from headway.results.preview import LiveTable, Obstacle, Preview, relations_of
from headway.results.record import Application, JournalledStatement, LedgerEntry, Operation, Outcome
from headway.results.review import (
    Effort,
    Finding,
    LintReport,
    LockMode,
    RelationLock,
    Severity,
    StatementReview,
    StepReview,
)
from headway.results.running import (
    Backup,
    CancelBlockers,
    Direction,
    Loss,
    Peer,
    RepairAction,
    RepairReport,
    RunOptions,
    RunReport,
    StartupMode,
    StepResult,
)
from headway.results.server import Capabilities, Check, DoctorReport, Pooling, Setting
from headway.results.standing import (
    Alteration,
    Mark,
    PendingReport,
    RevisionChange,
    RevisionStatus,
    State,
    StatusReport,
)

__all__ = [
    "Alteration",
    "Application",
    "Backup",
    "BundleReport",
    "CancelBlockers",
    "Capabilities",
    "Change",
    "Check",
    "CheckReport",
    "Difference",
    "Direction",
    "DoctorReport",
    "Effort",
    "Finding",
    "JournalledStatement",
    "LedgerEntry",
    "LintReport",
    "LiveTable",
    "LockMode",
    "LockReport",
    "Loss",
    "Mark",
    "Obstacle",
    "Operation",
    "Outcome",
    "Peer",
    "PendingReport",
    "Pooling",
    "Preview",
    "RelationLock",
    "Rename",
    "RepairAction",
    "RepairReport",
    "RevisionChange",
    "RevisionReport",
    "RevisionStatus",
    "RunOptions",
    "RunReport",
    "Setting",
    "Severity",
    "StartupMode",
    "State",
    "StatementReview",
    "StatusReport",
    "StepResult",
    "StepReview",
    "VerifyReport",
    "relations_of",
]
