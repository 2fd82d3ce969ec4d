"""What an SQL revision says of itself: ``-- headway: revision=… parent=…`` above its first statement."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import takewhile
from types import MappingProxyType
from typing import TYPE_CHECKING

from headway.sqltext import Flaw, Kind, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# `-- headway: allow rule: reason` is lint's business, wherever it stands.
_HEADER = re.compile(r"--\s*headway:(?!\s*allow\b)(?P<said>.*)", re.IGNORECASE)
_NEARLY = re.compile(r"--\s*headway\s+\w+\s*=.*", re.IGNORECASE)
# At the beginning of a line only: a text within a string may speak of headers.
_LATE = re.compile(r"^--[ \t]*headway:[ \t]*\w+[ \t]*=", re.IGNORECASE | re.MULTILINE)
_PAIR = re.compile(r"""\s*(?P<key>\w+)\s*=\s*(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^\s"]+))(?=\s|\Z)""")

IDENTITY = ("revision", "parent", "depends_on", "branch_label", "message")
TIMEOUTS = (
    "lock_timeout",
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "client_connection_check_interval",
)
KEYS = (*IDENTITY, "transactional", *TIMEOUTS)
_TRUTH = {"yes": True, "no": False, "true": True, "false": False}
BASE = "base"


@dataclass(frozen=True, slots=True)
class Header:
    """What is said; ``None`` and empty where nothing is.

    Attributes:
        said: each key with its value.
        line: of the first header line, counted from 1; 1 when there is none.
    """

    said: Mapping[str, str] = field(default_factory=dict)
    line: int = 1

    @property
    def revision(self) -> str | None:
        """The id."""
        return self.said.get("revision")

    @property
    def parents(self) -> tuple[str, ...] | None:
        """The ids of its parents; none for ``parent=base``."""
        names = self._names("parent")
        return names if names is None or names != (BASE,) else ()

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Ids or labels of what must be applied before, without being parents."""
        return self._names("depends_on") or ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the branch that begins here."""
        return self._names("branch_label") or ()

    @property
    def transactional(self) -> bool | None:
        """Whether it runs in one transaction."""
        return _TRUTH.get(self.said.get("transactional", "").lower())

    @property
    def timeouts(self) -> Mapping[str, str]:
        """The time limits it wishes, as PostgreSQL writes them."""
        return {key: self.said[key] for key in TIMEOUTS if key in self.said}

    def _names(self, key: str) -> tuple[str, ...] | None:
        value = self.said.get(key)
        return None if value is None else tuple(name.strip() for name in value.split(",") if name.strip())


def read_header(text: str) -> tuple[Header, list[Flaw]]:
    """Read the header of a file, which may take several lines.

    Returns:
        What it says, and what is wrong with it; a key that is wrong is left out.
    """
    said: dict[str, str] = {}
    flaws: list[Flaw] = []
    lines = list(takewhile(lambda token: token.kind in {Kind.BLANK, Kind.COMMENT}, tokens(text)))
    first: int | None = None
    for token in lines:
        found = _HEADER.fullmatch(text, token.start, token.end)
        if found:
            first = token.start if first is None else first
            flaws += [Flaw(token.start, problem) for problem in _read_line(found["said"], said)]
        elif _NEARLY.fullmatch(text, token.start, token.end):
            flaws.append(Flaw(token.start, "a header begins with `-- headway:`, with a colon"))
    late = _LATE.search(text, lines[-1].end if lines else 0)
    if late:
        flaws.append(Flaw(late.start(), "a header stands above the first statement"))
    return Header(MappingProxyType(said), text.count("\n", 0, first or 0) + 1), flaws


def _read_line(line: str, said: dict[str, str]) -> Iterator[str]:
    at, line = 0, line.rstrip()
    while at < len(line):
        found = _PAIR.match(line, at)
        if found is None:
            yield f'write key=value or key="some words" in place of {line[at:].strip()!r}'
            return
        at = found.end()
        key = found["key"].lower()
        value = found["plain"] if found["quoted"] is None else found["quoted"].replace('""', '"')
        problem = _problem(key, value, said)
        if problem:
            yield problem
        else:
            said[key] = value


def _problem(key: str, value: str, said: Mapping[str, str]) -> str | None:
    if key not in KEYS:
        from difflib import get_close_matches

        close = get_close_matches(key, KEYS, n=1)
        guess = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(KEYS)}"
        return f"a header knows no {key!r}{guess}"
    if key in said:
        return f"{key} is said twice"
    if not value.strip():
        return f"{key} says nothing"
    if key == "transactional" and value.lower() not in _TRUTH:
        return f"transactional is yes or no, not {value!r}"
    return None
