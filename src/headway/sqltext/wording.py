"""What a statement says without its comments and literals, and what of it may be shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headway.sqltext.lexer import Kind, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

# Words of a statement that may hold a secret in a literal: a role's password, a connection string, the
# options of a user mapping. Too many is no harm: the statement is then shown without its literals.
_CONFIDENTIAL = re.compile(
    r"passw(?:or)?d|pwd|secret|credential|token|api_?key|private_?key|access_?key|dblink"
    r"|\buser\s+mapping\b|\bsubscription\b|://[^/\s'@]*:[^/\s'@]*@",
    re.IGNORECASE,
)
HIDDEN = "'***'"
"""What stands for a literal that is not shown."""


def uncommented(statement: str) -> str:
    """The statement without comments, and without the blanks around it."""
    return "".join(" " if kind is Kind.COMMENT else text for kind, text in _pieces(statement)).strip()


def skeleton(statement: str) -> str:
    """The statement without comments and without what its literals and quoted names say, for looking at."""
    empty = {Kind.COMMENT: " ", Kind.LITERAL: "''", Kind.NAME: '""'}
    return "".join(empty.get(kind, text) for kind, text in _pieces(statement)).strip()


def unquoted(statement: str) -> str:
    """The statement with a blank in the place of each comment and literal; quoted names stay."""
    blank = {Kind.COMMENT: " ", Kind.LITERAL: " "}
    return "".join(blank.get(kind, text) for kind, text in _pieces(statement)).strip()


def shown(statement: str) -> str:
    """The statement as it may be shown and stored.

    One that speaks of a password, a connection or the like is shown without comments and literals, whichever
    of them is the secret; every other one as it is.
    """
    if not is_confidential(statement):
        return statement
    instead = {Kind.COMMENT: " ", Kind.LITERAL: HIDDEN}
    return "".join(instead.get(kind, text) for kind, text in _pieces(statement))


def presentable(statement: str) -> str:
    """The statement as it may be shown and stored, on one line."""
    return " ".join(shown(statement).split())


def is_confidential(statement: str) -> bool:
    """Whether a literal of the statement may be a secret."""
    return _CONFIDENTIAL.search(statement) is not None


def tells_literal(text: str, statement: str) -> bool:
    """Whether a text repeats what one of the statement's literals says."""
    said = (_content(piece) for kind, piece in _pieces(statement) if kind is Kind.LITERAL)
    return any(content and content in text for content in said)


def _content(literal: str) -> str:
    """What a literal says, without its quotes."""
    if literal.startswith("$"):
        tag = literal[: literal.index("$", 1) + 1]
        return literal.removeprefix(tag).removesuffix(tag)
    return literal.lstrip("eE").removeprefix("'").removesuffix("'").replace("''", "'")


def _pieces(statement: str) -> Iterator[tuple[Kind, str]]:
    return ((token.kind, statement[token.start : token.end]) for token in tokens(statement, coarse=True))
