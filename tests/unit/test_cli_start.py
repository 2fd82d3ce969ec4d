"""What the command line loads before it has anything to do, and how its verbs are found."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
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


def test_a_probe_that_finds_nobody_has_loaded_no_more_than_its_question_needs(tmp_path: Path) -> None:
    """To connect it takes asyncpg. A table of SQL revisions would show what reading them takes as well."""
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\n")
    (tmp_path / "env.py").write_text("from headway import env\n\nenv.run()\n")
    words = ["pending", "--config", str(tmp_path), "--url", "postgresql://u:p@127.0.0.1:9/x"]
    imported = _imported("-c", f"from headway.cli import main\nassert main({words!r}) == 1")
    assert "asyncpg" in imported
    assert not imported & (_HEAVY - {"asyncio", "asyncpg"} | {"tomllib", "dotenv", "difflib"})


def test_a_command_that_loads_much_or_runs_nothing_is_searched_for_garbage_as_ever() -> None:
    program = (
        "import gc\n"
        "usual = gc.get_threshold()\n"
        "from headway.cli import thrift\n"
        "thrift.begin()\n"
        "assert gc.get_threshold() != usual\n"
        "kept = [[] for _ in range(250_000)]\n"
        "assert gc.get_threshold() == usual\n"
        "assert 150_000 < gc.get_freeze_count() < 250_000"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=_ENVIRONMENT)


def test_a_secret_is_pydantic_s_to_whoever_reads_it_and_costs_nobody_else_pydantic() -> None:
    program = (
        "import sys; from headway import DatabaseURL\n"
        "url = DatabaseURL.parse('postgresql://u:s3cr3t@h/d')\n"
        "url.connect_arguments(), url.masked, url.render(), url.redact('s3cr3t')\n"
        "assert 'pydantic' not in sys.modules\n"
        "from pydantic import SecretStr\n"
        "assert url.password == SecretStr('s3cr3t')\n"
        "assert 's3cr3t' not in f'{url!r} {vars(url)!r}'"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=_ENVIRONMENT)


@pytest.mark.parametrize("package", ["headway", "headway.planning", "headway.results", "headway.sqltext"])
def test_no_name_that_is_loaded_when_first_used_is_a_module_of_its_package(package: str) -> None:
    """The module would take the name's place as soon as anybody imports it."""
    module = importlib.import_module(package)
    assert not {name for _, name, _ in pkgutil.iter_modules(module.__path__)} & {*module.__all__}
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = module.Nothing


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
