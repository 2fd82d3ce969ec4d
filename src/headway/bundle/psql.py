"""How text is written for psql, so that it says the same there and nothing more (manual, psql)."""

from __future__ import annotations

import re

from headway.sqltext import Kind, tokens

# What psql would put a variable in place of: `:name`, `:'name'`, `:"name"` and `:{?name}`, not `::` and `:=`.
_VARIABLE = re.compile(r"(?<![:\\]):(?=[\w'\"{]|[^\x00-\x7f])")

# There psql puts nothing in place of anything.
_QUIET = frozenset({Kind.LITERAL, Kind.NAME, Kind.COMMENT})


def literal(value: str | None) -> str:
    """A value as an SQL literal; psql puts nothing into it."""
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def boolean(value: bool) -> str:  # noqa: FBT001  # what it writes
    """``true`` or ``false``."""
    return "true" if value else "false"


def one_line(text: str) -> str:
    """A text on one line, as a comment may hold it."""
    return " ".join(text.split())


def spoken(text: str) -> str:
    r"""A text as an argument of ``\echo``: one line, in quotes."""
    return "'" + one_line(text).replace("\\", "\\\\").replace("'", "''") + "'"


def comment(text: str) -> str:
    """A text of several lines as comments; no line of it can end the comment."""
    return "".join(f"-- {line}".rstrip() + "\n" for line in text.splitlines())


def statement(sql: str) -> str:
    """A statement with its semicolon, in which psql finds no variable of its own."""
    quiet = [(token.start, token.end) for token in tokens(sql) if token.kind in _QUIET]

    def mark(found: re.Match[str]) -> str:
        return ":" if any(start <= found.start() < end for start, end in quiet) else r"\:"

    inert = _VARIABLE.sub(mark, sql)
    # Where the last line is a comment, a semicolon there would be part of it.
    return f"{inert}\n;" if "--" in inert.rpartition("\n")[2] else f"{inert};"
