"""The example orchestrator, run by its own README's commands on both of its databases."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import headway

EXAMPLE = Path(__file__).parents[2] / "examples" / "orchestrator"
README = (EXAMPLE / "README.md").read_text(encoding="utf-8")
BOTH_JOBS = "{'id': 1, 'name': 'backup', 'priority': 0}\n{'id': 2, 'name': 'report', 'priority': 0}"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy, so that no run finds what another has left."""
    ignored = shutil.ignore_patterns("__pycache__", "*.db", "*.db-*")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "orchestrator", ignore=ignored))


def run(example: Path, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    own = Path(sys.executable).parent
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    path = {"PATH": f"{own}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(  # noqa: S602  # the README is written for a shell
        command,
        shell=True,
        cwd=example,
        env=kept | path | {"PYTHONPATH": str(Path(headway.__file__).parent.parent)} | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def commands(section: str) -> list[str]:
    marked = README.split(f"<!-- {section}:begin -->")[1].split(f"<!-- {section}:end -->")[0]
    return [line for line in marked.splitlines() if line.startswith("python ")]


def output_of(example: Path, section: str, **variables: str) -> dict[str, str]:
    """Each command's output; a command that comes twice has its last."""
    said = {}
    for command in commands(section):
        done = run(example, command, **variables)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        said[command] = done.stdout
    return said


def test_in_development_a_file_is_migrated_and_its_rows_survive(example: Path) -> None:
    said = output_of(example, "development")
    assert len(said) == 8
    assert said["python -m orchestrator list"].strip() == BOTH_JOBS
    assert "current: 0001" in said["python run_migrations.py current"]
    assert "models and revisions agree" in said["python run_migrations.py check"]
    assert "nothing to write" in said['python run_migrations.py create "nothing has changed"']
    assert (example / "orchestrator.db").exists()


def test_in_production_the_same_history_is_applied_to_a_server(example: Path, database_url: str) -> None:
    said = output_of(example, "production", APP_ENVIRONMENT="production", DATABASE_URL=database_url)
    assert "current: 0002" in said["python run_migrations.py upgrade"]
    assert said["python -m orchestrator list"].strip() == BOTH_JOBS
    assert not (example / "orchestrator.db").exists()


def test_production_refuses_a_file(example: Path) -> None:
    refused = run(example, "python run_migrations.py current", APP_ENVIRONMENT="production")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "production needs a PostgreSQL server" in refused.stderr


def test_only_in_development_the_applications_start_migrates(example: Path) -> None:
    start = (
        'python -c "from fastapi.testclient import TestClient\n'
        "from orchestrator.app import create_app\n"
        "with TestClient(create_app()) as client: print(client.get('/jobs').json())\""
    )
    staging = {"APP_ENVIRONMENT": "staging", "DATABASE_URL": f"sqlite+aiosqlite:///{example}/staging.db"}
    refused = run(example, start, **staging)
    assert refused.returncode != 0
    assert "NotAtHeadError" in refused.stderr
    started = run(example, start)
    assert (started.returncode, started.stdout.strip()) == (0, "[]"), started.stderr


def test_the_script_is_under_sixty_lines_and_says_so() -> None:
    source = (EXAMPLE / "run_migrations.py").read_text(encoding="utf-8")
    assert source.count("\n") < 60
    assert f"The script is {source.count(chr(10))} lines" in README
    verbs = next(
        ast.literal_eval(keyword.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "choices"
    )
    assert verbs == ["upgrade", "downgrade", "current", "check", "create"]
