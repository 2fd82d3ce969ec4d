"""Where data goes when stdout takes none, and verbs that have none to give."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import headway

if TYPE_CHECKING:
    from conftest import ProjectFolder

_ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(headway.__file__).parent.parent)}
_FULL = Path("/dev/full")


def shell(project: ProjectFolder, command: str) -> subprocess.CompletedProcess[str]:
    """Run ``headway`` by a shell, for its redirections."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -m headway {command}', sys.executable],
        capture_output=True,
        text=True,
        check=False,
        cwd=project.root,
        env=_ENVIRONMENT | {"DATABASE_URL": "postgresql://postgres@127.0.0.1:1/none"},
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done


@pytest.mark.skipif(not _FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", ["sql", "heads", "heads --json", "sql --json"])
def test_a_full_disk_is_told(project: ProjectFolder, command: str) -> None:
    project.tables("users")
    done = shell(project, f"{command} >/dev/full")
    assert done.returncode == 1
    assert "error: stdout cannot be written: No space left on device" in done.stderr
    assert "hint:" in done.stderr


@pytest.mark.parametrize("command", ["sql", "heads", "heads --json"])
def test_data_for_a_closed_stdout_is_not_lost_in_silence(project: ProjectFolder, command: str) -> None:
    project.tables("users")
    done = shell(project, f"{command} >&-")
    assert done.returncode == 1
    assert "stdout cannot be written" in done.stderr


def test_an_error_that_finds_no_stdout_for_its_document_goes_to_stderr(project: ProjectFolder) -> None:
    done = shell(project, "sql nosuch --json >&-")
    assert done.returncode == 2
    assert "nosuch" in done.stderr


def test_a_verb_without_data_needs_no_stdout(project: ProjectFolder) -> None:
    project.tables("users")
    done = shell(project, "sql head:head >&-")
    assert (done.returncode, done.stderr) == (0, "no SQL: head:head holds no revision to upgrade\n")


@pytest.mark.parametrize("closed", ["2>&-", "<&-", "<&- 2>&-"])
def test_closed_talk_and_input_stop_nothing(project: ProjectFolder, closed: str) -> None:
    project.tables("users")
    done = shell(project, f"heads {closed}")
    assert done.returncode == 0
    assert "r1" in done.stdout


def test_an_empty_range_prints_nothing_and_says_so(project: ProjectFolder) -> None:
    project.tables("users")
    done = shell(project, "sql head:head")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no SQL" in done.stderr


def test_a_range_that_leads_back_is_refused(project: ProjectFolder) -> None:
    project.tables("users")
    done = shell(project, "sql head:base")
    assert (done.returncode, done.stdout) == (2, "")
    assert "headway sql --downgrade head:base" in done.stderr


@pytest.mark.parametrize("command", ["revision -m ''", "revision -m ' '", "merge -m ''"])
def test_an_empty_message_is_a_usage_error(project: ProjectFolder, command: str) -> None:
    done = shell(project, command)
    assert done.returncode == 2
    assert "-m" in done.stderr
    assert list(project.versions.glob("*.py")) == []


def test_merge_with_one_head_is_refused(project: ProjectFolder) -> None:
    project.tables("users")
    done = shell(project, "merge")
    assert done.returncode == 2
    assert "There is one head (r1): nothing to merge." in done.stderr


def test_a_revision_that_reads_data_is_no_internal_error(project: ProjectFolder) -> None:
    project.revision("r1", upgrade="op.get_bind().execute(sa.text('SELECT 1')).scalar_one()")
    done = shell(project, "sql")
    assert (done.returncode, done.stdout) == (1, "")
    assert "r1.py:" in done.stderr
    assert "no database is asked" in done.stderr
