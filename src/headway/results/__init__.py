"""What headway answers with: frozen dataclasses, plain data, no behaviour beyond reading it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.exports import on_first_use

if TYPE_CHECKING:
    from headway.results.application import Application
    from headway.results.authoring import (
        BaselineReport,
        CheckReport,
        Difference,
        LockReport,
        Rename,
        RevisionReport,
    )
    from headway.results.bundling import BundleReport, VerifyReport
    from headway.results.examination import DoctorReport, Setting
    from headway.results.history import RevisionStatus
    from headway.results.options import CancelBlockers, RunOptions
    from headway.results.precaution import Backup
    from headway.results.preview import LiveTable, Obstacle, Preview, relations_of
    from headway.results.probing import PendingReport
    from headway.results.record import JournalledStatement, LedgerEntry
    from headway.results.repairing import RepairReport
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
    from headway.results.running import Loss, Peer, RunReport, StepResult
    from headway.results.server import Capabilities, Check, Pooling
    from headway.results.standing import RevisionChange, StatusReport
    from headway.results.words import (
        Alteration,
        Change,
        Direction,
        Mark,
        Operation,
        Outcome,
        RepairAction,
        StartupMode,
        State,
    )

_HOMES = {
    "headway.results.application": ("Application",),
    "headway.results.authoring": (
        "BaselineReport",
        "CheckReport",
        "Difference",
        "LockReport",
        "Rename",
        "RevisionReport",
    ),
    "headway.results.bundling": ("BundleReport", "VerifyReport"),
    "headway.results.examination": ("DoctorReport", "Setting"),
    "headway.results.history": ("RevisionStatus",),
    "headway.results.options": ("CancelBlockers", "RunOptions"),
    "headway.results.precaution": ("Backup",),
    "headway.results.preview": ("LiveTable", "Obstacle", "Preview", "relations_of"),
    "headway.results.probing": ("PendingReport",),
    "headway.results.record": ("JournalledStatement", "LedgerEntry"),
    "headway.results.repairing": ("RepairReport",),
    "headway.results.review": (
        "Effort",
        "Finding",
        "LintReport",
        "LockMode",
        "RelationLock",
        "Severity",
        "StatementReview",
        "StepReview",
    ),
    "headway.results.running": ("Loss", "Peer", "RunReport", "StepResult"),
    "headway.results.server": ("Capabilities", "Check", "Pooling"),
    "headway.results.standing": ("RevisionChange", "StatusReport"),
    "headway.results.words": (
        "Alteration",
        "Change",
        "Direction",
        "Mark",
        "Operation",
        "Outcome",
        "RepairAction",
        "StartupMode",
        "State",
    ),
}
__getattr__, __dir__ = on_first_use(__name__, _HOMES)

__all__ = [
    "Alteration",
    "Application",
    "Backup",
    "BaselineReport",
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
