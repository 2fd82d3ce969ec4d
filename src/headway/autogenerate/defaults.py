"""Whether two defaults that PostgreSQL spells differently give a column the same values.

PostgreSQL itself is asked, once for all of them: the comparison of the two becomes a generated column of a
temporary table. It takes only what is immutable for one (manual, section 5.4), so what depends on who asks,
or when, is never compared by what it happens to be now. The beginning of the transaction alone may be written
in three ways, and stands as a column of timestamps there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import text

from headway.autogenerate.blueprint import Unit
from headway.autogenerate.scratch import build, rolled_back

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

    from headway import catalogue

K = TypeVar("K")

_TABLE = "headway_scratch_defaults"
_MOMENT = "moment"
_SPELLINGS = ("CURRENT_TIMESTAMP", "transaction_timestamp()", "now()")
"""Of one function (manual, section 9.9.5), as PostgreSQL prints them."""

_AT_A_TIME = 1000
"""A table has 1,600 columns at most (manual, appendix K)."""

_MAKE = (
    f"CREATE TEMPORARY TABLE {_TABLE} ({_MOMENT} timestamp with time zone)",
    # Of different years, halves of the day and sides of a change of the clocks.
    *(
        f"INSERT INTO {_TABLE} VALUES ('{moment}')"  # noqa: S608  # all our own
        for moment in ("1999-12-31 23:59:59Z", "2024-07-01 00:30:00.123456Z", "2030-01-15 12:00:00Z")
    ),
)


def same_values(
    connection: Connection, doubtful: Mapping[K, tuple[catalogue.Column, catalogue.Column]]
) -> set[K]:
    """The keys under which lies a pair of columns whose defaults, though spelt differently, are the same.

    Where PostgreSQL cannot tell, they count as different.
    """
    same: set[K] = set()
    asked: dict[K, str] = {}
    for key, (actual, wanted) in doubtful.items():
        one, other = _at_a_moment(actual.default), _at_a_moment(wanted.default)
        if one == other:
            same.add(key)
        else:
            asked[key] = f"{_value(one, wanted)} IS NOT DISTINCT FROM {_value(other, wanted)}"
    keys = list(asked)
    for start in range(0, len(keys), _AT_A_TIME):
        same |= _answers(connection, {key: asked[key] for key in keys[start : start + _AT_A_TIME]})
    return same


def _answers(connection: Connection, asked: Mapping[K, str]) -> set[K]:
    columns = {key: f"same_{number}" for number, key in enumerate(asked)}
    add = f"ALTER TABLE {_TABLE} ADD COLUMN"
    units = {
        key: Unit("", (f"{add} {columns[key]} boolean GENERATED ALWAYS AS ({question}) STORED",))
        for key, question in asked.items()
    }
    with rolled_back(connection):
        build(connection, [Unit("the table of moments", _MAKE)])
        refused = build(connection, list(units.values()), of=None)
        told = [key for key, unit in units.items() if unit not in refused]
        answers = ", ".join(f"pg_catalog.bool_and({columns[key]})" for key in told)
        row = connection.execute(text(f"SELECT {answers} FROM {_TABLE}")).one() if told else ()  # noqa: S608  # our own names
    return {key for key, answer in zip(told, row, strict=True) if answer}


def _value(default: str, column: catalogue.Column) -> str:
    """A default as a value with an equality that tells apart what the column's readers can."""
    if column.category == "S":
        return f"CAST(({default}) AS text)"  # a cast to the type would cut it to its length
    if column.type == "json":
        return f"CAST(CAST(({default}) AS json) AS jsonb)"  # json has no equality
    return f"CAST(({default}) AS {column.type})"


def _at_a_moment(default: str | None) -> str:
    """The default with every spelling of the transaction's beginning made one; literals stay as they are."""
    # Cut at apostrophes, PostgreSQL's output has literals at the odd places: one inside is written twice.
    parts = ("NULL" if default is None else default).split("'")
    for place in range(0, len(parts), 2):
        for spelling in _SPELLINGS:
            parts[place] = parts[place].replace(spelling, _MOMENT)
    return "'".join(parts)
