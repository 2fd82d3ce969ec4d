"""Events as log records."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, get_args

import pytest

from headway import (
    Event,
    LockWaiting,
    Peer,
    RunFailed,
    RunStarted,
    StepBlocked,
    StepProgress,
    Waiting,
)
from headway.narration.sentences import in_words
from headway.telemetry import LogListener
from headway.telemetry.logs import LEVELS, PREFIX, event_name, fields_of
from sample_events import DATABASE, PRIVATE, SAMPLE, STATEMENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EVERY_KIND = frozenset(get_args(Event))


class Kept(logging.Handler):
    """Keeps its records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class JsonFormatter(logging.Formatter):
    """What formatters for JSON do: all that a record has beyond what every record has."""

    PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: value for name, value in vars(record).items() if name not in self.PLAIN}
        return json.dumps({"level": record.levelname, "message": record.getMessage(), **extra})


@pytest.fixture
def kept() -> Iterator[Kept]:
    logger, handler = logging.getLogger("headway"), Kept()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def told(kept: Kept, events: Sequence[Event]) -> list[logging.LogRecord]:
    listener = LogListener(clock=lambda: 0.0)
    for event in events:
        listener(event)
    return kept.records


def test_the_sample_holds_every_kind_of_event() -> None:
    assert {type(event) for event in SAMPLE} == EVERY_KIND


def test_every_event_is_a_record_of_its_level_on_the_logger_of_headway(kept: Kept) -> None:
    records = told(kept, SAMPLE)
    assert [record.levelno for record in records] == [LEVELS[type(event)] for event in SAMPLE]
    assert {record.name for record in records} == {"headway"}
    assert set(LEVELS) == EVERY_KIND


def test_a_record_says_in_words_what_its_fields_hold(kept: Kept) -> None:
    (record,) = told(kept, [RunStarted("run", "upgrade", DATABASE, 2)])
    assert record.getMessage() == f"upgrade of {DATABASE} started: 2 revisions"
    assert {name: value for name, value in vars(record).items() if name.startswith(PREFIX)} == {
        "headway_event": "run_started",
        "headway_run_id": "run",
        "headway_operation": "upgrade",
        "headway_database": DATABASE,
        "headway_total": 2,
    }


def test_other_sessions_are_fields_by_their_process(kept: Kept) -> None:
    blocked = StepBlocked("run", "r1", (Peer(12), Peer(13)), 2.0)
    waiting = LockWaiting("run", DATABASE, Peer(14), 2.0)
    alone = LockWaiting("run", DATABASE, None, 2.0)
    assert fields_of(blocked)["headway_blockers"] == [12, 13]
    assert fields_of(waiting)["headway_holder"] == 14
    assert fields_of(alone)["headway_holder"] is None
    assert len(told(kept, [blocked, waiting, alone])) == 3


def test_no_field_meets_an_attribute_that_records_have(kept: Kept) -> None:
    plain = {*vars(logging.makeLogRecord({})), "message", "asctime"}
    for event in SAMPLE:
        assert all(name.startswith(PREFIX) for name in fields_of(event))
        assert not plain & {*fields_of(event)}
    # logging raises a KeyError where an extra name would replace an attribute of the record.
    assert len(told(kept, SAMPLE)) == len(SAMPLE)


def test_a_formatter_for_json_writes_every_record_without_help(kept: Kept) -> None:
    lines = [JsonFormatter().format(record) for record in told(kept, SAMPLE)]
    documents = [json.loads(line) for line in lines]
    assert [document["headway_event"] for document in documents] == [event_name(type(e)) for e in SAMPLE]
    assert all("\n" not in line for line in lines)


def test_no_statement_is_written_neither_a_revisions_nor_another_sessions(kept: Kept) -> None:
    assert any(PRIVATE in in_words(event) for event in SAMPLE), "the sample proves nothing"
    for record in told(kept, SAMPLE):
        assert PRIVATE not in JsonFormatter().format(record)
    (blocked,) = (
        record for record in kept.records if "held by" in record.getMessage() and "r1" in record.msg
    )
    assert "pid 4711 (psql, user app, idle in transaction)" in blocked.getMessage()


def test_of_an_error_the_first_line_is_written(kept: Kept) -> None:
    error = f"statement 2 is not the one that was journalled:\n  revision: {STATEMENT}"
    (record,) = told(kept, [RunFailed("run", "upgrade", 0, 1.0, "DirtyError", error)])
    assert record.getMessage().endswith(": statement 2 is not the one that was journalled:")
    assert PRIVATE not in JsonFormatter().format(record)


def test_percent_signs_are_words_like_any_other(kept: Kept) -> None:
    (record,) = told(kept, [Waiting("100%s of %d", 0.0)])
    assert record.getMessage() == "waiting: 100%s of %d"


def test_what_repeats_itself_is_written_every_ten_seconds_and_news_at_once(kept: Kept) -> None:
    now = 0.0
    listener = LogListener(clock=lambda: now)

    def written(event: Event, *, at: float) -> bool:
        nonlocal now
        now, before = at, len(kept.records)
        listener(event)
        return len(kept.records) > before

    one = StepBlocked("run", "r1", (Peer(1),), 1.0)
    assert written(one, at=0.0)
    assert not written(one, at=9.9)
    assert written(one, at=10.0)
    assert written(StepBlocked("run", "r1", (Peer(2),), 1.0), at=10.1)
    assert written(StepBlocked("another", "r1", (Peer(2),), 1.0), at=10.2)
    for event in (
        LockWaiting("run", DATABASE, Peer(1), 1.0),
        StepProgress("run", "r1", "CREATE INDEX", "building", 1, 9, "blocks"),
        Waiting("no server", 1.0),
    ):
        assert written(event, at=20.0)
        assert not written(event, at=29.0)
        assert written(event, at=30.0)
    assert written(StepProgress("run", "r1", "CREATE INDEX", "sorting", 1, 9, "blocks"), at=30.1)


def test_two_that_wait_for_different_things_do_not_wake_each_other(kept: Kept) -> None:
    waits = [Waiting("no server", 1.0), Waiting("r2 is missing", 1.0)]
    assert len(told(kept, [*waits, *waits, *waits])) == 2


def test_the_end_of_a_wait_is_written_when_the_wait_was(kept: Kept) -> None:
    over = StepBlocked("run", "r1", (), 2.0)
    assert told(kept, [over]) == []
    _, end = told(kept, [StepBlocked("run", "r1", (Peer(1),), 1.0), over])
    assert (end.levelno, end.getMessage()) == (logging.INFO, "r1 waits no longer for locks, after 2.0 s")


def test_a_level_that_is_not_wanted_costs_no_words(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("headway")
    monkeypatch.setattr(logger, "isEnabledFor", lambda level: level >= logging.WARNING)
    levels = {record.levelno for record in told(kept, SAMPLE)}
    assert levels == {logging.WARNING, logging.ERROR}


def test_another_logger_can_be_named(kept: Kept) -> None:
    logger, handler = logging.getLogger("shop.migrations"), Kept()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        LogListener(logger)(SAMPLE[0])
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert [record.name for record in handler.records] == ["shop.migrations"]
    assert kept.records == []


def test_logging_needs_neither_opentelemetry_nor_sqlalchemy() -> None:
    heavy = ("opentelemetry", "sqlalchemy", "alembic", "rich")
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; from headway.telemetry import LogListener; "
        f"print(*(name for name in {heavy} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_an_unknown_name_is_an_attribute_error_as_of_any_module() -> None:
    from headway import telemetry

    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        telemetry.Nothing  # noqa: B018  # the access is the point
