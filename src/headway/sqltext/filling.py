"""SQL with its parameters written out, for where several statements travel in one message."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Value: TypeAlias = str | int | bool | None

# What SQLAlchemy's text() takes for a parameter; a cast's two colons and a time's are none. A colon that is
# none is written with a backslash there.
_PARAMETER = re.compile(r"\\:|(?<![:\w\\]):(\w+)(?!:)")


def filled(sql: str, values: Mapping[str, Value], *, later: Sequence[str] = ()) -> str:
    """The statement with values in the place of its ``:name`` parameters.

    Args:
        sql: a statement, as ``text()`` takes it.
        values: of the parameters in it. Strings are written as with ``standard_conforming_strings`` on.
        later: parameters that have no value yet; the first becomes ``$1``, as PREPARE has it.
    """
    places = {name: f"${number}" for number, name in enumerate(later, start=1)}

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return ":"
        return places.get(name) or written(values[name])

    return _PARAMETER.sub(value, sql)


def written(value: Value) -> str:
    """A value as SQL has it."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
