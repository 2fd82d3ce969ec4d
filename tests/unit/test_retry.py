from __future__ import annotations

import itertools

import pytest

from headway.errors import ConfigurationError
from headway.retry import RetryPolicy
from headway.timeouts import Timeouts

NEVER_RETRIED = [
    None,  # the connection broke: a COMMIT may have taken effect
    "08006",  # connection_failure
    "08007",  # transaction_resolution_unknown
    "57P01",  # admin_shutdown
    "57014",  # query_canceled: somebody meant it, or statement_timeout did
    "40003",  # statement_completion_unknown
    "40002",  # transaction_integrity_constraint_violation
    "42P07",  # duplicate_table
    "23505",  # unique_violation
    "53300",  # too_many_connections
    "",
]


@pytest.mark.parametrize("sqlstate", ["55P03", "40P01", "40001"])
def test_lock_timeout_deadlock_and_serialization_failure_are_retried(sqlstate: str) -> None:
    assert RetryPolicy().decide(1, sqlstate, 0.2) is not None


@pytest.mark.parametrize("sqlstate", NEVER_RETRIED)
def test_nothing_else_is_retried_least_of_all_a_commit_without_an_answer(sqlstate: str | None) -> None:
    assert RetryPolicy().decide(1, sqlstate, 0.2) is None


@pytest.mark.parametrize(
    ("attempt", "chance", "delay"),
    [
        (1, 0.0, 0.5),
        (1, 1.0, 0.25),
        (2, 0.0, 1.0),
        (3, 0.5, 1.5),
        (5, 0.0, 8.0),
        (6, 0.0, 10.0),
        (19, 1.0, 5.0),
    ],
)
def test_pauses_double_up_to_a_limit_and_chance_shortens_them(
    attempt: int, chance: float, delay: float
) -> None:
    assert RetryPolicy().decide(attempt, "55P03", 0.0, chance=lambda: chance) == delay


def test_the_last_attempt_is_the_last() -> None:
    policy = RetryPolicy(attempts=3)
    assert policy.decide(2, "55P03", 0.0) is not None
    assert policy.decide(3, "55P03", 0.0) is None
    assert len(list(policy.lock_timeouts())) == 3


def test_no_attempt_begins_after_the_time_is_up() -> None:
    policy = RetryPolicy(total_s=10.0, jitter=0.0)
    assert policy.decide(2, "55P03", 9.0) == 1.0
    assert policy.decide(2, "55P03", 9.1) is None


def test_a_very_late_attempt_is_still_decided() -> None:
    assert RetryPolicy(attempts=10**6, jitter=0.0).decide(5000, "55P03", 0.0) == 10.0


def test_most_attempts_are_short_and_some_outlast_deadlock_timeout_so_that_autovacuum_yields() -> None:
    timeouts = list(RetryPolicy().lock_timeouts())
    patient = [value for value in timeouts if value >= 1_500]
    assert len(timeouts) == 20
    assert len(patient) == 4
    assert set(timeouts) - set(patient) == {200}
    assert timeouts[:5] == [200, 200, 200, 200, 1_500]


def test_a_reader_of_three_seconds_is_gone_before_the_first_patient_attempt() -> None:
    policy = RetryPolicy()
    before = itertools.takewhile(lambda timeout: timeout < 1_500, policy.lock_timeouts())
    shortest = [
        timeout / 1000 + (policy.decide(attempt, "55P03", 0.0, chance=lambda: 1.0) or 0.0)
        for attempt, timeout in enumerate(before, start=1)
    ]
    assert sum(shortest) > 4.5


def test_all_attempts_together_fit_into_the_time_allowed() -> None:
    policy = RetryPolicy(jitter=0.0)
    pauses = [policy.decide(attempt, "55P03", 0.0) or 0.0 for attempt in range(1, policy.attempts)]
    assert sum(pauses) + sum(policy.lock_timeouts()) / 1000 < policy.total_s


def test_patience_can_be_turned_off() -> None:
    assert set(RetryPolicy(patient_every=0).lock_timeouts()) == {200}


@pytest.mark.parametrize("explicit", [0, 50, 30_000])
def test_an_explicit_lock_timeout_replaces_the_schedule(explicit: int) -> None:
    policy = RetryPolicy.of(Timeouts(lock_timeout_ms=explicit))
    assert set(policy.lock_timeouts()) == {explicit}
    assert policy.attempts == RetryPolicy().attempts


def test_without_an_explicit_lock_timeout_the_schedule_holds() -> None:
    assert RetryPolicy.of(Timeouts()) == RetryPolicy()


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"jitter": 1.5}, {"jitter": -0.1}])
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        RetryPolicy(**wrong)  # type: ignore[arg-type]  # attempts is an int; so it is above
