"""Small test suites of somebody else's, run by pytest in a process of their own with headway's plugin."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[1]

# An editable install of before the plugin does not announce it.
_ANNOUNCED = bool(entry_points(group="pytest11", name="headway"))
PLUGIN = () if _ANNOUNCED else ("-p", "headway.pytest_plugin")


def command(*arguments: str) -> list[str]:
    """Pytest with warnings as errors and without what this repository's own suite has installed beside it."""
    own = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-W", "error", "-rA")
    return [sys.executable, "-m", "pytest", *PLUGIN, *own, *arguments]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """That of somebody who has set nothing of headway's; what is on PYTHONPATH stays in front."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("PYTEST", "HEADWAY", "PG", "DATABASE_"))}
    paths = [*os.environ.get("PYTHONPATH", "").split(os.pathsep), str(ROOT / "src")]
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **(more or {})}


def run(
    folder: Path, *arguments: str, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a folder's suite to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(more),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def outcomes(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """What the last line counts: ``{"passed": 3}``."""
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
    return {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)", last)}
