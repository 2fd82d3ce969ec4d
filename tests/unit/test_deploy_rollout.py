"""``deploy/kubernetes/rollout.sh`` with stand-ins for kubectl and kustomize: what it does, in which order."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROLLOUT = Path(__file__).parents[2] / "deploy" / "kubernetes" / "rollout.sh"
IMAGE = "registry.example.com/taskman@sha256:0123"

STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" | sed -E 's#[^ ]*/(migrate|app)$#\\1#' >> "$CALLS"
case "$*" in
  *--for=condition=complete*) [ "$JOB" = complete ] ;;
  *--for=condition=failed*) [ "$JOB" = failed ] ;;
  logs*) echo "error: the revision is broken" ;;
  "rollout status"*) [ "$ROLLOUT" != stuck ] ;;
esac
"""


@pytest.fixture
def release(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("kubectl", "kustomize"):
        (programs / name).write_text(STAND_IN)
        (programs / name).chmod(0o755)
    calls = tmp_path / "calls"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return calls, {"PATH": path, "CALLS": str(calls), "TMPDIR": str(scratch)}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(ROLLOUT), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_the_application_is_rolled_out_after_the_migration(release: tuple[Path, dict[str, str]]) -> None:
    calls, environment = release
    before = {path: path.read_bytes() for path in ROLLOUT.parent.rglob("*") if path.is_file()}
    outcome = run(environment | {"JOB": "complete"}, IMAGE)
    assert outcome.returncode == 0, outcome.stderr
    assert calls.read_text().splitlines() == [
        f"kustomize edit set image taskman={IMAGE}",
        f"kustomize edit set image taskman={IMAGE}",
        "kubectl delete job/taskman-migrate --ignore-not-found --cascade=foreground --wait --timeout=2100s",
        "kubectl apply --kustomize migrate",
        "kubectl wait --for=condition=complete --timeout=5s job/taskman-migrate",
        "kubectl apply --kustomize app",
        "kubectl rollout status deployment/taskman --timeout=2100s",
    ]
    assert {path: path.read_bytes() for path in before} == before
    assert list(Path(environment["TMPDIR"]).iterdir()) == []


@pytest.mark.parametrize("overrides", [{"JOB": "failed"}, {"JOB": "running", "ROLLOUT_TIMEOUT": "0"}])
def test_nothing_is_rolled_out_when_the_migration_fails_or_does_not_end(
    release: tuple[Path, dict[str, str]], overrides: dict[str, str]
) -> None:
    calls, environment = release
    outcome = run(environment | overrides, IMAGE)
    assert outcome.returncode == 1
    assert "nothing was rolled out" in outcome.stderr
    assert "the revision is broken" in outcome.stderr
    assert "kubectl apply --kustomize app" not in calls.read_text()


def test_a_rollout_that_does_not_end_is_a_failure(release: tuple[Path, dict[str, str]]) -> None:
    _, environment = release
    assert run(environment | {"JOB": "complete", "ROLLOUT": "stuck"}, IMAGE).returncode == 1


def test_without_an_image_nothing_is_touched(release: tuple[Path, dict[str, str]]) -> None:
    calls, environment = release
    outcome = run(environment)
    assert outcome.returncode != 0
    assert "name the image" in outcome.stderr
    assert not calls.exists()
