"""Passwords that stand where none belongs: in an argument that an error repeats."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MASK = "***"
# One slash where a URL was taken for a path. An unencoded password may hold anything, @ included.
_USERINFO = r"(\w:/{1,2}[^\s:/@]*:)"
_PARAMETER = r"(\b(?:ssl|pg)?password\s*=\s*)(?:'[^']*'|[^\s&'\"]+)"
_IN_TEXT = re.compile(rf"{_USERINFO}\S*@|{_PARAMETER}", re.IGNORECASE)
_IN_WORD = re.compile(rf"{_USERINFO}.*@|{_PARAMETER}", re.IGNORECASE | re.DOTALL)


def mask(text: str, words: Sequence[str] = ()) -> str:
    """Replace the passwords of URLs and connection strings in a text by ``***``.

    Args:
        text: what is about to be shown.
        words: the arguments as typed; one that holds a password is found in the text also where the
            password has spaces in it.
    """
    for word in words:
        masked = _masked(_IN_WORD, word)
        if masked != word:
            for form in (word, repr(word)[1:-1]):
                text = text.replace(form, masked)
    return _masked(_IN_TEXT, text)


def _masked(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda found: f"{found[1]}{_MASK}@" if found[1] else f"{found[2]}{_MASK}", text)
