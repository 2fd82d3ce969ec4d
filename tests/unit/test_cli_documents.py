"""JSON documents: their keys are a contract."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from headway import (
    Direction,
    LiveTable,
    Loss,
    Mark,
    Preview,
    RevisionStatus,
    State,
    StatementReview,
    StatusReport,
    StepFailedError,
    StepReview,
)
from headway.cli import documents

_STATUS = StatusReport(
    database="postgresql://u:***@h/d",
    state=State.BEHIND,
    current=("aa",),
    heads=("bb",),
    revisions=(
        RevisionStatus("aa", Mark.APPLIED, "première", applied_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
        RevisionStatus("bb", Mark.PENDING, parents=("aa",), path=Path("versions/bb.py"), is_head=True),
    ),
)


def test_a_document_is_ascii_and_says_its_format() -> None:
    text = documents.render(documents.describe(_STATUS, "pending", "unknown"))
    assert text.isascii()
    assert json.loads(text) == {
        "format_version": 1,
        "database": "postgresql://u:***@h/d",
        "state": "behind",
        "current": ["aa"],
        "heads": ["bb"],
        "pending": ["bb"],
        "unknown": [],
        "ledger": False,
        "dirty": None,
        "changed": [],
        "revisions": [
            {
                "revision": "aa",
                "mark": "applied",
                "description": "première",
                "parents": [],
                "depends_on": [],
                "labels": [],
                "path": None,
                "is_head": False,
                "is_current": False,
                "applied_at": "2026-01-02T03:04:00+00:00",
            },
            {
                "revision": "bb",
                "mark": "pending",
                "description": "",
                "parents": ["aa"],
                "depends_on": [],
                "labels": [],
                "path": "versions/bb.py",
                "is_head": True,
                "is_current": False,
                "applied_at": None,
            },
        ],
    }


def test_an_error_gives_every_fact_it_carries() -> None:
    error = StepFailedError(
        "revision bb failed",
        revision="bb",
        path=Path("versions/bb.py"),
        line=12,
        statement="SELECT 1",
        sqlstate="42P07",
        succeeded=["aa"],
        hint="look",
    )
    assert documents.plain(documents.describe_error(error)) == {
        "type": "StepFailedError",
        "message": "revision bb failed",
        "hint": "look",
        "revision": "bb",
        "path": "versions/bb.py",
        "line": 12,
        "column": None,
        "excerpt": None,
        "statement": "SELECT 1",
        "sqlstate": "42P07",
        "detail": None,
        "server_hint": None,
        "succeeded": ["aa"],
    }


def test_a_plan_names_database_steps_losses_and_what_a_statement_has_to_work_on() -> None:
    statement = StatementReview(1, "ALTER TABLE t ...", traced=True, rewritten=("t", "t_pkey"))
    loss = Loss("bb", "table", "t", rows=3)
    step = StepReview(
        "bb", Direction.DOWNGRADE, "second", Path("bb.py"), statements=(statement,), losses=(loss,)
    )
    tables = (LiveTable("t", "table", 3, 8192), LiveTable("t_pkey", "index", 3, 16384))
    preview = Preview("db", Direction.DOWNGRADE, ("bb",), ("aa",), (step,), tables)
    document = documents.plain(documents.describe_preview(preview))
    assert (document["database"], document["direction"]) == ("db", "downgrade")
    assert (document["before"], document["after"]) == (["bb"], ["aa"])
    plain = {"revision": "bb", "kind": "table", "what": "t", "rows": 3, "size_bytes": None}
    assert document["losses"] == document["steps"][0]["losses"] == [plain]
    assert document["steps"][0]["path"] == "bb.py"
    told = document["steps"][0]["statements"][0]
    assert (told["effort"], told["size_bytes"], told["locks"]) == ("rewrite", 24576, [])
