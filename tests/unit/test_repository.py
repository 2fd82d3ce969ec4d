"""What the repository promises beside its code: no strays in any file, and every command under its name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCRATCH = ("__pycache__", "build", "dist")

INHERITED_FROM_MAKE = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "ARGS", "PYTHON", "QUICK", "m"}

TARGETS = {"migrate", "migration", "rollback", "status", "check", "sql"} | {
    *("test", "lint", "types", "bench", "run", "clean")
}
TASKS = {
    "db:migrate": "make migrate",
    "db:migrate:create": "make migration",
    "db:migrate:rollback": "make rollback",
    "db:migrate:status": "make status",
}
EXTRAS = {"pgvector", "embedded", "sqlite", "lint", "fastapi", "otel", "test"}

# With [] inside the words, so that this file does not hold what it looks for.
STRAYS = {
    "a package index": "(py[p]i|python[h]osted)[.](org|io)|--(extra-)?index[-]url|--find[-]links",
    "a path of somebody's machine": r"(?<![\w.])/(ro[o]t/\w|ho[m]e/\w|Use[r]s/\w|wo[r]k/|tm[p]/w/)",
    "a leftover marker": r"\b(TO[D]O|FIX[M]E|XX[X])\b|<{7} |>{7} ",
}


@cache
def tracked_files() -> tuple[Path, ...]:
    """What git has or would take; without git (a source archive), everything but scratch and dot folders."""
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode == 0:
        names = listing.stdout.decode().split("\0")
        found = [ROOT / name for name in names if name]
    else:
        relative = (path.relative_to(ROOT) for path in ROOT.rglob("*"))
        found = [
            ROOT / path
            for path in relative
            if not any(
                part in SCRATCH or (part.startswith(".") and part != ".ci") for part in path.parts[:-1]
            )
        ]
    return tuple(sorted(path for path in found if path.is_file() and path.suffix != ".pyc"))


@cache
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def strays(text: str) -> list[str]:
    return [
        f"{number}: {what}: {line.strip()}"
        for number, line in enumerate(text.splitlines(), start=1)
        for what, pattern in STRAYS.items()
        if re.search(pattern, line)
    ]


def test_no_file_names_an_index_or_a_machine_or_holds_a_leftover() -> None:
    assert ROOT / "pyproject.toml" in tracked_files()
    found = [
        f"{path.relative_to(ROOT)}:{stray}"
        for path in tracked_files()
        for stray in strays(path.read_text(encoding="utf-8"))
    ]
    assert found == [], "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "pip install --index-" + "url https://index.example/simple",
        "https://py" + "pi.org/simple",
        "path = '/ho" + "me/ada/checkout'",
        "/ro" + "ot/cache",
        "# TO" + "DO later",
        "<<<<" + "<<< HEAD",
    ],
)
def test_a_stray_is_recognised(line: str) -> None:
    assert len(strays(line)) == 1


def test_a_path_inside_an_image_or_a_url_is_no_stray() -> None:
    assert strays("WORKDIR /app\nlocalhost:8000/root\nexample.com/home/x") == []


def test_the_extras_are_those_of_the_design() -> None:
    assert set(project()["project"]["optional-dependencies"]) == EXTRAS


def test_the_wheel_ships_the_engine_only_and_its_typing_marker() -> None:
    assert project()["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": ["src/headway"]}
    assert (ROOT / "src" / "headway" / "py.typed").is_file()


def test_every_constraint_names_one_version() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", pin)] == []


def test_every_direct_dependency_is_constrained() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    wanted = [
        *project()["project"]["dependencies"],
        *(name for extra in project()["project"]["optional-dependencies"].values() for name in extra),
        *(it for group in project()["dependency-groups"].values() for it in group if isinstance(it, str)),
    ]
    names = {re.split(r"[\[<>=~ ]", requirement)[0].lower() for requirement in wanted}
    assert {name for name in names if f"\n{name}==" not in pins} == set()


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # The tests themselves may run under make, whose variables would reach this one.
    environment = {name: value for name, value in os.environ.items() if name not in INHERITED_FROM_MAKE}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def test_make_alone_lists_every_target() -> None:
    listed = re.findall(r"^  ([a-z]+) {2,}\S", make(ROOT).stdout, flags=re.MULTILINE)
    assert set(listed) >= TARGETS


def test_every_listed_target_has_a_rule_and_is_phony() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    assert phony is not None
    assert set(phony.group(1).split()) == rules
    assert rules >= TARGETS


def test_make_migration_without_a_message_says_how_and_installs_nothing(bare_checkout: Path) -> None:
    outcome = make(bare_checkout, "migration")
    assert outcome.returncode == 2
    assert 'make migration m="add things"' in outcome.stderr
    assert not (bare_checkout / ".venv").exists()


def test_make_names_a_python_that_fails_when_called(bare_checkout: Path) -> None:
    broken = bare_checkout / "broken python"
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    outcome = make(bare_checkout, "install", f"PYTHON={broken}")
    assert outcome.returncode != 0
    assert "Python 3.11 or newer" in outcome.stderr
    assert str(broken) in outcome.stderr
    assert outcome.stdout == ""
    assert not (bare_checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("words", "command"),
    [((), "benchmarks"), (("QUICK=1", "ARGS=--json r.json"), "benchmarks --quick --json r.json")],
)
def test_make_bench_runs_the_benchmarks(bare_checkout: Path, words: tuple[str, ...], command: str) -> None:
    outcome = make(bare_checkout, "--dry-run", "bench", *words)
    assert " ".join(outcome.stdout.splitlines()[-1].split()) == f"exec .venv/bin/python {command}"


@pytest.mark.parametrize(("task", "command"), TASKS.items())
def test_a_task_calls_the_make_target_of_its_meaning(task: str, command: str) -> None:
    tasks = yaml.safe_load((ROOT / "Taskfile.yml").read_text(encoding="utf-8"))["tasks"]
    assert [line.split(" m=")[0].split(" YES=")[0] for line in tasks[task]["cmds"]] == [command]


def compose() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    return services


def test_compose_starts_the_application_only_on_a_migrated_database() -> None:
    services = compose()
    assert services["app"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert services["migrate"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert services["migrate"]["command"] == ["headway", "upgrade", "head"]
    assert services["migrate"]["restart"] == "no"


def test_compose_runs_postgresql_with_pgvector_and_a_health_check() -> None:
    database = compose()["db"]
    assert database["image"].startswith("pgvector/pgvector:pg")
    assert "pg_isready" in database["healthcheck"]["test"]


def test_no_file_of_secrets_gets_into_the_image() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert next(rule for rule in rules if not rule.startswith("#")) == "*"
    assert not any(rule.startswith(("!.env", "!.headway")) for rule in rules)


def test_hosted_ci_runs_the_same_script() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    commands = [step.get("run") for job in workflow["jobs"].values() for step in job["steps"]]
    assert "bash .ci/run" in commands


SUITE = """<testsuites><testsuite>
<testcase classname="tests.unit.test_a" name="test_one"/>
{cases}</testsuite></testsuites>"""
PASSED = '<testcase classname="tests.integration.test_b" name="test_two"/>'
SKIPPED = (
    '<testcase classname="tests.integration.test_b" name="test_three">'
    '<skipped message="no server"/></testcase>'
)
FAILED = '<testcase classname="tests.integration.test_b" name="test_four"><failure/></testcase>'


@pytest.mark.parametrize(
    ("cases", "arguments", "code"),
    [
        (PASSED, [], 0),
        ("", [], 1),
        (SKIPPED, ["--may-skip", "no server"], 1),
        (PASSED + SKIPPED, [], 1),
        (PASSED + SKIPPED, ["--may-skip", "no server"], 0),
        (PASSED + FAILED, [], 1),
    ],
    ids=["passed", "empty", "all skipped", "skipped without leave", "skipped with leave", "failed"],
)
def test_an_empty_or_skipped_database_suite_fails_the_build(
    tmp_path: Path, cases: str, arguments: list[str], code: int
) -> None:
    report = tmp_path / "report.xml"
    report.write_text(SUITE.format(cases=cases))
    command = [sys.executable, str(ROOT / ".ci" / "counts.py"), "suite", str(report), *arguments]
    assert subprocess.run(command, capture_output=True, check=False).returncode == code


def test_the_build_ends_with_the_sum_of_its_suites(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(SUITE.format(cases=PASSED + SKIPPED))
    (tmp_path / "b.xml").write_text(SUITE.format(cases=FAILED))
    command = [sys.executable, str(ROOT / ".ci" / "counts.py"), "total", str(tmp_path)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=True)
    assert outcome.stdout == "3 passed, 1 failed, 1 skipped\n"
