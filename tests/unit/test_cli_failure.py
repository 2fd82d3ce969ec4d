"""Errors as text."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from headway import (
    CapabilityError,
    DirtyError,
    HeadwayError,
    LockBusyError,
    LockLostError,
    OutcomeUnknownError,
    StepFailedError,
)
from headway.cli.failure import InternalError, draw, trim
from headway.errors import ConfigurationError


def _draw(error: HeadwayError) -> str:
    return click.unstyle(draw(error, command="headway upgrade"))


def test_a_failed_step_gives_every_fact_it_carries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    error = StepFailedError(
        "revision bb failed",
        revision="bb",
        path=tmp_path / "versions" / "bb.py",
        line=12,
        statement="\n    CREATE TABLE t (\n        id int\n    )\n",
        sqlstate="42P07",
        detail="it is there",
        server_hint="drop it",
        succeeded=["aa"],
        hint="nothing else",
    )
    assert _draw(error).splitlines() == [
        "error: revision bb failed",
        "  revision  bb",
        "  file      versions/bb.py:12",
        "  statement CREATE TABLE t (",
        "                id int",
        "            )",
        "  sqlstate  42P07",
        "  detail    it is there",
        "  server    HINT: drop it",
        "  done      aa (completed before this one, and kept)",
        "hint: nothing else",
    ]


def test_a_failed_step_without_a_hint_names_the_command_to_run_after_the_fix() -> None:
    text = _draw(StepFailedError("revision bb failed", revision="bb", path=Path("bb.py")))
    assert text.splitlines()[-1] == "After the fix, run: headway upgrade"


def test_facts_that_are_not_known_leave_no_line() -> None:
    text = _draw(StepFailedError("revision bb failed", revision="bb", path=Path("bb.py")))
    assert [line.split()[0] for line in text.splitlines()[1:3]] == ["revision", "file"]
    assert "None" not in text


def test_a_long_statement_is_cut_and_says_so() -> None:
    statement = "\n".join(f"line {number}" for number in range(40))
    lines = trim(statement).splitlines()
    assert len(lines) == 13
    assert lines[-1] == "... 28 more lines"


def test_a_statement_is_not_cut_for_the_sake_of_one_line() -> None:
    statement = "\n".join(f"line {number}" for number in range(13))
    assert trim(statement) == statement


def test_an_internal_error_tells_type_and_place_but_not_the_words() -> None:
    def broken() -> None:
        raise ValueError("invalid interpolation in 'postgresql://u:s3cret%@h/d'")

    with pytest.raises(ValueError, match="s3cret") as caught:
        broken()
    text = _draw(InternalError(caught.value))
    assert "s3cret" not in text
    assert "ValueError" in text
    assert f"{Path(__file__).name}:" in text
    assert "HEADWAY_DEBUG=1" in text


def test_a_hint_is_drawn_and_its_absence_is_not() -> None:
    with_hint = ConfigurationError("DATABASE_URL", "is empty", example="postgresql://h/d")
    assert _draw(with_hint) == "error: DATABASE_URL: is empty\nhint: For example: postgresql://h/d"
    assert _draw(ConfigurationError("X", "is empty")) == "error: X: is empty"


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (LockBusyError("busy: held by process 4711", None, 3.0, hint="wait"), []),
        (LockLostError("bb", "lost", hint="wait"), ["  revision  bb"]),
        (
            OutcomeUnknownError("bb", "lost", transaction="771", hint="wait"),
            ["  revision  bb", "  xid       771"],
        ),
        (OutcomeUnknownError("bb", "lost", hint="wait"), ["  revision  bb"]),
        (DirtyError("bb", "left", hint="wait"), ["  revision  bb", "  done      0 statements"]),
        (
            DirtyError("bb", "left", statements_done=1, hint="wait"),
            ["  revision  bb", "  done      1 statement"],
        ),
        (CapabilityError("session", "a pooler", hint="wait"), ["  missing   session"]),
    ],
)
def test_the_safe_door_s_errors_show_what_they_carry(error: HeadwayError, facts: list[str]) -> None:
    first, *between, last = _draw(error).splitlines()
    assert first == f"error: {error.message}"
    assert between == facts
    assert last == "hint: wait"
