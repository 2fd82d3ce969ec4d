"""Comments that let a rule pass: ``# headway: allow drop-column: nothing reads it since 1.4``."""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.lint.policy import nearest
from headway.lint.rules import RULES
from headway.lint.sources import PythonSource, python_source
from headway.sqltext import Kind, split, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headway.results import Finding

_ALLOW = re.compile(
    r"headway:\s*allow\b[ \t]*(?P<rules>[\w-]*(?:[ \t]*,[ \t]*[\w-]+)*)[ \t]*(?::(?P<reason>.*))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Silence:
    """One comment, for one rule.

    Attributes:
        rule: the slug it names; no rule's, where it is misspelt, "" where it names none.
        reason: why; "" where it says none.
        line: of the comment.
        first: the first line that it speaks of, with ``last``; both 0 for the whole file.
        last: the last one.
    """

    rule: str
    reason: str
    line: int
    first: int
    last: int

    def covers(self, line: int | None) -> bool:
        """Whether it speaks of a finding in that line; of a finding without one, if it is the file's."""
        return self.last == 0 or (line is not None and self.first <= line <= self.last)

    @property
    def problem(self) -> str:
        """What is wrong with the comment itself; "" when nothing is."""
        if self.rule not in RULES:
            return f"there is no rule {self.rule!r}{nearest(self.rule)}" if self.rule else "it names no rule"
        return ""


def silences(source: str, path: Path) -> tuple[Silence, ...]:
    """The comments of a file that let rules pass; none where it has none, or does not parse."""
    found = _in_sql(source) if path.suffix == ".sql" else _in_python(source)
    return tuple(
        Silence(rule.strip().lower(), " ".join((match["reason"] or "").split()), line, first, last)
        for match, line, first, last in found
        for rule in match["rules"].split(",")
    )


def comment(finding: Finding) -> str:
    """The comment that would silence a finding; its reason is to be filled in."""
    mark = "--" if finding.path.suffix == ".sql" else "#"
    return f"{mark} headway: allow {finding.rule}: (the reason)"


def _in_python(source: str) -> Iterator[tuple[re.Match[str], int, int, int]]:
    tree = python_source(source)
    if tree is None or "headway" not in source:
        return
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        match = _ALLOW.search(token.string) if token.type == tokenize.COMMENT else None
        if match is None:
            continue
        line = token.start[0]
        alone = not source.splitlines()[line - 1][: token.start[1]].strip()
        if alone and line < tree.first_line:
            yield match, line, 0, 0
        else:
            first, last = tree.extent(_below(source, line, "#") if alone else line)
            inside, until = tree.extent(line)
            if alone and inside < line <= until:  # between the lines of a call
                first, last = inside, until
            yield match, line, min(first, line, _back(tree, line)), last


def _back(tree: PythonSource, line: int) -> int:
    """Where the downgrade begins that a line is in, for it is found fault with as a whole; else the line."""
    function = tree.function("downgrade")
    inside = function is not None and function.lineno <= line <= (function.end_lineno or line)
    return function.lineno if function is not None and inside else line


def _below(source: str, line: int, mark: str) -> int:
    """The next line that is neither empty nor a comment."""
    lines = source.splitlines()
    while line < len(lines) and (not lines[line].strip() or lines[line].lstrip().startswith(mark)):
        line += 1
    return line + 1


def _in_sql(source: str) -> Iterator[tuple[re.Match[str], int, int, int]]:
    statements, _ = split(source)
    spans = [
        (source.count("\n", 0, each.start) + 1, source.count("\n", 0, each.start + len(each.text)) + 1)
        for each in statements
    ]
    for token in tokens(source):
        text = source[token.start : token.end]
        match = _ALLOW.search(text) if token.kind is Kind.COMMENT else None
        if match is None:
            continue
        line = source.count("\n", 0, token.start) + 1
        beside = next((span for span in spans if span[0] <= line <= span[1]), None)
        after = next((span for span in spans if span[0] > line), None)
        if beside is not None:
            yield match, line, *beside
        elif after is None or (line < spans[0][0] and _heads(source, line, spans[0][0])):
            yield match, line, 0, 0
        else:
            yield match, line, line, after[1]


def _heads(source: str, line: int, first: int) -> bool:
    """Whether a comment above the first statement stands apart from it, at the top of the file."""
    return any(not each.strip() for each in source.splitlines()[line : first - 1])
