"""Arguments: relative targets, global options on either side of the verb, --json wherever it stands."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from headway.cli.group import Entry, LazyGroup
from headway.cli.invocation import Colour, Invocation, wants_json
from headway.cli.options import Verb, behind_dashes, global_options


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
