"""PostgreSQL's lexical rules: which characters of a text are comment, literal, name or word.

The rules are those of ``src/backend/parser/scan.l``, with ``standard_conforming_strings`` on, as it is unless
somebody turned it off (and always from PostgreSQL 19). What the server's lexer refuses is no concern here; it
comes out as some token or other, and the server says the rest.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# Every character outside ASCII may be part of a name, whatever Unicode calls it (scan.l: \200-\377).
_START = r"A-Za-z_\x80-\U0010ffff"
_PART = rf"{_START}0-9$"
_BLANK = r" \t\n\r\f\v"
_DASHES = r"--[^\n\r]*+"
_TAG = rf"\$(?:[{_START}][{_START}0-9]*+)?\$"
_ESCAPED = r"(?:[^'\\]|\\.|'')*+"
# A literal goes on behind a line break, by the rules it began with; comments may stand there as well.
_GOES_ON = rf"[ \t\f\v]*+(?:{_DASHES})?[\n\r](?:[{_BLANK}]|{_DASHES}[\n\r])*+'"

# A word that begins a literal is none: this comes behind "escaped".
_QUIET = {
    "blank": rf"[{_BLANK}]++",
    "word": rf"(?![eE]')[{_START}][{_PART}]*+",
    "number": r"\.?\d[\d._]*+|\$\d++",
    "mark": r"[;()\\]",
    "other": rf"(?:[^{_BLANK}{_START}0-9'\"$/\-;()\\.]|-(?!-)|/(?!\*)|\.(?!\d)|\$(?!\d)(?!{_TAG[2:]}))++",
}
_LOUD = {
    "escaped": rf"[eE]'{_ESCAPED}(?:(?P<closed>')(?:{_GOES_ON}{_ESCAPED}(?:'|(?P<open>\Z)))*+)?",
    "literal": r"'(?:[^']|'')*+(?P<end>')?",
    "name": r'"(?:[^"]|"")*+(?P<shut>")?',
    "dashes": _DASHES,
    "comment": r"/\*",
    "dollar": _TAG,
}


_COMMENT_EDGE = re.compile(r"/\*|\*/")


class Kind(Enum):
    """What a token is."""

    BLANK = auto()
    COMMENT = auto()
    LITERAL = auto()
    """A string constant of any notation."""
    NAME = auto()
    """A name between double quotes."""
    WORD = auto()
    """A key word, or a name without quotes."""
    NUMBER = auto()
    MARK = auto()
    """One of ``;`` ``(`` ``)`` and the backslash."""
    OTHER = auto()
    """Operators and punctuation, several in a row as one."""


class Token(NamedTuple):
    """A piece of the text; all of them in a row are the text again. ``closed`` is false at its open end."""

    kind: Kind
    start: int
    end: int
    closed: bool = True


_KINDS = {
    "blank": Kind.BLANK,
    "escaped": Kind.LITERAL,
    "word": Kind.WORD,
    "literal": Kind.LITERAL,
    "name": Kind.NAME,
    "dashes": Kind.COMMENT,
    "comment": Kind.COMMENT,
    "dollar": Kind.LITERAL,
    "number": Kind.NUMBER,
    "mark": Kind.MARK,
    "other": Kind.OTHER,
}


# Compiled at first use: most commands read no SQL, and this takes longer than all else they import of ours.
@cache
def _either(*, coarse: bool) -> re.Pattern[str]:
    # What is between literals, names and comments as one takes a fraction of the time.
    quiet = {"other": f"(?:{'|'.join(_QUIET.values())})++"} if coarse else _QUIET
    named = (f"(?P<{name}>{pattern})" for name, pattern in (quiet | _LOUD).items())
    return re.compile("|".join(named), re.DOTALL)


def tokens(sql: str, *, coarse: bool = False) -> Iterator[Token]:
    """Take a text apart; what is opened and never closed goes on to the end of it.

    Args:
        sql: the text.
        coarse: give what is neither literal, quoted name nor comment as ``OTHER``, in runs as long as can be.

    Returns:
        The tokens in order; none for an empty text.
    """
    pattern, at = _either(coarse=coarse), 0
    while found := pattern.match(sql, at):
        group = str(found.lastgroup)
        end, closed = found.end(), True
        match group:
            case "comment":
                end, closed = _end_of_comment(sql, end)
            case "dollar":
                end, closed = _end_of_dollars(sql, end, found[group])
            case "escaped":
                closed = found["closed"] is not None and found["open"] is None
            case "literal" | "name":
                closed = found["end" if group == "literal" else "shut"] is not None
        yield Token(_KINDS[group], at, end, closed)
        at = end


def _end_of_comment(sql: str, at: int) -> tuple[int, bool]:
    """Where a comment that was opened before ``at`` ends, and whether it does; they nest."""
    depth = 1
    while depth and (edge := _COMMENT_EDGE.search(sql, at)):
        depth += 1 if edge[0] == "/*" else -1
        at = edge.end()
    return (len(sql), False) if depth else (at, True)


def _end_of_dollars(sql: str, at: int, tag: str) -> tuple[int, bool]:
    found = sql.find(tag, at)
    return (len(sql), False) if found < 0 else (found + len(tag), True)
