"""Events and other sessions in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

import pytest

from headway import (
    BackupFinished,
    BackupStarted,
    Direction,
    LockWaiting,
    Peer,
    RunFailed,
    RunFinished,
    RunStarted,
    ServerStarting,
    StartupBegan,
    StartupFailed,
    StartupFinished,
    StartupMode,
    State,
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
from headway import events as all_events
from headway.narration import peers, sentences
from headway.narration.figures import readable_duration, readable_size, share
from headway.narration.pacing import Pace

if TYPE_CHECKING:
    from headway import Event

_ONCE = datetime(2026, 3, 4, 12, 0, 1, tzinfo=UTC)


def test_a_session_is_named_with_all_that_is_known_of_it() -> None:
    peer = Peer(
        4711,
        "headway",
        user="app",
        client="10.0.0.7",
        backend_type="client backend",
        state="active",
        since=_ONCE,
        query="ALTER TABLE t\n  ADD c int",
    )
    moment = f"{_ONCE.astimezone():%Y-%m-%d %H:%M:%S}"
    assert (
        peers.name(peer)
        == f"pid 4711 (headway, user app, 10.0.0.7, since {moment}, running: ALTER TABLE t ADD c int)"
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
        (Peer(12, "psql", state="idle in transaction"), "pid 12 (psql, idle in transaction)"),
        (Peer(12, "psql", state="active"), "pid 12 (psql)"),
    ],
)
def test_what_is_not_known_of_a_session_is_left_out(peer: Peer, text: str) -> None:
    assert peers.name(peer) == text


def test_sessions_nobody_saw_are_another_session() -> None:
    assert peers.names([]) == "another session"
    assert peers.names([Peer(1), Peer(2)]) == "pid 1 and pid 2"


def test_a_day_is_named_unless_it_is_today() -> None:
    assert peers.moment(_ONCE) == f"{_ONCE.astimezone():%Y-%m-%d %H:%M:%S}"

    def is_told_by_the_hour() -> bool:
        now = datetime.now(UTC)
        return peers.moment(now) == f"{now.astimezone():%H:%M:%S}"

    # Midnight may come between the two clocks once, and not twice.
    assert is_told_by_the_hour() or is_told_by_the_hour()


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
    text = sentences.retrying(StepRetrying("run", "aa", 1, sqlstate, 2.0, (Peer(1),)))
    assert text == f"aa {reason}; trying again in 2.0 s (attempt 2)"


def test_a_short_wait_is_not_measured_aloud() -> None:
    assert (
        sentences.blocked(StepBlocked("run", "aa", (Peer(1),), 0.9)) == "aa waits for a lock: held by pid 1"
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
    assert sentences.progress(event) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0.4, "0 ms"),
        (12.3, "12 ms"),
        (999.9, "1000 ms"),
        (1000, "1.0 s"),
        (59_900, "59.9 s"),
        (125_000, "2 min 5 s"),
    ],
)
def test_durations_are_readable(milliseconds: float, text: str) -> None:
    assert readable_duration(milliseconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (512, "512 B"), (49_152, "48 kB"), (3_355_443, "3.2 MB"), (1 << 50, "1024 TB")],
)
def test_sizes_use_postgresql_s_units(size: int, text: str) -> None:
    assert readable_size(size) == text


@pytest.mark.parametrize(("done", "total", "part"), [(0, 10, 0.0), (5, 10, 0.5), (12, 10, 1.0), (5, 0, 0.0)])
def test_a_share_is_never_more_than_all(done: int, total: int, part: float) -> None:
    assert share(done, total) == part


_STEP = ("run", "aa", Direction.UPGRADE, "create t", 1, 2)
_UNDO = ("run", "aa", Direction.DOWNGRADE, "", 1, 2)
_SENTENCES: list[tuple[Event, str]] = [
    (RunStarted("run", "upgrade", "postgresql://h/d", 2), "upgrade of postgresql://h/d started: 2 revisions"),
    (RunStarted("run", "stamp", "postgresql://h/d", 0), "stamp of postgresql://h/d started"),
    (RunFinished("run", "upgrade", 1, 1234.0), "upgrade finished: 1 revision in 1.2 s"),
    (RunFinished("run", "stamp", 0, 12.0), "stamp finished in 12 ms"),
    (
        RunFailed("run", "upgrade", 2, 12.0, "StepFailedError", "no such\ntable"),
        "upgrade failed after 12 ms (2 revisions done before): no such table",
    ),
    (
        RunFailed("run", "stamp", 0, 12.0, "CancelledError", "cancelled"),
        "stamp failed after 12 ms: cancelled",
    ),
    (LockWaiting("run", "d", None, 0.0), "waiting for the migrator lock: another migrator has it"),
    (StepStarted(*_STEP), "applying aa create t"),
    (StepStarted(*_UNDO), "undoing aa"),
    (StepFinished(*_STEP, 12.0), "aa create t applied (12 ms)"),
    (StepFinished(*_UNDO, 12.0), "aa undone (12 ms)"),
    (
        StepFailed("run", "aa", Direction.UPGRADE, "StepFailedError", "no such\ntable", "42P01"),
        "aa failed: no such table",
    ),
    (StepBlocked("run", "aa", (), 2.0), "aa waits no longer for locks, after 2.0 s"),
    (
        StepRetrying("run", "aa", 1, "40001", 2.0, ()),
        "aa serialization failure; trying again in 2.0 s (attempt 2)",
    ),
    (StepProgress("run", "aa", "CREATE INDEX", "sorting", 0, 0, "tuples"), "aa CREATE INDEX: sorting"),
    (StatementFinished("run", "aa", "SELECT\n 1", 3, 12.0), "aa statement 3 done (12 ms): SELECT 1"),
    (StatementFinished("run", "aa", "", 3, 12.0), "aa statement 3 done (12 ms)"),
    (BackupStarted("run", "pg_dump\n--file x"), "backing up first: pg_dump --file x"),
    (BackupFinished("run", "pg_dump", 12_300.0), "backed up in 12.3 s"),
    (Warned("run", None, "the ledger is new"), "the ledger is new"),
    (Warned("run", "aa", "in two\nlines"), "aa: in two lines"),
    (Waiting("no server", 2.0), "waiting (2.0 s so far): no server"),
    (ServerStarting("/d", initialising=True), "creating the embedded PostgreSQL in /d"),
    (ServerStarting("/d", initialising=False), "starting the embedded PostgreSQL in /d"),
    (StartupBegan(StartupMode.WAIT), "start-up: waiting until the database is migrated"),
    (StartupFinished(StartupMode.OFF, None, 0.1), "start-up: done"),
    (
        StartupFinished(StartupMode.CHECK, State.AT_HEAD, 12.0),
        "start-up: done in 12 ms, the database is at head",
    ),
    (
        StartupFailed(StartupMode.CHECK, "NotAtHeadError", "r2 is\nmissing", 12.0),
        "start-up: failed after 12 ms: r2 is missing",
    ),
]


@pytest.mark.parametrize(("event", "sentence"), _SENTENCES)
def test_an_event_is_one_sentence(event: Event, sentence: str) -> None:
    assert sentences.in_words(event) == sentence


def test_every_event_has_a_sentence() -> None:
    assert {type(event) for event, _ in _SENTENCES} == set(get_args(all_events.Event))


def test_a_start_up_is_told_in_every_mode() -> None:
    told = {sentences.in_words(StartupBegan(mode)) for mode in StartupMode}
    assert all(sentence.startswith("start-up: ") for sentence in told)


def test_sessions_can_be_named_without_what_they_run() -> None:
    at_work = Peer(12, "psql", state="active", query="UPDATE t SET name = 'Ada'")
    idle = Peer(13, "psql", state="idle in transaction", query="UPDATE t SET name = 'Ada'")
    assert peers.names_alone([at_work, idle, Peer(0)]) == (
        "pid 12 (psql) and pid 13 (psql, idle in transaction) and "
        "a prepared transaction (see pg_prepared_xacts)"
    )
    assert peers.names_alone([]) == "another session"


def test_the_same_is_due_again_after_a_while_and_something_new_at_once() -> None:
    now = 0.0
    pace = Pace(every_s=10.0, clock=lambda: now)
    assert pace.due("lock", 1)
    now = 9.9
    assert not pace.due("lock", 1)
    assert pace.due("progress", 1)
    assert pace.due("lock", 2)
    now = 20.0
    assert pace.due("lock", 2)


def test_a_topic_is_over_once_and_only_when_something_was_said() -> None:
    pace = Pace(clock=lambda: 0.0)
    pace.said("blocked", 1)
    assert pace.over("blocked")
    assert not pace.over("blocked")
    assert pace.due("blocked", 1)


def test_topics_that_nobody_ends_are_not_kept_for_ever() -> None:
    pace = Pace(clock=lambda: 0.0)
    pace.said("the first", 1)
    for number in range(1000):
        pace.said(number, 1)
    assert not pace.over("the first")
    assert pace.over(999)
