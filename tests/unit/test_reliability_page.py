"""docs/reliability.md names what the suite checks and does; its figures are the last whole run's."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "faults"))

from injuries import AT_BOUNDARIES  # noqa: E402  # found only now
from invariants import INVARIANTS  # noqa: E402
from records import Record  # noqa: E402
from table import BEGIN, END, FIGURES, PAGE, document, figures, put_into  # noqa: E402

TEXT = PAGE.read_text(encoding="utf-8")


def _table(heading: str) -> list[list[str]]:
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_page_has_every_invariant_and_no_other() -> None:
    assert [" ".join(row[:2]) for row in _table("What must hold")] == [*INVARIANTS]


def test_the_page_has_every_fault_that_strikes_at_boundaries() -> None:
    assert {fault.name for fault in AT_BOUNDARIES} <= {row[0] for row in _table("What is done to it")}


def test_figures_are_put_between_the_markers_and_nowhere_else() -> None:
    records = [Record("kill -9", "before send", "up", "commit", 3, -9, {"I3 once": ["twice"]})]
    page = put_into(TEXT, figures(document(records, 60)))
    assert page.split(BEGIN)[0] == TEXT.split(BEGIN)[0]
    assert page.split(END)[1] == TEXT.split(END)[1]
    assert "| kill -9, before send | commit | 1 | 0 | 0 | 1 | 0 | 0 | 0 | 0 | 0 |" in page
    assert "1 of them violated" in page


def test_the_page_s_figures_are_those_of_the_run_that_is_kept_beside_it() -> None:
    assert put_into(TEXT, figures(json.loads(FIGURES.read_text(encoding="utf-8")))) == TEXT
