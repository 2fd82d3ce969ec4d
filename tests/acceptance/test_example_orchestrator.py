"""The example orchestrator, beside the commands of its README: how it starts, and how small its script is."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import headway

EXAMPLE = Path(__file__).parents[2] / "examples" / "orchestrator"
START = """
from fastapi.testclient import TestClient
from orchestrator.app import create_app

with TestClient(create_app()) as client:
    print(client.get("/jobs").json())
"""


def started(file: Path, environment: str) -> subprocess.CompletedProcess[str]:
    ours = {"APP_ENVIRONMENT": environment, "DATABASE_URL": f"sqlite+aiosqlite:///{file}"}
    source = {"PYTHONPATH": str(Path(headway.__file__).parent.parent)}
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", START],
        cwd=EXAMPLE,
        env=kept | source | ours,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_only_in_development_the_applications_start_migrates(tmp_path: Path) -> None:
    refused = started(tmp_path / "staging.db", "staging")
    assert refused.returncode != 0
    assert "NotAtHeadError" in refused.stderr
    assert not (tmp_path / "staging.db").exists()
    done = started(tmp_path / "development.db", "development")
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_the_script_has_its_five_verbs_in_under_sixty_lines() -> None:
    source = (EXAMPLE / "run_migrations.py").read_text(encoding="utf-8")
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    lines = source.count("\n")
    assert lines < 60
    assert f"`run_migrations.py` is {lines} lines" in readme
    verbs = next(
        ast.literal_eval(keyword.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "choices"
    )
    assert verbs == ["upgrade", "downgrade", "current", "check", "create"]
