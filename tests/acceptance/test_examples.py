"""Each example, run from its own README in a copy of its folder: the commands, and what they print."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from transcripts import disagreements

from suites import PLUGIN

EXAMPLES = Path(__file__).parents[2] / "examples"


NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/README.md"))
SLOW = {"assessments", "orchestrator", "pgvector_search", "sql_first"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in NAMES]
)
def test_the_commands_of_an_example_print_what_its_readme_shows(name: str, checkout: Path) -> None:
    shutil.copytree(EXAMPLES / name, checkout, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".headway"))
    document = (checkout / "README.md").read_text(encoding="utf-8")
    assert "```console" in document
    announced = {"PYTEST_ADDOPTS": " ".join(PLUGIN)}
    assert disagreements(document, checkout, extra=announced) == []
