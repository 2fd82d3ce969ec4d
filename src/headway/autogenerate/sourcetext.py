"""Python source in lines that are short enough."""

from __future__ import annotations

import io
import re
import textwrap
import tokenize
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDTH = 84
"""Characters in a line of a remark, and in a piece of a string: with an indentation they fit in 88."""

_PIECES = re.compile(r"\S*\s*")


def remark(text: str) -> list[str]:
    """A sentence as lines of comment."""
    # A name may hold anything; a comment holds one line.
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    return textwrap.wrap(
        shown,
        WIDTH,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def call(function: str, arguments: Iterable[str], **options: str | None) -> str:
    """A call, from arguments that are source already; an option that is ``None`` is not written."""
    named = [f"{name}={value}" for name, value in options.items() if value is not None]
    return f"{function}({', '.join([*arguments, *named])})"


def given(value: Any) -> str | None:
    """An option's value as source; ``None`` when it says nothing."""
    return None if value is None or value is False else repr(str(value) if isinstance(value, str) else value)


def in_pieces(source: str) -> str:
    """Rendered Python with its long strings cut where there is white space, so that lines can be short."""
    if len(source) <= WIDTH:
        return source
    cuts: list[tuple[int, int, str]] = []
    lines = source.split("\n")
    starts = [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines))]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.STRING and len(token.string) > WIDTH:
            begin = starts[token.start[0] - 1] + token.start[1]
            cuts.append((begin, begin + len(token.string), _pieces(token.string)))
    for begin, end, pieces in reversed(cuts):
        source = source[:begin] + pieces + source[end:]
    return source


def _pieces(literal: str) -> str:
    if literal[0] not in "'\"":
        return literal
    value = literal[1:-1]
    room = WIDTH - 24  # for the indentation of an argument of an argument
    pieces = [""]
    for word in _PIECES.findall(value):
        if len(pieces[-1]) + len(word) > room and pieces[-1]:
            pieces.append("")
        pieces[-1] += word
    quote = literal[0]
    return (
        "(" + "\n".join(f"{quote}{piece}{quote}" for piece in pieces if piece) + ")"
        if len(pieces) > 1
        else literal
    )
