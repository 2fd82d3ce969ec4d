"""The pages of ``docs/rules``: their examples, and the index that ``python tests/rule_pages.py`` writes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from headway.lint import RULES

PAGES = Path(__file__).parent.parent / "docs" / "rules"
INDEX = PAGES / "README.md"

_HEAD = """\
# The rules of lint

What each rule is about, an example that it finds and one that it does not, and how to silence it. The tests
run every example on PostgreSQL. How lint works is said in [lint.md](../lint.md).

An *error* lets `headway lint` end with exit code 6, a *warning* is reported; both can be
[configured](../lint.md#severity). "Manual" is PostgreSQL's, its sections numbered as in version 18.

| rule | finds | severity |
|---|---|---|
"""
_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^## (?P<title>\w[\w ]*)\n(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """A fenced block: a revision, or what is given before it."""

    language: str
    code: str


@dataclass(frozen=True)
class Page:
    """One rule's page.

    Attributes:
        slug: the rule.
        given: SQL of what is there before; "" when nothing needs to be.
        bad: a revision that the rule finds fault with.
        good: revisions, one after the other, that it does not.
        silenced: the comment that lets it pass; ``None`` for the rules about such comments.
    """

    slug: str
    given: str
    bad: Example
    good: tuple[Example, ...]
    silenced: Example | None


def index() -> str:
    """The text of the index."""
    rows = (
        f"| [{rule.slug}]({rule.slug}.md) | {rule.title} | {rule.severity.value} |" for rule in RULES.values()
    )
    return _HEAD + "\n".join(rows) + "\n"


def page(slug: str) -> Page:
    """Read a rule's page."""
    text = (PAGES / f"{slug}.md").read_text(encoding="utf-8")
    blocks = {
        found["title"]: [Example(*block) for block in _BLOCK.findall(found["text"])]
        for found in _SECTION.finditer(text)
    }
    (bad,) = blocks["Bad"]
    given = "".join(block.code for block in blocks.get("Given", []))
    silenced = blocks["Silence"][0] if blocks["Silence"] else None
    return Page(slug, given, bad, tuple(blocks["Good"]), silenced)


if __name__ == "__main__":
    INDEX.write_text(index(), encoding="utf-8")
