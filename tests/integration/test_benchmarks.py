"""The benchmarks run, in their quick form, and say what they measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def benchmarks(*words: str, server_url: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks"), *words],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "HEADWAY_BENCH_SERVER_URL": server_url},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.slow
def test_the_lock_queue_is_measured_for_both_contenders(server_url: str, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    done = benchmarks("--quick", "--json", str(file), "lock-queue", server_url=server_url)
    assert done.returncode == 0, done.stderr
    assert "median" in done.stdout
    document = json.loads(file.read_text(encoding="utf-8"))
    assert (document["format_version"], document["quick"]) == (1, True)
    ours, plain = document["cases"]["lock-queue"]["series"]
    assert (ours["contender"], plain["contender"]) == ("headway", "alembic, async template")
    assert ours["ratio"] == 1
    for series in (ours, plain):
        assert series["values"] == [series["median"]]
        assert series["median"] > 0
        assert series["contender"] in done.stdout


@pytest.mark.slow
def test_the_orchestrators_start_and_migration_are_measured_on_both_databases(
    server_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "result.json"
    done = benchmarks("--quick", "--json", str(file), "orchestrator", server_url=server_url)
    assert done.returncode == 0, done.stderr
    series = json.loads(file.read_text(encoding="utf-8"))["cases"]["orchestrator"]["series"]
    assert {one["contender"] for one in series} == {
        f"{what}, {system}" for what in ("migration", "start-up check") for system in ("SQLite", "PostgreSQL")
    }


@pytest.mark.slow
def test_upgrades_and_probes_are_measured_and_put_on_the_page(server_url: str, tmp_path: Path) -> None:
    file, page = tmp_path / "result.json", tmp_path / "page.md"
    page.write_text(
        "<!-- benchmark upgrade -->\nold\n<!-- end -->\n<!-- benchmark other -->\nkept\n<!-- end -->\n",
        encoding="utf-8",
    )
    words = ("--quick", "--json", str(file), "--page", str(page), "upgrade", "probe")
    done = benchmarks(*words, server_url=server_url)
    assert done.returncode == 0, done.stderr
    cases = json.loads(file.read_text(encoding="utf-8"))["cases"]
    measured = [series["contender"] for series in cases["upgrade"]["series"]]
    names = ("headway", "alembic, asyncpg", "alembic, psycopg", "psql -f")
    assert measured == [f"{name}, 4{far}" for far in ("", ", 5 ms away") for name in names]
    assert "headway pending, 10" in {series["contender"] for series in cases["probe"]["series"]}
    text = page.read_text(encoding="utf-8")
    assert all(f"| {name}, 4 |" in text for name in names)
    assert "old" not in text
    assert "<!-- benchmark other -->\nkept\n<!-- end -->" in text


@pytest.mark.slow
@pytest.mark.vector
def test_comparisons_are_measured_with_and_without_differences(server_url: str, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    done = benchmarks("--quick", "--json", str(file), "compare", server_url=server_url)
    assert done.returncode == 0, done.stderr
    series = json.loads(file.read_text(encoding="utf-8"))["cases"]["compare"]["series"]
    assert [one["contender"] for one in series] == [
        f"{contender}, 12, {what}"
        for what in ("nothing differs", "one in 10 differs")
        for contender in ("headway", "alembic")
    ]


def test_an_unknown_case_is_refused_and_the_cases_are_listed() -> None:
    done = benchmarks("no-such-case")
    assert done.returncode == 2
    assert "no such case: no-such-case (there are: compare, fixtures, lock-queue" in done.stderr
