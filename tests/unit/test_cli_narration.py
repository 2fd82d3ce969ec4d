"""Events and other sessions in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from headway import Peer, StepBlocked, StepProgress, StepRetrying
from headway.cli import narration, peers

_SINCE = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)


def test_a_session_is_named_with_all_that_is_known_of_it() -> None:
    peer = Peer(
        4711,
        "headway",
        user="app",
        client="10.0.0.7",
        backend_type="client backend",
        state="active",
        since=_SINCE,
        query="ALTER TABLE t\n  ADD c int",
    )
    moment = f"{_SINCE.astimezone():%Y-%m-%d %H:%M:%S}"
    assert (
        peers.name(peer) == f"pid 4711 (headway, 10.0.0.7, since {moment}, running: ALTER TABLE t ADD c int)"
    )


@pytest.mark.parametrize(
    ("peer", "text"),
    [
        (Peer(12), "pid 12"),
        (Peer(0), "a prepared transaction (see pg_prepared_xacts)"),
        (Peer(12, backend_type="autovacuum worker"), "pid 12 (autovacuum worker)"),
        (
            Peer(12, "psql", state="idle in transaction", query="SELECT 1"),
            "pid 12 (psql, idle in transaction, last: SELECT 1)",
        ),
    ],
)
def test_what_is_not_known_of_a_session_is_left_out(peer: Peer, text: str) -> None:
    assert peers.name(peer) == text


def test_sessions_nobody_saw_are_another_session() -> None:
    assert peers.names([]) == "another session"
    assert peers.names([Peer(1), Peer(2)]) == "pid 1 and pid 2"


def test_a_day_is_named_unless_it_is_today() -> None:
    now = datetime.now(UTC)
    earlier, later = now - timedelta(days=2), now + timedelta(days=2)
    assert peers.moment(earlier) == f"{earlier.astimezone():%Y-%m-%d %H:%M:%S}"
    assert peers.moment(later) == f"{later.astimezone():%Y-%m-%d %H:%M:%S}"
    # Midnight may come between the two clocks, but not twice.
    assert any(
        peers.moment(moment := datetime.now(UTC)) == f"{moment.astimezone():%H:%M:%S}" for _ in range(2)
    )


def test_a_long_statement_is_cut_to_its_beginning() -> None:
    text = peers.one_line("SELECT " + "x, " * 100)
    assert len(text) == 72
    assert text.endswith("...")


@pytest.mark.parametrize(
    ("sqlstate", "reason"),
    [
        ("55P03", "locked by pid 1"),
        ("40P01", "deadlock with pid 1"),
        ("40001", "serialization failure"),
        ("XX000", "rolled back (XX000)"),
    ],
)
def test_a_retry_gives_its_reason_and_counts_the_attempt_to_come(sqlstate: str, reason: str) -> None:
    text = narration.retrying(StepRetrying("run", "aa", 1, sqlstate, 2.0, (Peer(1),)))
    assert text == f"aa {reason}; trying again in 2.0 s (attempt 2)"


def test_a_short_wait_is_not_measured_aloud() -> None:
    assert (
        narration.blocked(StepBlocked("run", "aa", (Peer(1),), 0.9)) == "aa waits for a lock: held by pid 1"
    )


@pytest.mark.parametrize(
    ("done", "total", "unit", "text"),
    [
        (1, 2, "lockers", "aa CREATE INDEX: phase, 50% (1 of 2 lockers)"),
        (512, 3_355_443, "bytes", "aa CREATE INDEX: phase, 0% (512 B of 3.2 MB)"),
        (1_240, 0, "tuples", "aa CREATE INDEX: phase, 1,240 tuples"),
        (0, 0, "tuples", "aa CREATE INDEX: phase"),
        (3, 2, "blocks", "aa CREATE INDEX: phase, 100% (3 of 2 blocks)"),
    ],
)
def test_progress_tells_what_is_known(done: int, total: int, unit: str, text: str) -> None:
    event = StepProgress("run", "aa", "CREATE INDEX", "phase", done, total, unit)
    assert narration.progress_line(event) == text


def test_a_bar_is_drawn_only_where_the_end_is_known() -> None:
    event = StepProgress("run", "aa", "CREATE INDEX", "phase", 5, 0, "tuples")
    assert narration.progress_bar(event, ascii_only=True) == "phase 5 tuples"
