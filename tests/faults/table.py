"""Draw the table of the last whole run, and put it into docs/reliability.md.

python tests/faults/table.py FOLDER SECONDS
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from invariants import INVARIANTS  # noqa: E402  # where they lie is known only now
from records import Record, read, rows  # noqa: E402

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def drawn(records: list[Record]) -> str:
    """The table in Markdown: one row for each fault and boundary."""
    short = [name.split()[0] for name in INVARIANTS]
    lines = [
        f"| fault | boundary | injected | {' | '.join(short)} |",
        f"|---|---|--:|{'--:|' * len(short)}",
    ]
    lines += [
        f"| {row['fault']} | {row['boundary']} | {row['injected']} | "
        f"{' | '.join(str(row[name]) for name in INVARIANTS)} |"
        for row in rows(records)
    ]
    return "\n".join(lines)


def figures(records: list[Record], seconds: float) -> str:
    """What stands between the markers of the page."""
    broken = sum(bool(record.violations) for record in records)
    ends = Counter(record.code for record in records)
    codes = ", ".join(f"{code} ({count})" for code, count in sorted(ends.items()))
    return (
        f"{len(records)} faults were injected in {seconds / 60:.0f} minutes; "
        f"{broken} of them violated an invariant.\n"
        f"The struck commands ended with (negative: by that signal): {codes}.\n\n{drawn(records)}\n"
    )


def put_into(page: str, text: str) -> str:
    """The page with new figures between its markers."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{text}\n{END}{tail}"


def main(folder: Path, seconds: float) -> int:
    """Print the table, write JSON beside the results, and renew the page; 1 when something was violated."""
    records = read(folder)
    text = figures(records, seconds)
    print(text)
    document = {"format_version": 1, "seconds": seconds, "injected": len(records), "rows": rows(records)}
    (folder / "faults.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(put_into(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    return int(any(record.violations for record in records))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2])))
