"""Lint's report as people read it."""

from __future__ import annotations

from pathlib import Path

import click

from headway import (
    Direction,
    Finding,
    LintReport,
    LockMode,
    RelationLock,
    Severity,
    StatementReview,
    StepReview,
)
from headway.cli.findings import findings, verdict

PATH = Path("versions/r1.py")
LOCKED = Finding(
    "index-not-concurrent",
    Severity.ERROR,
    "r1",
    PATH,
    7,
    1,
    "ix is built while users refuses writes",
    lock=RelationLock("users", "table", LockMode.SHARE),
    blocks="every write to users waits",
    recipe="a = 1\nb = 2",
)
ALLOWED = Finding("drop-column", Severity.WARNING, "r1", PATH, 9, 2, "gone", silenced="nobody reads it")
FAILED = StatementReview(2, "SELECT 1", line=9, error="no rows")


def report(
    *found: Finding, statements: tuple[StatementReview, ...] = (), unseen: str | None = None
) -> LintReport:
    step = StepReview(
        "r1", Direction.UPGRADE, "index users", PATH, findings=found, statements=statements, unseen=unseen
    )
    return LintReport((step,), oracle="PostgreSQL 18.4")


def test_a_finding_says_hazard_lock_whom_it_blocks_the_safe_way_its_page_and_how_to_keep_it() -> None:
    assert click.unstyle(findings(report(LOCKED))).splitlines() == [
        "r1 index users  versions/r1.py",
        "",
        "  error index-not-concurrent, line 7",
        "    ix is built while users refuses writes",
        "    lock:    SHARE on users",
        "    blocks:  every write to users waits",
        "    instead:",
        "      a = 1",
        "      b = 2",
        "    see:     docs/rules/index-not-concurrent.md",
        "    or keep: # headway: allow index-not-concurrent: (the reason)",
    ]


def test_what_is_allowed_is_counted_and_shown_with_its_reason() -> None:
    told = report(LOCKED, ALLOWED)
    assert "drop-column, line 9 is allowed: nobody reads it" in findings(told)
    assert verdict(told) == "1 revision examined, watched on PostgreSQL 18.4: 1 error, 0 warnings, 1 silenced"


def test_what_was_not_watched_is_said_even_where_nothing_is_found() -> None:
    told = click.unstyle(findings(report(statements=(FAILED,), unseen="it reads data")))
    assert "statement 2, line 9, was not watched, for it fails in an empty database: no rows" in told
    assert "not seen to its end: it reads data" in told


def test_a_report_without_a_server_says_so() -> None:
    assert verdict(LintReport(unwatched="there are no binaries")).splitlines() == [
        "0 revisions examined: nothing found",
        "PostgreSQL was not asked (there are no binaries): locks, rewrites and scans are told from the text",
    ]
    assert findings(report()) == ""
