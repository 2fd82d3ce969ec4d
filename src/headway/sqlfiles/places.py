"""A place in a file, shown as a compiler would."""

from __future__ import annotations

from dataclasses import dataclass

from headway.sqltext import is_confidential

_BEFORE, _WIDEST = 60, 100


@dataclass(frozen=True, slots=True)
class Place:
    """A character of a file.

    Attributes:
        line: counted from 1.
        column: counted from 1, in characters.
        excerpt: the line with a caret below the character, on two lines; ``None`` where it may hold a secret.
    """

    line: int
    column: int
    excerpt: str | None = None


def place_of(text: str, offset: int, *, around: str | None = None) -> Place:
    """Where in its text an offset is.

    Args:
        text: the whole file.
        offset: from its beginning, in characters; its length means the place behind the last one.
        around: the statement that it lies in, which decides whether the line may be shown; else the whole
            text does.
    """
    begins = text.rfind("\n", 0, offset) + 1
    ends = text.find("\n", begins)
    line = text[begins : len(text) if ends < 0 else ends].rstrip("\r")
    column = offset - begins
    secret = is_confidential(text if around is None else around) or is_confidential(line)
    cut = max(0, column - _BEFORE)
    shown = "".join(letter if letter.isprintable() else " " for letter in line[cut : cut + _WIDEST])
    excerpt = None if secret else f"{shown}\n{' ' * (column - cut)}^"
    return Place(text.count("\n", 0, offset) + 1, column + 1, excerpt)
