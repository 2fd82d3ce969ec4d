"""Changes of a column's type: whether the rows are written anew, and whether old values and old code fit."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.lint.deeds import Expression, Type


class Chance(IntEnum):
    """How likely something is, by the text alone."""

    NONE = 0
    POSSIBLE = 1
    """It depends on what the text does not tell; believed only of a trace."""
    SURE = 2


_TEXTS = frozenset({"text", "varchar", "citext"})
_FAMILIES = (
    _TEXTS | {"bpchar", "name", "char"},
    {"int2", "int4", "int8"},
    {"numeric", "decimal"},
    {"float4", "float8"},
    {"bool"},
    {"timestamp"},
    {"timestamptz"},
    {"date"},
    {"time"},
    {"timetz"},
    {"uuid"},
    {"json", "jsonb"},
    {"bytea"},
    {"interval"},
    {"inet", "cidr"},
)
# Types whose one modifier is a length or a precision that may grow (PostgreSQL manual, chapter 8).
_MEASURED = frozenset({"varchar", "varbit", "timestamp", "timestamptz", "time", "timetz", "interval"})
_SIZES = {"int2": 1, "int4": 2, "int8": 3, "float4": 1, "float8": 2}
BUILT_IN = frozenset(name for family in _FAMILIES for name in family) | frozenset(
    """money xml tsvector tsquery point line lseg box path polygon circle macaddr macaddr8 bit varbit oid
    regclass int4range int8range numrange tsrange tstzrange daterange pg_lsn jsonpath vector halfvec sparsevec
    hstore ltree geometry geography""".split()  # noqa: SIM905  # a list of words reads better so
)
"""Types that are no domains: PostgreSQL's own, and those of well-known extensions."""


def rewrite_chance(old: Type | None, new: Type, column: str, using: Expression | None) -> Chance:
    """Whether ALTER COLUMN TYPE writes the rows anew (PostgreSQL manual, ALTER TABLE, notes)."""
    if using is not None and not _is_itself(using, column):
        return Chance.SURE
    if old is None or not old.name.name:
        growing = new.name.name in _TEXTS | _MEASURED | {"numeric"}
        return Chance.POSSIBLE if growing else Chance.SURE
    if old.array != new.array:
        return Chance.SURE
    return Chance.NONE if _stored_alike(old, new) else Chance.SURE


def _is_itself(using: Expression, column: str) -> bool:
    bare = using.text.replace('"', "").strip("()")
    return using.columns == {column} and not using.functions and bare.partition("::")[0] == column


def _stored_alike(old: Type, new: Type) -> bool:
    before, after = old.name.name, new.name.name
    if before == after:
        return not narrower(old, new)
    if before in _TEXTS and after in _TEXTS:
        return not new.modifiers  # text is varchar without a limit; citext is stored as text
    return (before, after) == ("cidr", "inet")


def is_timestamp(type_: Type) -> bool:
    """Whether a type is a timestamp, with a zone or without."""
    return type_.name.name in {"timestamp", "timestamptz"}


def loses(old: Type, new: Type) -> bool:
    """Whether some values of the old type do not fit the new one of the same family, or are rounded."""
    if old.name.name == new.name.name == "numeric" and old.modifiers and new.modifiers:
        (old_digits, old_scale), (new_digits, new_scale) = (
            (*each, 0)[:2] for each in (old.modifiers, new.modifiers)
        )
        return new_scale < old_scale or new_digits - new_scale < old_digits - old_scale
    return narrower(old, new)


def narrower(old: Type, new: Type) -> bool:
    """Whether the rows of the old type must be looked at, or written anew, for one of the same family."""
    before, after = old.name.name, new.name.name
    if before in _SIZES and after in _SIZES:
        return _SIZES[after] < _SIZES[before]
    if not new.modifiers:
        return False
    if not old.modifiers:
        return True
    if after == "numeric":
        return _numeric_narrower(old.modifiers, new.modifiers)
    if after in _MEASURED and before in _MEASURED:
        return new.modifiers[0] < old.modifiers[0]
    return old.modifiers != new.modifiers


def _numeric_narrower(old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    """PostgreSQL keeps the rows only if the scale stays and the precision does not shrink."""
    (old_digits, old_scale), (new_digits, new_scale) = ((*each, 0)[:2] for each in (old, new))
    return new_scale != old_scale or new_digits < old_digits


def same_family(old: Type, new: Type) -> bool:
    """Whether code that knows the old type can go on with the new one."""
    if old.array != new.array:
        return False
    before, after = old.name.name, new.name.name
    return before == after or any({before, after} <= family for family in _FAMILIES)
