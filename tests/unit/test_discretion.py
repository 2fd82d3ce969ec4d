"""A password in the wrong place of the command line is not printed again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headway.cli import main
from headway.narration.discretion import mask

if TYPE_CHECKING:
    from conftest import ProjectFolder


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("extra argument (postgresql://u:s3cret@h/x)", "extra argument (postgresql://u:***@h/x)"),
        ("'postgres://u:s3@cr/e:t@h:5432/x' is none", "'postgres://u:***@h:5432/x' is none"),
        ("here/postgresql:/u:s3cret@h/x: not found", "here/postgresql:/u:***@h/x: not found"),
        ("postgresql://:s3cret@h/x", "postgresql://:***@h/x"),
        ("postgresql://h/x?password=s3cret&a=b", "postgresql://h/x?password=***&a=b"),
        ("host=h password='s3 cret' user=u", "host=h password=*** user=u"),
        ("postgresql://u@h:5432/x is at left@head", "postgresql://u@h:5432/x is at left@head"),
        ("postgresql://h:5432/x: left@head", "postgresql://h:5432/x: left@head"),
        ("file.py:3: name@head", "file.py:3: name@head"),
    ],
)
def test_passwords_are_masked_and_nothing_else(text: str, shown: str) -> None:
    assert mask(text) == shown


def test_a_password_with_a_space_is_found_by_the_argument_as_typed() -> None:
    word = "postgresql://u:s3cret and' more@h/x"
    assert "s3cret" not in mask(f"what is {word}, and {word!r}?", [word])
    assert "more" not in mask(f"what is {word}, and {word!r}?", [word])


URL = "postgresql://u:MARK3D@h/x"


@pytest.mark.parametrize(
    "words",
    [
        ["upgrade", URL],
        ["downgrade", URL],
        ["stamp", URL],
        ["status", URL],
        ["plan", URL],
        ["sql", URL],
        ["sql", "--downgrade", URL],
        ["history", "-r", URL],
        ["merge", URL],
        ["merge", "r1", URL],
        ["revision", "-m", "x", "--head", URL],
        ["revision", "-m", "x", "--depends-on", URL],
        ["revision", "-m", "x", "--rev-id", URL],
        ["revision", "-m", "x", "--branch-label", URL],
        ["revision", "-m", "x", "--version-path", URL],
        ["status", "-c", URL],
        ["status", "-n", URL],
        ["status", "--environment", URL],
        ["status", f"--{URL}"],
        ["upgrade", "--lock-wait", URL],
        [URL],
        ["dev", URL],
    ],
)
@pytest.mark.parametrize("json", [[], ["--json"]])
def test_a_url_in_a_wrong_place_is_refused_without_its_password(
    project: ProjectFolder,
    words: list[str],
    json: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project.tables("users")
    monkeypatch.chdir(project.root)
    # Nobody listens on port 1: what asks the database first fails to reach it.
    monkeypatch.setenv("DATABASE_URL", "postgresql://postgres@127.0.0.1:1/none")
    exit_code = main([*words, *json])
    shown = capsys.readouterr()
    assert exit_code in {1, 2, 7}
    assert "MARK3D" not in shown.out + shown.err
    assert "internal error" not in shown.err
    assert "InternalError" not in shown.out
