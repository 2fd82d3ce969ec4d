"""The tables of docs/performance.md: only this script writes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TABLE = re.compile(r"(<!-- benchmark (?P<case>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def write_page(page: Path, document: Mapping[str, Any]) -> None:
    """Put the run's figures between the page's markers; cases that were not measured keep theirs.

    Args:
        page: a Markdown file with ``<!-- benchmark CASE -->`` and ``<!-- end -->`` around each table.
        document: the run, as ``--json`` writes it.
    """

    def filled(found: re.Match[str]) -> str:
        case = document["cases"].get(found["case"])
        return found[0] if case is None else f"{found[1]}\n{_table(case, document)}\n{found[3]}"

    page.write_text(_TABLE.sub(filled, page.read_text(encoding="utf-8")), encoding="utf-8")


def _table(case: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    packages = ", ".join(f"{name} {number}" for name, number in document["packages"].items())
    rounds = max(len(each["values"]) for each in case["series"])
    where = f"PostgreSQL {document['server']}, Python {document['python']}, {packages}; {document['machine']}"
    how = f"load {document['load']:.1f} when it began; {rounds} rounds, contenders in turn"
    lines = [
        f"{where}, {how}.",
        "",
        f"| {case['what']} | median, {case['unit']} | least | most |",
        "|---|---|---|---|",
        *(
            f"| {each['contender']} | {each['median']:.1f} | {each['minimum']:.1f} | {each['maximum']:.1f} |"
            for each in case["series"]
        ),
        "",
        *(f"- {note}" for note in case["notes"]),
    ]
    return "\n".join(lines) + "\n"
