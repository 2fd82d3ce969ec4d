"""Colour, questions, and the two streams."""

from __future__ import annotations

import io
import sys

import pytest

from headway.cli.invocation import Colour, Invocation
from headway.cli.terminal import ReaderLeft, Terminal
from headway.errors import RefusedError


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


class _Deaf(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "CI", "HEADWAY_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def _screens(monkeypatch: pytest.MonkeyPatch, typed: str = "") -> tuple[_Screen, _Screen]:
    # Not a fixture: pytest's capture takes the streams back between a fixture and its test.
    stdout, stderr = _Screen(), _Screen()
    monkeypatch.setattr(sys, "stdin", _Screen(typed))
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(sys, "stderr", stderr)
    return stdout, stderr


def test_a_terminal_gets_colour_and_a_pipe_does_not() -> None:
    terminal = Terminal(Invocation())
    assert terminal.coloured(_Screen())
    assert not terminal.coloured(io.StringIO())


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("CI", "true"), ("TERM", "dumb")])
def test_the_environment_can_take_colour_away(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert not Terminal(Invocation()).coloured(_Screen())


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", ""), ("CI", "false")])
def test_a_variable_that_says_nothing_takes_nothing_away(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert Terminal(Invocation()).coloured(_Screen())


def test_the_option_beats_the_environment_and_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert Terminal(Invocation(color=Colour.ALWAYS)).coloured(io.StringIO())
    assert not Terminal(Invocation(color=Colour.NEVER)).coloured(_Screen())


def test_ci_gets_no_redrawing_even_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    _screens(monkeypatch)
    assert Terminal(Invocation()).redraws
    assert not Terminal(Invocation(quiet=True)).redraws
    monkeypatch.setenv("CI", "1")
    assert not Terminal(Invocation()).redraws


def test_quiet_keeps_data_and_complaints(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout, stderr = _screens(monkeypatch)
    terminal = Terminal(Invocation(quiet=True))
    terminal.answer("data")
    terminal.say("talk")
    terminal.complain("complaint")
    assert stdout.getvalue() == "data\n"
    assert stderr.getvalue() == "complaint\n"


def test_an_empty_answer_prints_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout, _ = _screens(monkeypatch)
    Terminal(Invocation()).answer("")
    assert stdout.getvalue() == ""


def test_talk_to_a_closed_stderr_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", _Deaf())
    Terminal(Invocation()).say("progress")


def test_a_closed_stdout_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", _Deaf())
    with pytest.raises(ReaderLeft):
        Terminal(Invocation()).answer("data")


def test_a_question_without_a_terminal_is_refused_at_once_and_says_what_to_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(RefusedError) as caught:
        Terminal(Invocation()).confirm("Sure?", yes=False)
    assert "--yes" in (caught.value.hint or "")


def test_the_flag_answers_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    Terminal(Invocation()).confirm("Sure?", yes=True)


@pytest.mark.parametrize("answer", ["y\n", "YES\n", " y \n"])
def test_yes_is_yes(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stdout, stderr = _screens(monkeypatch, answer)
    Terminal(Invocation()).confirm("Sure?", yes=False)
    assert stderr.getvalue() == "Sure? [y/N] "
    assert stdout.getvalue() == ""


def test_after_ctrl_d_talk_begins_on_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    _, stderr = _screens(monkeypatch)
    with pytest.raises(RefusedError):
        Terminal(Invocation()).confirm("Sure?", yes=False)
    assert stderr.getvalue() == "Sure? [y/N] \n"


@pytest.mark.parametrize("answer", ["\n", "n\n", "", "yep\n"])
def test_anything_else_is_no(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _screens(monkeypatch, answer)
    with pytest.raises(RefusedError, match="Declined"):
        Terminal(Invocation()).confirm("Sure?", yes=False)
