"""Events drawn as lines."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from headway import Direction, RunFinished, RunStarted, ServerStarting, StepFailed, StepFinished, StepStarted
from headway.cli.invocation import Invocation
from headway.cli.progress import Progress
from headway.cli.terminal import Terminal

if TYPE_CHECKING:
    import pytest

_STEP = ("run", "aaaa", Direction.UPGRADE, "first", 1, 1)


def _drawn(monkeypatch: pytest.MonkeyPatch, encoding: str, direction: Direction) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    monkeypatch.setattr(sys, "stderr", stream)
    progress = Progress(Terminal(Invocation()))
    progress(ServerStarting("postgres", initialising=True))
    progress(RunStarted("run", "upgrade", "postgresql://h/d", 2))
    progress(StepStarted(*_STEP))
    progress(StepFinished("run", "aaaa", direction, "first", 1, 2, 12.3))
    progress(StepFailed("run", "bbbb", direction, "no", "42P07"))
    progress(RunFinished("run", "upgrade", 1, 12.3))
    progress.name_database("postgresql://h/d")
    stream.seek(0)
    return stream.read()


def test_without_a_terminal_each_step_is_a_plain_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _drawn(monkeypatch, "utf-8", Direction.UPGRADE).splitlines() == [
        "creating the embedded PostgreSQL in postgres",
        "database: postgresql://h/d",
        "✓ aaaa first (12 ms)",
        "! bbbb failed",
    ]


def test_marks_are_ascii_where_stderr_holds_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "+ aaaa first (12 ms)" in _drawn(monkeypatch, "ascii", Direction.UPGRADE)


def test_an_undone_revision_is_said_to_be_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "✓ aaaa first undone (12 ms)" in _drawn(monkeypatch, "utf-8", Direction.DOWNGRADE)
