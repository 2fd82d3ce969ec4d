"""A statement as text: what in it is comment, literal or name, and what of it may be shown.

No parser: it tells apart what PostgreSQL's lexer tells apart (manual, section 4.1), which is enough to read
how a statement begins and to keep a password out of a message.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = re.compile(
    r"""
    --[^\n]*
    | (?P<comment>/\*)
    | (?P<literal>
        (?<![\w$])[eE]'(?:[^'\\]|\\.|'')*'
        | '(?:[^']|'')*'
        | (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$ .*? \$(?P=tag)\$
      )
    | (?P<name>"(?:[^"]|"")*")
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
# A literal that is never closed runs to the end.
_UNCLOSED = re.compile(r"'.*|(?<![\w$])\$(?:[^\W\d]\w*)?\$.*", re.DOTALL)

# Words of a statement that may hold a secret in a literal: a role's password, a connection string, the
# options of a user mapping. Too many is no harm: the statement is then shown without its literals.
_CONFIDENTIAL = re.compile(
    r"passw(?:or)?d|pwd|secret|credential|token|api_?key|private_?key|access_?key|dblink"
    r"|\buser\s+mapping\b|\bsubscription\b|://[^/\s'@]*:[^/\s'@]*@",
    re.IGNORECASE,
)
HIDDEN = "'***'"
"""What stands for a literal that is not shown."""


class _Kind(Enum):
    PLAIN = auto()
    COMMENT = auto()
    LITERAL = auto()
    NAME = auto()


def uncommented(statement: str) -> str:
    """The statement without comments, and without the blanks around it."""
    return "".join(" " if kind is _Kind.COMMENT else text for kind, text in _pieces(statement)).strip()


def skeleton(statement: str) -> str:
    """The statement without comments and without what its literals and quoted names say, for looking at."""
    empty = {_Kind.COMMENT: " ", _Kind.LITERAL: "''", _Kind.NAME: '""'}
    return "".join(empty.get(kind, text) for kind, text in _pieces(statement)).strip()


def shown(statement: str) -> str:
    """The statement as it may be shown and stored.

    One that speaks of a password, a connection or the like is shown without comments and literals, whichever
    of them is the secret; every other one as it is.
    """
    if not is_confidential(statement):
        return statement
    return "".join(_shown(kind, text) for kind, text in _pieces(statement))


def presentable(statement: str) -> str:
    """The statement as it may be shown and stored, on one line."""
    return " ".join(shown(statement).split())


def is_confidential(statement: str) -> bool:
    """Whether a literal of the statement may be a secret."""
    return _CONFIDENTIAL.search(statement) is not None


def tells_literal(text: str, statement: str) -> bool:
    """Whether a text repeats what one of the statement's literals says."""
    said = (_content(piece) for kind, piece in _pieces(statement) if kind is _Kind.LITERAL)
    return any(content and content in text for content in said)


def _content(literal: str) -> str:
    """What a literal says, without its quotes."""
    if literal.startswith("$"):
        tag = literal[: literal.index("$", 1) + 1]
        return literal.removeprefix(tag).removesuffix(tag)
    return literal.lstrip("eE").removeprefix("'").removesuffix("'").replace("''", "'")


def _shown(kind: _Kind, text: str) -> str:
    match kind:
        case _Kind.LITERAL:
            return HIDDEN
        case _Kind.COMMENT:
            return " "
        case _Kind.PLAIN:
            return _UNCLOSED.sub(HIDDEN, text)
    return text


def _pieces(statement: str) -> Iterator[tuple[_Kind, str]]:
    at = 0
    while found := _PIECE.search(statement, at):
        yield _Kind.PLAIN, statement[at : found.start()]
        kind, at = _Kind.COMMENT, found.end()
        if found["comment"]:
            at = _end_of_comment(statement, at)
        elif found["literal"]:
            kind = _Kind.LITERAL
        elif found["name"]:
            kind = _Kind.NAME
        yield kind, statement[found.start() : at]
    yield _Kind.PLAIN, statement[at:]


def _end_of_comment(statement: str, at: int) -> int:
    """Where a comment that was opened before ``at`` ends; they nest (manual, section 4.1.5)."""
    depth = 1
    while depth and (edge := _COMMENT_EDGE.search(statement, at)):
        depth += 1 if edge[0] == "/*" else -1
        at = edge.end()
    return len(statement) if depth else at
