"""Draw the table of the last whole run, and put it into docs/reliability.md.

python tests/faults/table.py FOLDER SECONDS
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from extent import EVERY  # noqa: E402  # where they lie is known only now
from invariants import INVARIANTS  # noqa: E402
from records import Record, left_out, read, rows  # noqa: E402

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
FIGURES = PAGE.with_suffix(".json")
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
_NEEDS_ROOT = "disk full"


def document(records: list[Record], seconds: float, left: int = 0) -> dict[str, Any]:
    """What came of a run, as it is kept in ``docs/reliability.json``."""
    return {
        "format_version": 1,
        "seconds": round(seconds),
        "every": EVERY,
        "injected": len(records),
        "left_out": left,
        "violating": sum(bool(record.violations) for record in records),
        "exit_codes": {
            str(code): count for code, count in sorted(Counter(record.code for record in records).items())
        },
        "rows": rows(records),
    }


def figures(run: dict[str, Any]) -> str:
    """What stands between the markers of the page."""
    codes = ", ".join(f"{code} ({count})" for code, count in run["exit_codes"].items())
    said = "" if run["every"] == 1 else f"**Not whole:** of the boundaries, one in {run['every']} only.\n\n"
    said += (
        f"{run['injected']} faults were injected in {run['seconds'] / 60:.0f} minutes; "
        f"{run['violating']} of them violated an invariant.\n"
        f"The struck commands ended with (negative: by that signal): {codes}.\n"
    )
    if run["left_out"]:
        said += f"{run['left_out']} more, at boundaries and awaits, were not tried: the time was up.\n"
    if not any(str(row["fault"]).startswith(_NEEDS_ROOT) for row in run["rows"]):
        said += "Not tried: a full disk, for which the suite must be root.\n"
    return f"{said}\n{_drawn(run['rows'])}\n"


def _drawn(found: list[dict[str, object]]) -> str:
    """The table in Markdown: one row for each fault and boundary."""
    short = [name.split()[0] for name in INVARIANTS]
    lines = [
        f"| fault | boundary | injected | {' | '.join(short)} |",
        f"|---|---|--:|{'--:|' * len(short)}",
    ]
    lines += [
        f"| {_cell(row['fault'])} | {row['boundary']} | {row['injected']} | "
        f"{' | '.join(str(row[name]) for name in INVARIANTS)} |"
        for row in found
    ]
    return "\n".join(lines)


def _cell(text: object) -> str:
    return str(text).replace("\\", "\\\\").replace("|", "\\|")


def put_into(page: str, text: str) -> str:
    """The page with new figures between its markers."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{text}\n{END}{tail}"


def main(folder: Path, seconds: float) -> int:
    """Print the table, and renew the page and its JSON; 1 when something was violated."""
    records = read(folder)
    run = document(records, seconds, left_out(folder))
    print(figures(run))
    for record in records:
        if record.violations:
            print(json.dumps(vars(record)))
    FIGURES.write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(put_into(PAGE.read_text(encoding="utf-8"), figures(run)), encoding="utf-8")
    return int(run["violating"] > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2])))
