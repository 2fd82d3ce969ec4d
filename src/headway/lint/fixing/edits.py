"""Replacements in a text, by offset."""

from __future__ import annotations

import re
from typing import NamedTuple

_INDEX = re.compile(r"\bINDEX\b(?!\s+CONCURRENTLY\b)", re.IGNORECASE)
_IF_NOT_EXISTS = re.compile(r"\s+IF\s+NOT\s+EXISTS\b", re.IGNORECASE)
INDEX_STATEMENT = re.compile(r"\s*(?:CREATE\s+(?:UNIQUE\s+)?INDEX|DROP\s+INDEX)\b", re.IGNORECASE)


class Edit(NamedTuple):
    """A stretch of a text, and what stands there instead."""

    start: int
    end: int
    text: str


def edited(source: str, edits: list[Edit]) -> str:
    """The text with its edits, which must not overlap."""
    for edit in sorted(edits, reverse=True):
        source = source[: edit.start] + edit.text + source[edit.end :]
    return source


def concurrent(sql: str) -> str:
    """CREATE or DROP INDEX with CONCURRENTLY, and without IF NOT EXISTS; it may stand within quotes."""
    return _IF_NOT_EXISTS.sub("", _INDEX.sub(lambda found: f"{found[0]} CONCURRENTLY", sql, count=1), count=1)
