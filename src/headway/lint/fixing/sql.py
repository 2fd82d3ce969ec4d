"""A revision in SQL that holds nothing but indexes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headway.lint.fixing.edits import INDEX_STATEMENT, Edit, concurrent, edited
from headway.sqlfiles import read_header
from headway.sqltext import split

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

_NOT_TRANSACTIONAL = "transactional=no"
_SAID = re.compile(r"transactional\s*=\s*\w+", re.IGNORECASE)


def mended(source: str, lines: AbstractSet[int]) -> tuple[str, list[str]]:
    """The text, mended, and what was done to it; nothing where an index is not alone in its file.

    Args:
        source: of the ``.up.sql``.
        lines: where something is to be mended.
    """
    statements, flaws = split(source)
    if flaws or not all(INDEX_STATEMENT.match(each.text) for each in statements):
        return source, []
    edits, done = [], []
    for each in statements:
        better = concurrent(each.text)
        line = source.count("\n", 0, each.start) + 1
        if better != each.text and line in lines:
            edits.append(Edit(each.start, each.start + len(each.text), better))
            done.append(f"line {line}: CONCURRENTLY")
    header, _ = read_header(source)
    if statements and header.transactional is not False and lines:
        edits.append(_header_edit(source, header.line, said=bool(header.said)))
        done.append(f"line {header.line}: {_NOT_TRANSACTIONAL}")
    return edited(source, edits), done


def _header_edit(source: str, line: int, *, said: bool) -> Edit:
    """The header that says so: the first one, with a word more, or one of its own at the top."""
    if not said:
        return Edit(0, 0, f"-- headway: {_NOT_TRANSACTIONAL}\n")
    start = sum(len(each) for each in source.splitlines(keepends=True)[: line - 1])
    end = source.find("\n", start)
    end = len(source) if end < 0 else end
    already = _SAID.search(source, start, end)
    if already is not None:
        return Edit(already.start(), already.end(), _NOT_TRANSACTIONAL)
    end -= source[start:end].endswith("\r")
    return Edit(end, end, f" {_NOT_TRANSACTIONAL}")
