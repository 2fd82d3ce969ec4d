"""Whether values stay what they are when a column changes its type.

A change is exact when PostgreSQL turns each value into the same value of the new type, or refuses the whole
statement; any other may round or cut values without a word. What is not known here to be exact is not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are not annotated

_ROUNDS = "which may round or cut its values"
_TIME_ZONE = "where the time zone of the session decides what its values become"

# Each type holds the values of those before it in the row, or PostgreSQL refuses them (manual, chapter 8; the
# casts of pgvector).
_EXACT = (
    ("smallint", "integer", "bigint", "numeric"),
    ("bigint", "integer", "smallint"),
    ("smallint", "integer", "double precision"),
    ("smallint", "real", "double precision"),
    ("boolean", "smallint", "integer", "bigint", "numeric"),
    ("date", "timestamp"),
    ("cidr", "inet"),
    ("macaddr", "macaddr8", "macaddr"),
    ("bit", "bit varying", "bit"),
    ("jsonb", "json"),
    ("halfvec", "vector", "sparsevec", "vector"),
)
_ZONED, _PLAIN = "timestamp with time zone", "timestamp"
_BY_TIME_ZONE = frozenset(
    {(_PLAIN, _ZONED), (_ZONED, _PLAIN), ("date", _ZONED), (_ZONED, "date"), ("time", "time with time zone")}
)
_TEXTS = frozenset({"varchar", "text", "citext"})
# What is the text that it was read from, or is another spelling of the same.
_READ_FROM_TEXT = _TEXTS | {"enum", "json", "uuid", "xml"}
_SYNONYMS = {
    "float": "double precision",
    "decimal": "numeric",
    "bool": "boolean",
    "int": "integer",
    "timestamp without time zone": "timestamp",
    "time without time zone": "time",
    "character varying": "varchar",
    "character": "char",
}
_ARRAY = re.compile(r"(?:\s*\[\d*\])+\Z")
_COLLATION = re.compile(r"\s+collate\s+.*\Z")
_NUMBERS = re.compile(r"\s*\(([\d, -]+)\)")
# float(1) to float(24) are real (manual 8.1.3).
_SINGLE_BITS = 24


class _Type(NamedTuple):
    name: str
    numbers: tuple[int, ...]
    array: bool


def change_of_values(old: TypeEngine[Any], new: TypeEngine[Any]) -> str | None:
    """What may happen to the values of a column that changes its type, as the end of a sentence about it.

    ``None`` when nothing does: PostgreSQL keeps each value, or refuses the change.
    """
    one, other = _parts(old), _parts(new)
    if one.array == other.array and one.name == other.name:
        return None if _as_fine(one, other) else _ROUNDS
    if (one.name, other.name) in _BY_TIME_ZONE:
        return _TIME_ZONE
    return None if _exact(one, other) else _ROUNDS


def sql_of(type_: TypeEngine[Any]) -> str:
    """A type as PostgreSQL's SQL writes it."""
    return type_.compile(dialect=_DIALECT)


def _exact(old: _Type, new: _Type) -> bool:
    # What PostgreSQL writes of a value is all of it.
    if new.name in _TEXTS and not new.array:
        return True
    if old.array != new.array:
        return False
    if new.name in _TEXTS or (old.name in _TEXTS and new.name in _READ_FROM_TEXT):
        return True
    rows = (row for row in _EXACT if old.name in row)
    return any(new.name in row[row.index(old.name) :] for row in rows) and _scale(new.numbers) >= 0


def _as_fine(old: _Type, new: _Type) -> bool:
    """Whether a type of the same name holds as many digits behind the point, of numbers or of seconds."""
    if new.name == "numeric":
        return not new.numbers or (bool(old.numbers) and _scale(new.numbers) >= _scale(old.numbers))
    if new.name.startswith(("time", "interval")):
        return not new.numbers or (bool(old.numbers) and new.numbers >= old.numbers)
    return True


def _scale(numbers: tuple[int, ...]) -> int:
    return numbers[1] if len(numbers) > 1 else 0


def _parts(type_: TypeEngine[Any]) -> _Type:
    while isinstance(type_, postgresql.DOMAIN):
        type_ = type_.data_type
    item = type_.item_type if isinstance(type_, sa.ARRAY) else type_
    if isinstance(item, sa.Enum) and item.native_enum:
        return _Type("enum", (), array=item is not type_)
    text = _COLLATION.sub("", sql_of(type_).lower())
    text, arrays = _ARRAY.subn("", text)
    found = _NUMBERS.search(text)
    numbers = tuple(int(number) for number in found[1].split(",")) if found else ()
    name = _NUMBERS.sub("", text)
    if name == "float":
        return _Type("real" if 0 < sum(numbers) <= _SINGLE_BITS else "double precision", (), arrays > 0)
    return _Type(_SYNONYMS.get(name, name), numbers, arrays > 0)
