"""What a statement's text alone tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.lint import recipes
from headway.lint.alarms import Alarm
from headway.lint.pen import text
from headway.lint.sources import python_source
from headway.sqltext import Kind, split, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headway.lint.acts import Act
    from headway.lint.pen import Pen
    from headway.lint.subject import Subject

LONGEST_NAME = 63
"""Bytes of a name that PostgreSQL keeps (NAMEDATALEN; manual, 4.1.1)."""


def several_statements(subject: Subject, acts: Sequence[Act], pen: Pen) -> Iterator[Alarm]:
    """Several statements in one string, as it stands in the file or was sent."""
    source = python_source(subject.source) if pen.python else None
    written = source.executed(subject.step.direction.value) if source else ()
    found = {sql: (line, None) for sql, line in written}
    sent = {act.review.sql: (act.review.line, act) for act in acts if act.statements > 1}
    for sql, (line, act) in {**found, **sent}.items():
        statements, flaws = split(sql)
        if len(statements) > 1 and not flaws:
            yield Alarm(
                rule="several-statements-in-one-string",
                act=act,
                line=line,
                hazard=f"{len(statements)} statements are in one string: headway sends them one by one, and "
                "asyncpg by itself refuses them",
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
