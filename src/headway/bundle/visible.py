"""A quoted text as a reviewer may trust it: what is not seen, or reorders the line, is spelt out."""

from __future__ import annotations

import html
import re

# Controls, and the marks that turn the direction of writing (Unicode standard annex 9, 2): with these a line
# can be made to read otherwise than PostgreSQL reads it (CVE-2021-42574).
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]"
    "|\r(?!\n)"
)


def visible(text: str) -> str:
    r"""The text with each such character as ``\u202e``; lines and tabs stay."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def escape(text: str) -> str:
    """The same, fit for HTML."""
    return html.escape(visible(text))
