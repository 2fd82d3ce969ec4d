"""PostgreSQL's names of types as the SQLAlchemy code that compiles to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.catalogue import Catalogue, Column

_PLAIN = {
    "bigint": "sa.BigInteger()",
    "boolean": "sa.Boolean()",
    "bytea": "sa.LargeBinary()",
    "character varying": "sa.String()",
    "cidr": "postgresql.CIDR()",
    "date": "sa.Date()",
    "double precision": "sa.Double()",
    "inet": "postgresql.INET()",
    "integer": "sa.Integer()",
    "interval": "sa.Interval()",
    "json": "postgresql.JSON()",
    "jsonb": "postgresql.JSONB()",
    "macaddr": "postgresql.MACADDR()",
    "macaddr8": "postgresql.MACADDR8()",
    "money": "postgresql.MONEY()",
    "numeric": "sa.Numeric()",
    "real": "sa.REAL()",
    "smallint": "sa.SmallInteger()",
    "text": "sa.Text()",
    "time with time zone": "sa.Time(timezone=True)",
    "time without time zone": "sa.Time()",
    "timestamp with time zone": "sa.DateTime(timezone=True)",
    "timestamp without time zone": "sa.DateTime()",
    "tsquery": "postgresql.TSQUERY()",
    "tsvector": "postgresql.TSVECTOR()",
    "uuid": "sa.Uuid()",
}
_RANGES = frozenset(["int4", "int8", "num", "date", "ts", "tstz"])
_MEASURED = (
    (r"character varying\((\d+)\)", "sa.String(length={0})"),
    (r"character\((\d+)\)", "sa.CHAR(length={0})"),
    (r"numeric\((\d+),(-?\d+)\)", "sa.Numeric(precision={0}, scale={1})"),
    (r"bit\((\d+)\)", "postgresql.BIT(length={0})"),
    (r"bit varying\((\d+)\)", "postgresql.BIT(length={0}, varying=True)"),
    (r"timestamp\((\d)\) with time zone", "postgresql.TIMESTAMP(timezone=True, precision={0})"),
    (r"timestamp\((\d)\) without time zone", "postgresql.TIMESTAMP(precision={0})"),
    (r"time\((\d)\) with time zone", "postgresql.TIME(timezone=True, precision={0})"),
    (r"time\((\d)\) without time zone", "postgresql.TIME(precision={0})"),
    (r"interval\((\d)\)", "postgresql.INTERVAL(precision={0})"),
)
# As `public` is on the search path where revisions run, and no other schema is for sure.
_VECTOR = re.compile(r"public\.(vector|halfvec|sparsevec)(?:\((\d+)\))?")
_VECTORS = {"vector": "VECTOR", "halfvec": "HALFVEC", "sparsevec": "SPARSEVEC"}
_COLLATED = re.compile(r"sa\.(?:Text|String)\(.*\)")


def type_code(column: Column, catalogue: Catalogue, *, vectors: bool) -> str | None:
    """What stands for a column's type in a file; ``None`` where SQL says it better.

    Args:
        column: of a table.
        catalogue: that has the enums.
        vectors: whether pgvector's classes may be used.
    """
    code = _code(column.type, catalogue, vectors=vectors)
    if code is None or column.collation is None:
        return code
    place, _, name = column.collation.partition(".")
    if place != "pg_catalog" or not _COLLATED.fullmatch(code):
        return None
    inner = code[:-1] + ("" if code.endswith("()") else ", ")
    return f"{inner}collation={name.strip(chr(34))!r})"


def _code(type_: str, catalogue: Catalogue, *, vectors: bool) -> str | None:
    if type_.endswith("[]"):
        element = _code(type_.removesuffix("[]"), catalogue, vectors=vectors)
        return f"postgresql.ARRAY({element})" if element else None
    if type_ in _PLAIN:
        return _PLAIN[type_]
    for pattern, code in _MEASURED:
        if found := re.fullmatch(pattern, type_):
            return code.format(*found.groups())
    base = type_.removesuffix("multirange").removesuffix("range")
    if base in _RANGES and base != type_:
        return f"postgresql.{type_.upper()}()"
    if vectors and (found := _VECTOR.fullmatch(type_)):
        return f"pgvector.sqlalchemy.{_VECTORS[found[1]]}({found[2] or ''})"
    return _enum_code(type_, catalogue)


def _enum_code(type_: str, catalogue: Catalogue) -> str | None:
    enum = next((each for each in catalogue.enums.values() if each.type == type_), None)
    if enum is None:
        return None
    labels = ", ".join(map(repr, enum.labels))
    schema = "" if enum.schema == "public" else f", schema={enum.schema!r}"
    return f"postgresql.ENUM({labels}, name={enum.name!r}{schema}, create_type=False)"
