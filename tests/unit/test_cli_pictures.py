"""Results as text: tables, sentences, figures."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway import (
    Change,
    Difference,
    Direction,
    Mark,
    PendingReport,
    RevisionStatus,
    RunReport,
    State,
    StatusReport,
    StepResult,
)
from headway.cli import pictures
from headway.cli.invocation import Colour, Invocation
from headway.cli.terminal import Terminal

if TYPE_CHECKING:
    import pytest

_TERMINAL = Terminal(Invocation(color=Colour.NEVER))
_STATUS = StatusReport(
    database="postgresql://h/d",
    state=State.DIVERGED,
    current=("aaaa", "ffff"),
    heads=("bbbb",),
    revisions=(
        RevisionStatus("aaaa", Mark.APPLIED, "first", is_current=True),
        RevisionStatus("bbbb", Mark.PENDING, "second", is_head=True),
        RevisionStatus("ffff", Mark.UNKNOWN, is_current=True),
    ),
)


def _stream(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


def test_status_marks_every_revision_and_ends_with_where_the_database_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", _stream("utf-8"))
    assert pictures.status(_TERMINAL, _STATUS).splitlines() == [
        "   revision  state                  description",
        "✓  aaaa      applied, current       first",
        "✗  bbbb      pending, head          second",
        "?  ffff      unknown here, current",
        "",
        "diverged: 1 revision pending; unknown here: ffff; current: aaaa, ffff; head: bbbb",
    ]


def test_marks_are_ascii_where_stdout_holds_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", _stream("ascii"))
    assert [line[:1] for line in pictures.status(_TERMINAL, _STATUS).splitlines()[1:4]] == ["+", "-", "?"]


def test_the_column_of_times_appears_once_a_time_is_known() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    dated = replace(
        _STATUS, revisions=(replace(_STATUS.revisions[0], applied_at=moment), _STATUS.revisions[1])
    )
    lines = pictures.status(_TERMINAL, dated).splitlines()
    assert "applied  " in lines[0]
    assert "2026-01-02 03:04:05+00:00" in lines[1]
    assert "applied  " not in pictures.status(_TERMINAL, _STATUS).splitlines()[0]


def test_with_a_ledger_what_it_does_not_know_was_applied_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", _stream("utf-8"))
    lines = pictures.status(_TERMINAL, replace(_STATUS, ledger=True)).splitlines()
    assert lines[1].endswith("before the ledger  first")
    assert "before the ledger" not in lines[2], "it is pending"
    assert "before the ledger" in lines[3]


def test_what_an_interrupted_revision_left_is_said_in_red() -> None:
    dirty = replace(_STATUS, state=State.DIRTY, dirty="bbbb stopped at statement 2 of 3")
    text = pictures.status(_TERMINAL, dirty)
    assert "\x1b[31mbbbb stopped at statement 2 of 3\x1b[0m" in text
    assert text.splitlines()[-1].startswith("dirty: 1 revision pending")


def test_a_long_description_stays_on_one_line_in_a_pipe() -> None:
    long = replace(_STATUS, revisions=(RevisionStatus("aaaa", Mark.APPLIED, "word " * 60),))
    assert len(pictures.status(_TERMINAL, long).splitlines()) == 4


def test_at_head_is_said_in_words() -> None:
    report = PendingReport("d", State.AT_HEAD, ("bbbb",), ("bbbb",), ())
    assert pictures.standing(report) == "at head (bbbb)"


def test_a_project_without_revisions_is_at_head_of_nothing() -> None:
    assert pictures.standing(PendingReport("d", State.AT_HEAD, (), (), ())) == "at head (no revisions)"


def test_a_bare_database_is_called_unversioned() -> None:
    report = PendingReport("d", State.UNVERSIONED, (), ("bbbb",), ("aaaa", "bbbb"))
    assert pictures.standing(report) == "unversioned: 2 revisions pending; current: none; head: bbbb"


def test_history_tells_heads_merges_dependencies_and_labels() -> None:
    item = RevisionStatus(
        "cccc",
        Mark.PENDING,
        "join",
        parents=("aaaa", "bbbb"),
        depends_on=("dddd",),
        labels=("billing",),
        path=Path("versions/cccc.py"),
        is_head=True,
    )
    text = pictures.revisions(_TERMINAL, [item])
    assert text == "cccc  join  (head; merges aaaa, bbbb; depends on dddd; billing)"
    assert pictures.revisions(_TERMINAL, [item], paths=True).endswith("versions/cccc.py")


def test_no_revisions_draw_nothing() -> None:
    assert pictures.revisions(_TERMINAL, []) == ""


def test_a_run_is_summed_up_in_one_line() -> None:
    steps = (StepResult("aaaa", Direction.UPGRADE, "first", 5.0),)
    report = RunReport("id", "upgrade", "d", (), ("aaaa",), steps, 1234.0, at_head=True)
    assert pictures.summary(report) == "1 revision applied in 1.2 s: at head (aaaa)"
    assert pictures.summary(replace(report, at_head=False)) == "1 revision applied in 1.2 s: at aaaa"
    assert pictures.summary(replace(report, steps=())) == "nothing to do: at head (aaaa)"
    undone = replace(
        report, after=(), at_head=False, steps=(replace(steps[0], direction=Direction.DOWNGRADE),)
    )
    assert pictures.summary(undone) == "1 revision undone in 1.2 s: at base"


def test_differences_are_grouped_by_table_with_old_and_new() -> None:
    place = (None, "users")
    changes = (
        Difference(Change.ADDED, "table", "shop", "orders", None),
        Difference(Change.CHANGED, "column", *place, "age", "type", "INTEGER", "BIGINT"),
        Difference(Change.REMOVED, "index", *place, "ix", old="CREATE INDEX ix ON users (name)"),
        Difference(Change.ADDED, "column", *place, "email", new="TEXT NOT NULL"),
        Difference(Change.ADDED, "enum", None, None, "mood", new="sad, ok"),
        Difference(Change.REMOVED, "table", None, "gone", None),
    )
    assert click.unstyle(pictures.differences(changes)).splitlines() == [
        "+ enum mood: sad, ok",
        "- table gone",
        "+ table shop.orders",
        "  table users",
        "~   column age type: INTEGER -> BIGINT",
        "-   index ix: CREATE INDEX ix ON users (name)",
        "+   column email: TEXT NOT NULL",
    ]
    assert [str(change) for change in changes] == [
        "add table shop.orders",
        "change type of column users.age: INTEGER to BIGINT",
        "remove index ix on users: CREATE INDEX ix ON users (name)",
        "add column users.email: TEXT NOT NULL",
        "add enum mood: sad, ok",
        "remove table gone",
    ]
