"""Arguments: relative targets, global options on either side of the verb, --json wherever it stands."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from headway import CancelBlockers, RunOptions
from headway.cli.commands.author import revision
from headway.cli.commands.change import upgrade
from headway.cli.group import Entry, LazyGroup
from headway.cli.invocation import Colour, Invocation, wants_json
from headway.cli.options import DURATION, Verb, behind_dashes, global_options, run_options
from headway.lock import DEFAULT_LOCK_WAIT_S
from headway.retry import RetryPolicy


@pytest.mark.parametrize(
    ("typed", "parsed"),
    [
        (["-1"], ["--", "-1"]),
        (["-12", "--yes"], ["--yes", "--", "-12"]),
        (["--yes", "-1"], ["--yes", "--", "-1"]),
        (["--", "-1"], ["--", "-1"]),
        (["-1", "--", "x"], ["--", "-1", "x"]),
        (["branch@-1"], ["branch@-1"]),
        (["+1"], ["+1"]),
        (["-q"], ["-q"]),
        ([], []),
    ],
)
def test_relative_targets_are_arguments(typed: list[str], parsed: list[str]) -> None:
    assert behind_dashes(typed) == parsed


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        (["--json", "status"], True),
        (["status", "--json"], True),
        (["status"], False),
        (["dev", "run", "--", "tool", "--json"], False),
    ],
)
def test_json_is_seen_wherever_it_stands_before_the_dashes(typed: list[str], asked: bool) -> None:  # noqa: FBT001  # a column of the table
    assert wants_json(typed) is asked


@click.command(cls=Verb)
def verb() -> None:
    """Do nothing."""


_ROOT = LazyGroup(
    name="headway", params=global_options(), entries={"verb": Entry(f"{__name__}:verb", "Nothing.")}
)


def _gathered(words: list[str]) -> Invocation:
    invocation = Invocation()
    result = CliRunner().invoke(_ROOT, words, obj=invocation, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return invocation


_GLOBAL = [
    *("-c", "here/alembic.ini", "-n", "other", "--url", "postgresql://h/d", "--environment", "staging"),
    *("-v", "-q", "--json", "--color", "never"),
]


@pytest.mark.parametrize("words", [[*_GLOBAL, "verb"], ["verb", *_GLOBAL]])
def test_global_options_may_stand_on_either_side_of_the_verb(words: list[str]) -> None:
    assert _gathered(words) == Invocation(
        config=Path("here/alembic.ini"),
        section="other",
        url="postgresql://h/d",
        environment="staging",
        verbose=True,
        quiet=True,
        json=True,
        color=Colour.NEVER,
    )


def test_x_arguments_add_up_across_the_verb() -> None:
    assert _gathered(["-x", "a=1", "verb", "-x", "b=2", "-x", "c"]).x_arguments == ["a=1", "b=2", "c"]


def test_an_option_before_the_verb_is_not_undone_by_its_absence_after_it() -> None:
    assert _gathered(["--json", "verb"]).json is True


def test_the_url_is_not_in_the_repr() -> None:
    assert "s3cret" not in repr(Invocation(url="postgresql://u:s3cret@h/d"))


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("2s", 2.0),
        ("1min", 60.0),
        ("1.5 h", 5400.0),
        ("1d", 86400.0),
        ("30", 30.0),
        ("0", 0.0),
    ],
)
def test_a_duration_is_in_postgresql_s_units_and_in_seconds_without_one(written: str, seconds: float) -> None:
    assert DURATION.convert(written, None, None) == seconds


@pytest.mark.parametrize("written", ["", "2m", "-1s", "soon", "1e3", "inf", "nan", "25d", "٣s"])
def test_what_is_no_duration_is_refused(written: str) -> None:
    with pytest.raises(click.BadParameter):
        DURATION.convert(written, None, None)


def _options(*words: str) -> RunOptions:
    given: list[RunOptions] = []

    @click.command(cls=Verb)
    @run_options
    def limited(options: RunOptions) -> None:
        given.append(options)

    result = CliRunner().invoke(limited, words, obj=Invocation(), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return given[0]


def test_a_run_without_options_has_headway_s_defaults() -> None:
    assert _options() == RunOptions()


def test_limits_of_a_run_reach_it() -> None:
    words = ["--lock-wait", "2min", "--lock-timeout", "1.5s", "--statement-timeout", "1h"]
    words += ["--idle-in-transaction-session-timeout", "2min", "--client-connection-check-interval", "2s"]
    assert _options(*words, "--cancel-blockers", "autovacuum") == RunOptions(
        120.0, 1500, 3_600_000, CancelBlockers.AUTOVACUUM, 120_000, 2_000
    )


def test_less_than_a_millisecond_is_not_taken_for_no_limit() -> None:
    assert _options("--lock-timeout", "0.01ms").lock_timeout_ms == 1
    assert _options("--lock-timeout", "0").lock_timeout_ms == 0
    assert _options("--lock-timeout", "0.007s").lock_timeout_ms == 7


def test_the_help_tells_the_defaults_that_are_in_force() -> None:
    text = " ".join(CliRunner().invoke(upgrade, ["--help"], obj=Invocation()).output.split())
    assert f"Default: {DEFAULT_LOCK_WAIT_S / 60:.0f}min; 0 does not wait" in text
    policy = RetryPolicy()
    assert f"Default: {policy.short_ms}ms, at times {policy.patient_ms}ms" in text


@pytest.mark.parametrize(
    "typed",
    [
        ["--autogenerate", "--rename", "mail"],
        ["--autogenerate", "--rename", "users.mail"],
        ["--autogenerate", "--rename", "users.mail=email"],
        ["--autogenerate", "--rename", "users.mail=users.email", "--no-renames"],
        ["--rename", "users.mail=users.email"],
    ],
)
def test_a_rename_names_two_columns_and_goes_with_autogenerate(typed: list[str]) -> None:
    done = CliRunner().invoke(revision, ["-m", "x", *typed], obj=Invocation())
    assert done.exit_code == 2
    assert "ename" in done.output
