"""Values of PostgreSQL's types, as text that a cast takes: the n-th differs from all others where it can."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from headway.testing.rows.tables import Column

_DAY = dt.date(2026, 1, 1)
_HEADER = 4  # bytes that the typmod of a text type counts besides its characters (VARHDRSZ)
_TEXT = frozenset({"text", "varchar", "bpchar", "char", "name", "citext"})
_NUMBERS = frozenset({"int2", "int4", "int8", "numeric", "float4", "float8", "money", "oid"})
_SCALE_SIGN = 1024  # a scale's sign bit, of its eleven bits
_LONGEST = 1000  # characters that are tried because a rule names the number

_LITERAL = re.compile(r"'((?:[^']|'')*)'|(?<![\w.])(-?\d+(?:\.\d+)?)(?!\w)")


def _vector(number: int, size: int) -> str:
    return "[" + ",".join(str((number + place) % 7 + 1) for place in range(size)) + "]"


def _day(number: int) -> dt.date:
    return _DAY + dt.timedelta(days=number)


_OF_TYPE: Mapping[str, Callable[[int], str]] = {
    "bool": lambda n: "ft"[n % 2],
    "int2": lambda n: str(n % 30_000 + 1),
    "int4": lambda n: str(n + 1),
    "int8": lambda n: str(n + 1),
    "oid": lambda n: str(n + 1),
    "numeric": lambda n: str(n + 1),
    "float4": lambda n: f"{n + 1}.5",
    "float8": lambda n: f"{n + 1}.5",
    "money": lambda n: f"{n + 1}.00",
    "uuid": lambda n: str(uuid.UUID(int=(0x4EAD << 112) + (4 << 76) + (8 << 60) + n)),
    "date": lambda n: _day(n).isoformat(),
    "timestamp": lambda n: f"{_day(n)} 10:00:00",
    "timestamptz": lambda n: f"{_day(n)} 10:00:00+00",
    "time": lambda n: f"{n // 60 % 24:02}:{n % 60:02}:00",
    "timetz": lambda n: f"{n // 60 % 24:02}:{n % 60:02}:00+00",
    "interval": lambda n: f"{n + 1} days",
    "json": lambda n: f'{{"n": {n}}}',
    "jsonb": lambda n: f'{{"n": {n}}}',
    "jsonpath": lambda n: f"$.a{n}",
    "bytea": lambda n: f"\\x{n:08x}",
    "inet": lambda n: f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}",
    "cidr": lambda n: f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}/32",
    "macaddr": lambda n: f"08:00:2b:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}",
    "macaddr8": lambda n: f"08:00:2b:01:02:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}",
    "xml": lambda n: f"<a>{n}</a>",
    "tsvector": lambda n: f"word{n}",
    "tsquery": lambda n: f"word{n}",
    "point": lambda n: f"({n},{n})",
    "line": lambda n: f"{{1,2,{n}}}",
    "lseg": lambda n: f"[({n},0),({n},1)]",
    "box": lambda n: f"(({2 * n},0),({2 * n + 1},1))",
    "path": lambda n: f"[({n},0),({n},1),({n + 1},1)]",
    "polygon": lambda n: f"(({n},0),({n},1),({n + 1},1))",
    "circle": lambda n: f"<({3 * n},0),1>",
    "pg_lsn": lambda n: f"0/{n + 1:X}",
    "hstore": lambda n: f"n=>{n}",
    "ltree": lambda n: f"a.b{n}",
}


_SIZED: Mapping[str, Callable[[int, int], str]] = {
    "bit": lambda n, size: format(n % 2**size, f"0{size}b"),
    "varbit": lambda n, size: format(n % 2**size, f"0{size}b"),
    "vector": _vector,
    "halfvec": _vector,
    "sparsevec": lambda n, size: f"{{1:{n + 1}}}/{size}",
}


def nth(column: Column, number: int) -> str | None:
    """The ``number``-th value of a column's type; ``None`` for a type that nothing is known of."""
    if column.element is not None:
        inner = _plain(column.element, -1, column.labels, number, column.name)
        return None if inner is None else '{"' + inner.replace("\\", "\\\\").replace('"', '\\"') + '"}'
    if column.bound is not None:
        span = _span(column.bound, number)
        return f"{{{span}}}" if column.multirange and span else span
    return _plain(column.base, column.typmod, column.labels, number, column.name)


def _plain(base: str, typmod: int, labels: Sequence[str], number: int, name: str) -> str | None:
    if labels:
        return labels[number % len(labels)]
    if base in _TEXT:
        return _text(f"{name} {number}", str(number), 1 if base == "char" else typmod - _HEADER)
    if base in _SIZED:
        return _SIZED[base](number, max(typmod, 1))
    if base == "numeric" and typmod >= _HEADER:
        return _numeric(typmod - _HEADER, number)
    make = _OF_TYPE.get(base)
    return make(number) if make else None


def _text(long: str, short: str, room: int) -> str:
    """The longer text where there is room for it; -5 and the like mean room without end."""
    if room <= 0 or len(long) <= room:
        return long
    return short[-room:].rjust(min(room, 1), "0")


def _numeric(encoded: int, number: int) -> str:
    """A number of the precision and scale that PostgreSQL packs into a typmod (``numeric.c``)."""
    precision, scale = encoded >> 16, encoded & (2 * _SCALE_SIGN - 1)
    scale = (scale ^ _SCALE_SIGN) - _SCALE_SIGN
    digits = str(number % (10 ** min(precision, 9) - 1) + 1)
    if precision > scale:
        return digits[-(precision - scale) :] if scale >= 0 else digits + "0" * -scale
    return "0." + digits.rjust(scale, "0")[-scale:]


def _span(bound: str, number: int) -> str | None:
    """A range that meets none of another number."""
    if bound in {"date", "timestamp", "timestamptz"}:
        return f"[{_day(3 * number)},{_day(3 * number + 2)})"
    return f"[{10 * number},{10 * number + 5})" if bound in _NUMBERS else None


def suggestions(column: Column, rules: Sequence[str], numbers: Sequence[int]) -> Iterator[str]:
    """Values that a rule may ask for: what it names, what lies beside that, and common forms of text.

    Args:
        column: whose values they would be.
        rules: expressions that speak of it.
        numbers: which of the common forms, that other rows do not have.
    """
    for rule in rules:
        for quoted, bare in _LITERAL.findall(rule):
            named = bare or quoted.replace("''", "'")
            if column.base in _TEXT:
                yield from _lengths(named) if bare else [named]
            elif column.base in _NUMBERS:
                yield from _beside(named)
            else:
                yield named
    if column.base in _TEXT:
        for n in numbers:
            yield from (f"a{n}@example.com", f"https://example.com/{n}", f"a-{n}", f"abc{_letters(n)}")
            yield from (f"ABC{_letters(n).upper()}", str(n), f"{n:010}", f"+1202555{n:04}", f"#{n:06x}")
        yield ""
    elif column.base in {"json", "jsonb"}:
        yield from ("{}", "[]", "[1]", '"a"', "1")
    elif column.element is not None:
        yield "{}"


def _letters(number: int) -> str:
    """A number without digits."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def _lengths(number: str) -> Iterator[str]:
    length = int(float(number))
    for size in (length - 1, length, length + 1):
        if 0 < size <= _LONGEST:
            yield "a" * size
            yield "B" * size


def _beside(number: str) -> Iterator[str]:
    try:
        value = float(number)
    except ValueError:
        return
    for near in (value, value + 1, value - 1, value / 2):
        yield str(int(near)) if near == int(near) else str(near)
