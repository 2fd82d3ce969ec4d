"""The benchmarks run, in their quick form, and say what they measured."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALWAYS = ("psql -f", "headway", "Alembic, async template on asyncpg", "Alembic on psycopg")


def started(*words: str, server_url: str, temporary: Path) -> subprocess.Popen[str]:
    own = {
        "PYTHONPATH": str(ROOT / "src"),
        "HEADWAY_BENCH_SERVER_URL": server_url,
        "TMPDIR": str(temporary),
    }
    return subprocess.Popen(
        [sys.executable, str(ROOT / "benchmarks"), *words],
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def measured(*words: str, server_url: str, temporary: Path) -> tuple[str, dict[str, dict[str, object]]]:
    """What a quick run printed, and its cases by name."""
    file = temporary / "result.json"
    with started(
        "--quick", "--json", str(file), *words, server_url=server_url, temporary=temporary
    ) as process:
        out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    document = json.loads(file.read_text(encoding="utf-8"))
    assert (document["format_version"], document["quick"]) == (2, True)
    file.unlink()
    assert list(temporary.glob("headway-bench-*")) == []
    return out, document["cases"]


def test_goals_figures_and_their_origin_are_printed_and_put_between_the_markers(
    server_url: str, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    other = "<!-- benchmark other -->\nkept\n<!-- end -->\n"
    page.write_text(f"<!-- benchmark imports -->\nold\n<!-- end -->\n{other}", encoding="utf-8")
    out, cases = measured("--page", str(page), "imports", server_url=server_url, temporary=tmp_path)
    goals: list[dict[str, object]] = cases["imports"]["goals"]  # type: ignore[assignment]  # it is JSON
    assert {goal["what"] for goal in goals} == {
        "import headway, beyond asyncpg",
        "headway --help to importing click",
    }
    text = page.read_text(encoding="utf-8")
    assert text.endswith(other)
    assert "old" not in text
    for shown in (out, text):
        assert "| headway --help to importing click | " in shown
        assert "met |" in shown.replace("**missed**", "met")
        assert "| python -c 'import click' " in shown
        assert " cores, " in shown
        assert "load " in shown


def test_an_unknown_case_is_refused_and_the_cases_are_listed(tmp_path: Path) -> None:
    with started("no-such-case", server_url="", temporary=tmp_path) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "no such case: no-such-case (there are: compare, fixtures, " in err


@pytest.mark.slow
def test_upgrades_are_measured_for_all_who_are_installed_and_the_others_are_told(
    server_url: str, tmp_path: Path
) -> None:
    out, cases = measured("upgrade", "round-trips", server_url=server_url, temporary=tmp_path)
    for name in ("upgrade", "round-trips"):
        series: list[dict[str, str]] = cases[name]["series"]  # type: ignore[assignment]  # it is JSON
        present = {each["contender"] for each in series}
        absent = {line.split(":")[0] for line in cases[name]["left_out"]}  # type: ignore[attr-defined]  # it is JSON
        assert present >= set(ALWAYS)
        assert present | absent == {*ALWAYS, "Alembic on psycopg2", "Django", "yoyo", "dbmate"}
        assert all(f"- Left out: {each}: " in out for each in absent)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        pytest.param("compare", marks=pytest.mark.vector),
        *("fixtures", "lock-queue", "orchestrator", "probe"),
    ],
)
def test_every_other_case_is_measured(server_url: str, tmp_path: Path, case: str) -> None:
    _, cases = measured(case, server_url=server_url, temporary=tmp_path)
    assert list(cases) == [case]
    assert cases[case]["series"]


@pytest.mark.slow
def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path) -> None:
    with started("--quick", "upgrade", server_url="", temporary=tmp_path) as process:
        watchdog = threading.Timer(300, process.kill)
        watchdog.start()
        assert process.stderr is not None
        for line in process.stderr:
            if "round 1" in line:
                break
        assert list(tmp_path.iterdir())
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
        watchdog.cancel()
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []
