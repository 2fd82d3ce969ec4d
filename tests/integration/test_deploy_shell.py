"""The shell of the deployment's init container, and what the guide says of databases that are ahead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import headway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import ProjectFolder

    Start = Callable[..., subprocess.Popen[str]]

ROOT = Path(__file__).parents[2]
_DEADLINE_S = 60


@pytest.fixture
def start(project: ProjectFolder, database_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a command in a project of two revisions, with ``headway`` on its path, as in the image."""
    project.tables("users", "notes")
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / "headway"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m headway "$@"\n')
    program.chmod(0o755)
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(headway.__file__).parent.parent),
        "PYTHONUTF8": "1",
        "APP_ENVIRONMENT": "production",
        "DATABASE_URL": database_url,
    }
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> subprocess.Popen[str]:
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(
            words, cwd=project.root, env=environment, stdin=subprocess.DEVNULL, **pipes
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def code_of(process: subprocess.Popen[str]) -> int:
    _, told = process.communicate(timeout=_DEADLINE_S)
    assert "Traceback" not in told
    return process.returncode


def init_container() -> list[str]:
    deployment = ROOT / "deploy" / "kubernetes" / "app" / "deployment.yaml"
    pod = yaml.safe_load(deployment.read_text(encoding="utf-8"))["spec"]["template"]["spec"]
    command: list[str] = pod["initContainers"][0]["command"]
    return command


def move_ahead(start: Start, project: ProjectFolder) -> None:
    """Migrate, and go back to a checkout that does not know the newest revision."""
    assert code_of(start("headway", "upgrade")) == 0
    (newest,) = project.versions.glob("*r2*.py")
    newest.unlink()


def test_the_init_container_waits_until_somebody_else_has_migrated(start: Start) -> None:
    waiting = start(*init_container())
    assert waiting.stderr is not None
    lines = iter(waiting.stderr.readline, "")
    assert any("waiting: " in line for line in lines)
    assert code_of(start("headway", "upgrade")) == 0
    assert code_of(waiting) == 0


@pytest.mark.slow
def test_the_init_container_lets_an_old_replica_back_onto_a_newer_database(
    start: Start, project: ProjectFolder
) -> None:
    move_ahead(start, project)
    assert code_of(start(*init_container())) == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("pending", 7),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in (("upgrade", 7), ("wait", 0), ("wait --server", 0))
        ),
    ],
    ids=str,
)
def test_an_old_checkout_on_a_newer_database_ends_as_the_guide_says(
    start: Start, project: ProjectFolder, words: str, code: int
) -> None:
    move_ahead(start, project)
    assert code_of(start("headway", *words.split())) == code
