"""What the command line loads before it has anything to do, and how its verbs are found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

import headway
from headway.cli.group import LazyGroup, dev, root

_HEAVY = {"sqlalchemy", "alembic", "asyncpg", "pydantic", "pydantic_settings", "anyio", "asyncio", "rich"}
_ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(headway.__file__).parent.parent)}


def _imported(*command: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        capture_output=True,
        text=True,
        check=True,
        env=_ENVIRONMENT,
    )
    lines = (line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line)
    return {line.partition(".")[0] for line in lines}


def test_help_imports_no_heavy_library() -> None:
    imported = _imported("-m", "headway", "--help")
    assert "click" in imported
    assert not imported & _HEAVY


def test_the_help_of_every_verb_imports_no_heavy_library() -> None:
    lines = [["dev", name, "--help"] for name in dev.entries] + [[name, "--help"] for name in root.entries]
    program = f"from headway.cli import main\nfor line in {lines!r}:\n    assert main(line) == 0"
    imported = _imported("-c", program)
    assert "click" in imported
    assert not imported & _HEAVY


@pytest.mark.parametrize("group", [root, dev])
def test_every_verb_of_the_map_exists(group: LazyGroup) -> None:
    context = click.Context(group)
    for name, entry in group.entries.items():
        command = group.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help or isinstance(command, LazyGroup)
        assert command.short_help == entry.summary


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "headway", *words],
        capture_output=True,
        text=True,
        check=False,
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
    )


def test_no_arguments_show_the_help() -> None:
    done = _run()
    assert done.returncode == 0
    assert "Usage: headway" in done.stdout


def test_the_main_help_names_every_verb_and_variable() -> None:
    text = _run("--help").stdout
    for name in [*root.entries, *root.notes]:
        assert name in text


def test_a_mistyped_verb_is_answered_with_the_nearest_one() -> None:
    done = _run("upgrad")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Did you mean 'upgrade'?" in done.stderr


def test_a_usage_error_is_a_json_document_when_json_is_asked_for() -> None:
    done = _run("upgrade", "--nonsense", "--json")
    document = json.loads(done.stdout)
    assert document["format_version"] == 1
    assert document["exit_code"] == done.returncode == 2
    assert document["error"]["type"] == "UsageError"
    assert "--nonsense" in document["error"]["message"]


def test_an_option_mistyped_after_a_relative_target_is_a_usage_error() -> None:
    done = _run("downgrade", "-1", "--yess")
    assert done.returncode == 2
    assert "--yess" in done.stderr
    assert "--yes" in done.stderr.replace("--yess", "")


def test_downgrade_needs_a_target() -> None:
    done = _run("downgrade")
    assert done.returncode == 2
    assert "TARGET" in done.stderr


def test_the_version_is_the_distribution_s() -> None:
    done = _run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("headway ")


def test_everything_that_headway_exports_is_there() -> None:
    assert [name for name in headway.__all__ if not hasattr(headway, name)] == []
