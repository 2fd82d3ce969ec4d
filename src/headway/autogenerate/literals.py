"""Values and expressions as SQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

if TYPE_CHECKING:
    from sqlalchemy.sql.elements import ClauseElement

# What text() takes for a parameter: a colon before a word, if nothing but white space or a sign precedes it.
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w+(?!:))")


def literal(value: str) -> str:
    """A string in SQL; PostgreSQL manual 4.1.2.1, with standard_conforming_strings on."""
    return "'" + value.replace("'", "''") + "'"


def parsable_sql(expression: ClauseElement | str) -> str:
    """An expression as SQL that ``text()`` takes as it is: no colon in it begins a parameter."""
    return _PARAMETER.sub(r"\:", plain_sql(expression))


def plain_sql(expression: ClauseElement | str) -> str:
    """An expression as SQL."""
    if isinstance(expression, str):
        return expression
    if isinstance(expression, sa.TextClause) and not any(
        value is not None for value in expression.compile().params.values()
    ):
        # What looks like a parameter in it and has no value is a part of a literal.
        return expression.text.replace(r"\:", ":")
    # Another paramstyle would double every per cent sign.
    dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]  # not annotated
    options = {"literal_binds": True, "include_table": False}
    return str(expression.compile(dialect=dialect, compile_kwargs=options))


def default_sql(default: Any) -> str | None:
    """A server default as SQL, whichever form SQLAlchemy has it in; ``None`` for none."""
    if default is None or default is False:
        return None
    if isinstance(default, sa.DefaultClause):
        return literal(default.arg) if isinstance(default.arg, str) else plain_sql(default.arg)
    return plain_sql(default)
