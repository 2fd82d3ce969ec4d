"""What a column of each family of types may have: defaults, checks, indexes, computed columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model_sets import Col


@dataclass(frozen=True)
class Kind:
    """A family of types: what a column of it may have. ``{c}`` stands for the column's name, quoted."""

    types: tuple[str, ...]
    defaults: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    indexes: tuple[tuple[str, str], ...] = ()
    excludes: tuple[tuple[str, str], ...] = ()
    computed: tuple[str, ...] = ()
    sortable: bool = True


_COSINE = "postgresql_ops={{{n!r}: '{o}_cosine_ops'}}"
_L2 = "postgresql_ops={{{n!r}: '{o}_l2_ops'}}"
_NOT_HELD = "{c} IS NOT NULL"
_TEXT_DEFAULTS = (
    "''",
    "'abc'",
    '"it\'s"',
    "'100%'",
    "'a:b'",
    "'now()'",
    "sa.text(\"'x'::text\")",
    "sa.text('CURRENT_USER')",
    "sa.text(\"'a' || 'b'\")",
    "sa.text('md5(random()::text)')",
    "sa.func.lower('ABC')",
    "'back\\\\\\\\slash'",
    "'two\\nlines'",
    "'NULL'",
)
_INT_DEFAULTS = ("'0'", "'-1'", "sa.text('7')", "sa.text('1 + 1')", "sa.text('(2 * 3)')", "sa.text(\"'5'\")")
_TIMES = (
    "sa.func.now()",
    "sa.text('now()')",
    "sa.text('CURRENT_TIMESTAMP')",
    "sa.text('clock_timestamp()')",
    "sa.text(\"now() + interval '1 day'\")",
    "sa.text(\"timezone('utc', now())\")",
    "'2020-01-01 00:00:00'",
)
_JSON = ("'{}'", "'[]'", "sa.text(\"'{}'::json\")", "'{\"a\": 1}'", '\'{"it\\\'s": "%"}\'', "'null'")

KINDS = {
    "integer": Kind(
        ("sa.Integer()", "sa.BigInteger()", "sa.SmallInteger()"),
        _INT_DEFAULTS,
        (
            "{c} > 0",
            "{c} IN (1, 2, 3)",
            "{c} BETWEEN 1 AND 10",
            "NOT ({c} = 0 AND {c} IS NULL)",
            "({c} % 2) = 0",
        ),
        (
            ("c[{n!r}].desc()", ""),
            ("c[{n!r}].desc().nulls_last()", ""),
            ("c[{n!r}].nulls_first()", ""),
            ("c[{n!r}] + 1", ""),
            ("c[{n!r}]", "postgresql_where=c[{n!r}] > 5"),
            ("c[{n!r}]", "postgresql_using='hash'"),
            ("c[{n!r}]", "postgresql_using='brin', postgresql_with={{'pages_per_range': 4}}"),
            ("c[{n!r}]", "postgresql_with={{'fillfactor': 70}}"),
        ),
        (("=", "using='btree'"),),
        ("{c} * 2", "abs({c})"),
    ),
    "numeric": Kind(
        (
            "sa.Numeric()",
            "sa.Numeric(10, 2)",
            "sa.Numeric(12, 4)",
            "sa.Numeric(5)",
            "sa.Float()",
            "sa.REAL()",
            "sa.Double()",
        ),
        ("'0'", "'1.50'", "sa.text('0.0')", "sa.text('-2.5')"),
        ("{c} >= 0.5",),
        (("c[{n!r}]", ""),),
    ),
    "text": Kind(
        ("sa.String(20)", "sa.String(50)", "sa.String()", "sa.Text()", "sa.CHAR(4)", "sa.Unicode(30)"),
        _TEXT_DEFAULTS,
        (
            "length({c}) < 10",
            "{c} IN ('a', 'b')",
            "{c} <> 'it''s'",
            "{c} LIKE 'a%'",
            "{c} ~ '^[a-z]+$'",
            "{c} <> 'a:b'",
            "{c} = lower({c})",
        ),
        (
            ("sa.func.lower(c[{n!r}])", ""),
            ("sa.text('upper({c})')", "unique=True"),
            ("c[{n!r}]", "postgresql_ops={{{n!r}: 'text_pattern_ops'}}"),
            ("c[{n!r}]", "postgresql_where=sa.text('''{c} <> '' ''')"),
            ("c[{n!r}]", 'postgresql_where=c[{n!r}] == "it\'s 100%"'),
            ("c[{n!r}]", "postgresql_using='spgist'"),
        ),
        (("=", "using='hash'"), ("=", "using='btree', where=sa.text('''{c} <> 'x' ''')")),
        ("upper({c})", "{c} || '%'", "coalesce({c}, 'it''s')"),
    ),
    "boolean": Kind(
        ("sa.Boolean()",),
        ("sa.false()", "sa.true()", "'true'", "sa.text('false')", "'t'"),
        ("{c}", "{c} IS NOT FALSE"),
        (("c[{n!r}]", "postgresql_where=c[{n!r}]"),),
        computed=("NOT {c}",),
    ),
    "moment": Kind(
        (
            "sa.DateTime()",
            "sa.DateTime(timezone=True)",
            "pg.TIMESTAMP(precision=3)",
            "pg.TIMESTAMP(timezone=True, precision=0)",
        ),
        _TIMES,
        ("{c} > '2020-01-01'", "{c} > TIMESTAMP '2020-01-01 10:00:00'"),
        (("c[{n!r}].desc()", ""),),
    ),
    "date": Kind(
        ("sa.Date()",),
        ("sa.text('CURRENT_DATE')", "'2020-02-29'", "sa.func.current_date()"),
        ("{c} >= '2000-01-01'::date",),
    ),
    "time": Kind(("sa.Time()", "sa.Time(timezone=True)", "pg.TIME(precision=2)"), ("'12:00'",)),
    "interval": Kind(
        ("sa.Interval()", "pg.INTERVAL(fields='DAY TO SECOND')", "pg.INTERVAL(precision=3)"),
        ("sa.text(\"interval '1 day'\")", "'2 hours'"),
        ("{c} > '1 minute'",),
    ),
    "uuid": Kind(
        ("sa.Uuid()",),
        (
            "sa.text('gen_random_uuid()')",
            "sa.func.gen_random_uuid()",
            "'00000000-0000-0000-0000-000000000000'",
        ),
        (_NOT_HELD,),
    ),
    "json": Kind(("sa.JSON()",), _JSON, sortable=False),
    "jsonb": Kind(
        ("pg.JSONB()",),
        (*_JSON, "sa.text(\"jsonb_build_object('a', 1)\")"),
        ("jsonb_typeof({c}) = 'object'", "{c} ? 'a'"),
        (
            ("c[{n!r}]", "postgresql_using='gin'"),
            ("c[{n!r}]", "postgresql_using='gin', postgresql_ops={{{n!r}: 'jsonb_path_ops'}}"),
            ("c[{n!r}]['a'].astext", ""),
        ),
        computed=("{c} ->> 'a'",),
    ),
    "array": Kind(
        (
            "pg.ARRAY(sa.Integer())",
            "pg.ARRAY(sa.String(10))",
            "sa.ARRAY(sa.Text())",
            "pg.ARRAY(sa.Numeric(6, 2))",
        ),
        ("'{}'", "sa.text(\"'{}'\")", "sa.text('ARRAY[]::text[]')"),
        ("cardinality({c}) < 5",),
        (("c[{n!r}]", "postgresql_using='gin'"),),
    ),
    "bytes": Kind(("sa.LargeBinary()",), ("sa.text(\"'\\\\x00'::bytea\")",), ("octet_length({c}) < 9",)),
    "network": Kind(
        ("pg.INET()", "pg.CIDR()"),
        ("'127.0.0.1'", "sa.text(\"'10.0.0.0/8'\")"),
        indexes=(("c[{n!r}]", "postgresql_using='gist', postgresql_ops={{{n!r}: 'inet_ops'}}"),),
    ),
    "mac": Kind(("pg.MACADDR()", "pg.MACADDR8()"), ("'08:00:2b:01:02:03'",)),
    "bits": Kind(("pg.BIT(3)", "pg.BIT(8)", "pg.BIT(varying=True)", "pg.BIT(5, varying=True)"), ()),
    "money": Kind(("pg.MONEY()",), ()),
    "oid": Kind(("pg.OID()",), ()),
    "search": Kind(
        ("pg.TSVECTOR()",),
        (),
        indexes=(("c[{n!r}]", "postgresql_using='gin'"), ("c[{n!r}]", "postgresql_using='gist'")),
        sortable=False,
    ),
    "range": Kind(
        ("pg.INT4RANGE()", "pg.NUMRANGE()", "pg.TSTZRANGE()", "pg.DATERANGE()", "pg.INT8MULTIRANGE()"),
        ("'empty'",),
        ("NOT isempty({c})",),
        (("c[{n!r}]", "postgresql_using='gist'"),),
        (
            ("&&", ""),
            ("&&", "where=sa.text('NOT isempty({c})')"),
            ("&&", "deferrable=True, initially='DEFERRED'"),
        ),
    ),
    "vector": Kind(
        ("pv.VECTOR(3)", "pv.VECTOR(5)", "pv.HALFVEC(3)", "pv.VECTOR()"),
        (),
        ("vector_dims({c}) > 1",),
        (
            ("c[{n!r}]", "postgresql_using='hnsw', " + _COSINE),
            (
                "c[{n!r}]",
                "postgresql_using='hnsw', postgresql_with={{'m': 8, 'ef_construction': 32}}, " + _L2,
            ),
            ("c[{n!r}]", "postgresql_using='ivfflat', postgresql_with={{'lists': 2}}, " + _L2),
        ),
        sortable=False,
    ),
    "vectors": Kind(
        ("pg.ARRAY(pv.VECTOR(3))", "pv.SPARSEVEC(7)", "pv.BIT(6)", "pg.ARRAY(pv.HALFVEC(2))"), sortable=False
    ),
    "domainless": Kind(("sa.Enum('x', 'y', native_enum=False, length=9)",), ("'x'",)),
}

_KIND_OF = {type_: kind for kind in KINDS.values() for type_ in kind.types}
KEYS = ("sa.Integer()", "sa.BigInteger()", "sa.Uuid()", "sa.String(20)")


def quoted(name: str) -> str:
    """The name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def filled(template: str, column: Col) -> str:
    """The source with the column's name in it."""
    opclass = "halfvec" if "HALFVEC" in column.type else "vector"
    return template.format(c=quoted(column.name), n=column.name, o=opclass)


def kind_of(column: Col) -> Kind:
    """The family of the column's type."""
    if column.type.startswith("enum:"):
        return Kind((), indexes=(("c[{n!r}]", ""),))
    if column.type.startswith("enum[]:"):
        return Kind((), ("'{}'",))
    return _KIND_OF[column.type]


def fitting(column: Col, defaults: Sequence[str]) -> list[str]:
    """Some defaults fit one type of the family and not another."""
    if column.type == "sa.CHAR(4)":
        return ["'abc'", "''"]
    if column.type == "pg.ARRAY(sa.Integer())" or "Numeric" in column.type:
        return [default for default in defaults if "text[]" not in default]
    if column.type == "pg.CIDR()":
        return ["'127.0.0.1'"]
    if column.type == "pg.INT8MULTIRANGE()":
        return ["'{}'"]
    return [*defaults]


def family(column: Col) -> str:
    """The family's name; ``enum`` for enumerations."""
    return next((name for name, kind in KINDS.items() if column.type in kind.types), "enum")
