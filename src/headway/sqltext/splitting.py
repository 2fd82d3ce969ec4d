"""Where the statements of a text end: at a semicolon, where none of SQL's brackets is open."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from headway.sqltext.lexer import Kind, Token, tokens

_INTO_A_BODY = re.compile(r"create (?:or replace )?(?:function|procedure)\b")
_UNCLOSED = {
    Kind.COMMENT: "this comment is never closed by */",
    Kind.NAME: 'this name is never closed by "',
    Kind.LITERAL: "this string is never closed",
}
_BACKSLASH = (
    "a backslash outside quotes is psql's, such as \\connect or \\i; headway sends SQL to the server, which "
    "knows no such commands"
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, without the semicolon and the comments around it.

    Attributes:
        text: as it stands in the text.
        start: offset of its first character there.
    """

    text: str
    start: int


class Flaw(NamedTuple):
    """What keeps a text from being told apart, and the offset where it begins."""

    offset: int
    message: str


def split(sql: str) -> tuple[tuple[Statement, ...], tuple[Flaw, ...]]:
    """Cut a text at the semicolons that end its statements.

    Such a semicolon is in no comment, string or quoted name, between no parentheses (a rule's actions stand
    there), and not within the ``BEGIN ATOMIC … END`` of a function or procedure.

    Returns:
        The statements (none for a text of comments), and what is wrong with the text. One with flaws is cut
        all the same, as far as it can be told.
    """
    splitter = _Splitter(sql)
    for token in tokens(sql):
        splitter.take(token)
    splitter.end()
    return tuple(splitter.statements), tuple(sorted(splitter.flaws))


class _Splitter:
    """Takes tokens in order; holds what is open in the statement at hand."""

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self.statements: list[Statement] = []
        self.flaws: list[Flaw] = []
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._first: int | None = None
        self._last = 0
        self._words: list[str] = []
        self._before: Token | None = None
        self._brackets: list[int] = []
        self._blocks: list[int] = []

    def take(self, token: Token) -> None:
        if not token.closed:
            self.flaws.append(Flaw(token.start, _UNCLOSED[token.kind]))
        if token.kind in {Kind.BLANK, Kind.COMMENT}:
            return
        if token.kind is Kind.MARK and self._ends(token):
            self._finish()
            return
        if token.kind is Kind.WORD:
            self._take_word(token)
        if self._first is None:
            self._first = token.start
        self._last, self._before = token.end, token

    def _ends(self, token: Token) -> bool:
        match self._sql[token.start]:
            case ";":
                return not self._brackets and not self._blocks
            case "(":
                self._brackets.append(token.start)
            case ")" if self._brackets:
                self._brackets.pop()
            case "\\":
                self.flaws.append(Flaw(token.start, _BACKSLASH))
        return False

    def _take_word(self, token: Token) -> None:
        word = self._sql[token.start : token.end].lower()
        if len(self._words) < 4:  # noqa: PLR2004  # CREATE OR REPLACE FUNCTION
            self._words.append(word)
        if word in {"atomic", "case", "end"} and self._is_key_word() and self._is_routine():
            if word == "end":
                del self._blocks[-1:]
            elif self._blocks or (word == "atomic" and self._says_before("begin")):
                self._blocks.append(token.start)

    def _is_key_word(self) -> bool:
        """Behind AS and a dot any word is a name (manual, appendix C)."""
        return not self._says_before("as", ".")

    def _says_before(self, *words: str) -> bool:
        before = self._before
        return before is not None and self._sql[before.start : before.end].lower() in words

    def _is_routine(self) -> bool:
        return _INTO_A_BODY.match(" ".join(self._words)) is not None

    def _finish(self) -> None:
        if self._first is not None:
            self.statements.append(Statement(self._sql[self._first : self._last], self._first))
        self._begin_anew()

    def end(self) -> None:
        """The text is over."""
        never = [("this parenthesis is never closed", at) for at in self._brackets[:1]]
        never += [("this BEGIN ATOMIC has no END", at) for at in self._blocks[:1]]
        if not self.flaws:  # what is never closed has taken the rest along
            self.flaws += [Flaw(at, message) for message, at in never]
        self._finish()
