from __future__ import annotations

from types import SimpleNamespace

import pytest

from headway.errors import ConfigurationError
from headway.results import RunOptions
from headway.timeouts import Timeouts, parse


@pytest.mark.parametrize(
    ("written", "milliseconds"),
    [
        ("2s", 2_000),
        ("500ms", 500),
        ("1min", 60_000),
        ("1.5 min", 90_000),
        ("2 h", 7_200_000),
        ("1d", 86_400_000),
        ("5000us", 5),
        ("250", 250),
        (250, 250),
        (" 3s ", 3_000),
        ("0", 0),
        (0, 0),
        ("0s", 0),
        (2**31 - 1, 2**31 - 1),
    ],
)
def test_a_duration_is_read_as_postgresql_reads_it(written: object, milliseconds: int) -> None:
    assert parse(written, variable="lock_timeout") == milliseconds


@pytest.mark.parametrize(
    "written",
    ["", "s", "2 sec", "2m", "2S", "-1", -1, "1e3", "1,5s", "٣s", True, None, [], "2s 3s", "inf", "nan"],
)
def test_what_is_no_duration_is_refused_by_name(written: object) -> None:
    with pytest.raises(ConfigurationError, match="is not a duration") as caught:
        parse(written, variable="lock_timeout of revision 1a")
    assert caught.value.variable == "lock_timeout of revision 1a"
    assert "2s" in str(caught.value.example)


def test_less_than_a_millisecond_is_refused_because_the_server_would_take_it_for_no_limit() -> None:
    with pytest.raises(ConfigurationError, match="less than a millisecond"):
        parse("100us", variable="lock_timeout")


@pytest.mark.parametrize("written", [2**31, "25d", "9" * 400])
def test_more_than_the_server_can_hold_is_refused(written: object) -> None:
    with pytest.raises(ConfigurationError, match="longer than 24 days"):
        parse(written, variable="statement_timeout")


def test_without_a_wish_the_defaults_hold() -> None:
    assert Timeouts().merged(RunOptions()) == Timeouts(
        lock_timeout_ms=None,
        statement_timeout_ms=0,
        idle_in_transaction_session_timeout_ms=60_000,
        client_connection_check_interval_ms=500,
    )


def test_the_runs_wish_replaces_a_default_and_the_revisions_replaces_the_runs() -> None:
    run = RunOptions(lock_timeout_ms=100, statement_timeout_ms=5_000)
    revision = SimpleNamespace(lock_timeout="2s", idle_in_transaction_session_timeout="10min")
    merged = Timeouts().merged(run, revision)
    assert merged.lock_timeout_ms == 2_000
    assert merged.statement_timeout_ms == 5_000
    assert merged.idle_in_transaction_session_timeout_ms == 600_000


def test_no_limit_is_a_wish_too() -> None:
    run = RunOptions(lock_timeout_ms=100, statement_timeout_ms=5_000)
    merged = Timeouts().merged(run, SimpleNamespace(lock_timeout=0, statement_timeout="0"))
    assert (merged.lock_timeout_ms, merged.statement_timeout_ms) == (0, 0)


def test_a_revisions_faulty_duration_is_named_with_its_revision() -> None:
    revision = SimpleNamespace(statement_timeout="2 weeks")
    with pytest.raises(ConfigurationError) as caught:
        Timeouts().merged(RunOptions(), revision, origin="revision 1a2b")
    assert caught.value.variable == "statement_timeout of revision 1a2b"
