"""Events drawn as lines."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from headway import (
    Direction,
    LockWaiting,
    Peer,
    RunFinished,
    RunStarted,
    ServerStarting,
    StatementFinished,
    StepBlocked,
    StepFailed,
    StepFinished,
    StepProgress,
    StepRetrying,
    StepStarted,
    Waiting,
    Warned,
)
from headway.cli.invocation import Invocation
from headway.cli.progress import Progress, bar, progress_bar
from headway.cli.terminal import Terminal

if TYPE_CHECKING:
    from headway import Event

_STEP = ("run", "aaaa", Direction.UPGRADE, "first", 1, 1)


def _drawn(monkeypatch: pytest.MonkeyPatch, encoding: str, direction: Direction) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    monkeypatch.setattr(sys, "stderr", stream)
    progress = Progress(Terminal(Invocation()))
    progress(ServerStarting("postgres", initialising=True))
    progress(RunStarted("run", "upgrade", "postgresql://h/d", 2))
    progress(StepStarted(*_STEP))
    progress(StepFinished("run", "aaaa", direction, "first", 1, 2, 12.3))
    progress(StepFailed("run", "bbbb", direction, "StepFailedError", "no", "42P07"))
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


class _Log:
    """What a pipe gets of events, at times that the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self._monkeypatch = monkeypatch
        self._progress = Progress(Terminal(Invocation()), clock=lambda: self.now)
        self.hear(StepStarted(*_STEP))

    def hear(self, *events: Event, after: float = 0.0) -> list[str]:
        """The lines that these events add."""
        self.now += after
        stream = io.StringIO()
        self._monkeypatch.setattr(sys, "stderr", stream)
        for event in events:
            self._progress(event)
        return stream.getvalue().splitlines()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> _Log:
    return _Log(monkeypatch)


_HOLDER = Peer(4711, "headway", client="10.0.0.7", state="active", query="ALTER TABLE t ADD c int")
_HELD = "held by pid 4711 (headway, 10.0.0.7, running: ALTER TABLE t ADD c int)"


def _blocked(waited_s: float, *blockers: Peer) -> StepBlocked:
    return StepBlocked("run", "aaaa", blockers, waited_s)


def _building(done: int) -> StepProgress:
    phase = "building index: scanning table"
    return StepProgress("run", "aaaa", "CREATE INDEX", phase, done, 2000, "blocks")


def test_who_holds_the_migrator_lock_is_said_after_the_name_of_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    progress = Progress(Terminal(Invocation()))
    progress(LockWaiting("run", "postgresql://h/d", _HOLDER, 0.0))
    progress(RunStarted("run", "upgrade", "postgresql://h/d", 0))
    assert stream.getvalue().splitlines() == [
        "database: postgresql://h/d",
        f"waiting for the migrator lock: {_HELD}",
    ]


def test_the_same_lock_holder_is_a_line_every_ten_seconds_and_another_one_at_once(log: _Log) -> None:
    assert log.hear(LockWaiting("run", "d", _HOLDER, 0.0))[-1].endswith(_HELD)
    assert log.hear(LockWaiting("run", "d", _HOLDER, 5.0), after=5) == []
    [line] = log.hear(LockWaiting("run", "d", _HOLDER, 10.0), after=5)
    assert "waiting for the migrator lock (10.0 s so far): held by pid 4711" in line
    [line] = log.hear(LockWaiting("run", "d", Peer(12), 11.0), after=1)
    assert line.endswith("held by pid 12")


def test_a_blocked_step_says_who_blocks_it_and_when_it_goes_on(log: _Log) -> None:
    assert log.hear(_blocked(0.0, _HOLDER)) == [f"  aaaa waits for a lock: {_HELD}"]
    assert log.hear(_blocked(5.0, _HOLDER), after=5) == []
    assert log.hear(_blocked(10.0, _HOLDER), after=5) == [f"  aaaa waits for a lock (10.0 s so far): {_HELD}"]
    assert log.hear(_blocked(11.0, _HOLDER, Peer(12)), after=1) != []
    assert log.hear(_blocked(12.5), after=1) == ["  aaaa waits no longer for locks, after 12.5 s"]


def test_attempts_that_meet_the_same_blocker_name_it_once_in_their_own_lines(log: _Log) -> None:
    retrying = StepRetrying("run", "aaaa", 2, "55P03", 0.4, (_HOLDER,))
    assert len(log.hear(_blocked(0.0, _HOLDER), retrying)) == 2
    assert len(log.hear(_blocked(0.0, _HOLDER), retrying, after=0.6)) == 1


def test_progress_is_a_line_every_ten_seconds_and_none_for_a_short_step(log: _Log) -> None:
    assert log.hear(_building(100), after=1) == []
    assert log.hear(_building(1240), after=9) == [
        "  aaaa CREATE INDEX: building index: scanning table, 62% (1,240 of 2,000 blocks)"
    ]
    assert log.hear(_building(1300), after=9) == []
    assert len(log.hear(_building(1400), after=1)) == 1
    log.hear(StepStarted(*_STEP))
    assert log.hear(_building(1500), after=5) == []


def test_statements_warnings_and_retries_are_lines_that_stay(log: _Log) -> None:
    assert log.hear(
        StatementFinished("run", "aaaa", "CREATE INDEX CONCURRENTLY i\n  ON t (c)", 3, 1234.0),
        Warned("run", "aaaa", "an INVALID index was dropped"),
        Warned("run", None, "the ledger is new"),
        StepRetrying("run", "aaaa", 2, "55P03", 0.4, (_HOLDER,)),
    ) == [
        "  aaaa statement 3 done (1.2 s): CREATE INDEX CONCURRENTLY i ON t (c)",
        "warning: aaaa: an INVALID index was dropped",
        "warning: the ledger is new",
        f"  aaaa locked by {_HELD.removeprefix('held by ')}; trying again in 400 ms (attempt 3)",
    ]


def test_what_wait_waits_for_is_said_at_once_and_then_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = _Log(monkeypatch)
    log.hear(RunFinished("run", "upgrade", 0, 1.0))
    assert log.hear(Waiting("no server", 0.0)) == ["waiting: no server"]
    assert log.hear(Waiting("no server", 2.0), after=2) == []
    assert log.hear(Waiting("no server", 10.0), after=8) == ["waiting (10.0 s so far): no server"]


def test_quiet_silences_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    progress = Progress(Terminal(Invocation(quiet=True)))
    progress(LockWaiting("run", "d", _HOLDER, 0.0))
    progress(Warned("run", None, "something"))
    progress(Waiting("no server", 0.0))
    assert stream.getvalue() == ""


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_progress_is_a_bar_and_only_notes_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = _Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("CI", raising=False)
    drawn: list[str] = []

    class Recorded(Progress):
        def _spin(self, text: str) -> None:
            drawn.append(text)
            super()._spin(text)

    progress = Recorded(Terminal(Invocation()))
    try:
        progress(StepStarted(*_STEP))
        progress(_building(500))
        progress(_blocked(0.0, _HOLDER))
        progress(Warned("run", None, "mind the gap"))
    finally:
        progress.stop()
    bar = "######------------------"
    assert drawn == [
        "applying aaaa first",
        f"applying aaaa first: building index: scanning table {bar} 25% (500 of 2,000 blocks)",
        f"aaaa waits for a lock: {_HELD}",
        "applying aaaa first",
    ]
    assert "mind the gap" in screen.getvalue()


def test_a_bar_is_drawn_only_where_the_end_is_known() -> None:
    event = StepProgress("run", "aa", "CREATE INDEX", "phase", 5, 0, "tuples")
    assert progress_bar(event, ascii_only=True) == "phase 5 tuples"


@pytest.mark.parametrize("part", [0.0, 0.33, 0.5, 1.0])
def test_a_bar_is_as_wide_when_empty_as_when_full(part: float) -> None:
    drawn = bar(part, ascii_only=False)
    assert (len(drawn), drawn.count("━")) == (24, int(part * 24))
    assert bar(part, ascii_only=True).isascii()
