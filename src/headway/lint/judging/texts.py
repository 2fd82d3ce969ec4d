"""What a statement's text alone tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.lint import recipes
from headway.lint.alarms import Alarm
from headway.lint.pen import text
from headway.sqltext import Kind, split, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway.lint.acts import Act
    from headway.lint.pen import Pen

LONGEST_NAME = 63
"""Bytes of a name that PostgreSQL keeps (NAMEDATALEN; manual, 4.1.1)."""


def several_statements(act: Act, pen: Pen) -> Iterator[Alarm]:
    """Several statements in one string."""
    if act.statements > 1:
        statements, _ = split(act.review.sql)
        yield Alarm(
            rule="several-statements-in-one-string",
            act=act,
            hazard=f"{act.statements} statements are sent as one, which asyncpg's prepared statements refuse",
            recipe="\n".join(f"op.execute({text(each.text)})" for each in statements)
            if pen.python
            else pen.run(*(each.text for each in statements)),
        )


def long_names(act: Act, pen: Pen) -> Iterator[Alarm]:
    """Names that PostgreSQL cuts off."""
    for name in dict.fromkeys(_names(act.review.sql)):
        size = len(name.encode())
        if size > LONGEST_NAME:
            kept = name.encode()[:LONGEST_NAME].decode(errors="ignore")
            yield Alarm(
                rule="name-too-long",
                act=act,
                hazard=f"{name} has {size} bytes, and PostgreSQL makes {kept} of it",
                recipe=f"{pen.remark('a shorter name, such as')} {recipes.shortened(name)}",
            )


def _names(sql: str) -> Iterator[str]:
    for token in tokens(sql):
        said = sql[token.start : token.end]
        if token.kind is Kind.WORD:
            yield said
        elif token.kind is Kind.NAME:
            yield said[1:-1].replace('""', '"')
