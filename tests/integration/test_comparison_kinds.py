"""Every kind of difference: found where it is, gone once it is applied, and found again going back."""

from __future__ import annotations

import dataclasses
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.dialects import postgresql as pg

from headway import DatabaseURL
from headway.autogenerate import plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

Items = tuple[Any, ...]


def number(*args: Any, **kw: Any) -> sa.Column[Any]:
    return sa.Column("n", sa.Integer, *args, **kw)


def word(*args: Any, **kw: Any) -> sa.Column[Any]:
    return sa.Column("w", sa.Text, *args, **kw)


def typed(type_: Any, **kw: Any) -> Items:
    return (sa.Column("x", type_, **kw),)


def defaulted(type_: Any, default: Any) -> Items:
    return typed(type_, server_default=default)


def checked() -> sa.Enum:
    return sa.Enum("a", "b", name="ck_x", native_enum=False, create_constraint=True)


def indexed(*args: Any, **kw: Any) -> Items:
    return (number(), word(), sa.Column("m", sa.Integer), sa.Index("ix", *args, **kw))


@dataclass(frozen=True)
class Case:
    """Two models of a table, and the operations that make the second of the first."""

    before: Callable[[], Items]
    after: Callable[[], Items]
    expected: str


ALTER, REPLACE_INDEX, REPLACE = "AlterColumnOp", "DropIndexOp CreateIndexOp", "DropConstraintOp {}"

CASES = {
    "length of a string": Case(lambda: typed(sa.String(40)), lambda: typed(sa.String(50)), ALTER),
    "length, given and taken away": Case(lambda: typed(sa.String(40)), lambda: typed(sa.String), ALTER),
    "second check without a name": Case(
        lambda: (number(), sa.CheckConstraint("n > 0")),
        lambda: (number(), sa.CheckConstraint("n > 0"), sa.CheckConstraint("n < 9")),
        "CreateCheckConstraintOp",
    ),
    "column with a check of its type": Case(
        lambda: (number(),), lambda: (number(), *typed(checked())), "AddColumnOp CreateCheckConstraintOp"
    ),
    "type that brings a check": Case(
        lambda: typed(sa.String(9)), lambda: typed(checked()), "AlterColumnOp CreateCheckConstraintOp"
    ),
    "precision": Case(lambda: typed(sa.Numeric(7, 2)), lambda: typed(sa.Numeric(8, 2)), ALTER),
    "scale": Case(lambda: typed(sa.Numeric(7, 2)), lambda: typed(sa.Numeric(7, 3)), ALTER),
    "precision given": Case(lambda: typed(sa.Numeric), lambda: typed(sa.Numeric(7, 3)), ALTER),
    "time zone": Case(lambda: typed(sa.DateTime), lambda: typed(sa.DateTime(timezone=True)), ALTER),
    "precision of a time": Case(lambda: typed(pg.TIMESTAMP), lambda: typed(pg.TIMESTAMP(precision=3)), ALTER),
    "item of an array": Case(lambda: typed(sa.ARRAY(sa.Text)), lambda: typed(sa.ARRAY(sa.String(9))), ALTER),
    "bits": Case(lambda: typed(pg.BIT(3)), lambda: typed(pg.BIT(4)), ALTER),
    "real and double": Case(lambda: typed(sa.REAL), lambda: typed(sa.Double), ALTER),
    "collation": Case(lambda: typed(sa.Text), lambda: typed(sa.Text(collation="C")), ALTER),
    "collation taken away": Case(
        lambda: typed(sa.String(9, collation="C")), lambda: typed(sa.String(9)), ALTER
    ),
    "fields of an interval": Case(
        lambda: typed(pg.INTERVAL), lambda: typed(pg.INTERVAL(fields="DAY")), ALTER
    ),
    "NOT NULL": Case(lambda: typed(sa.Text), lambda: typed(sa.Text, nullable=False), ALTER),
    "comment of a column": Case(lambda: typed(sa.Text), lambda: typed(sa.Text, comment="it's"), ALTER),
    "json default": Case(
        lambda: defaulted(sa.JSON, "{}"), lambda: defaulted(sa.JSON, '{"a": "it\'s"}'), ALTER
    ),
    "text default": Case(
        lambda: defaulted(sa.Text, "it's"), lambda: defaulted(sa.Text, "a:b % \\ it's"), ALTER
    ),
    "default taken away": Case(lambda: defaulted(sa.Integer, "1"), lambda: typed(sa.Integer), ALTER),
    "default of a moment": Case(
        lambda: defaulted(sa.DateTime(timezone=True), sa.func.now()),
        lambda: defaulted(sa.DateTime(timezone=True), sa.func.clock_timestamp()),
        ALTER,
    ),
    "array default": Case(
        lambda: defaulted(sa.ARRAY(sa.Text), "{}"),
        lambda: defaulted(sa.ARRAY(sa.Text), text("ARRAY['a,b']")),
        ALTER,
    ),
    "computed expression": Case(
        lambda: (number(), sa.Column("c", sa.Integer, sa.Computed("n * 2", persisted=True))),
        lambda: (number(), sa.Column("c", sa.Integer, sa.Computed("n * 3", persisted=True))),
        "StatementsOp|DropColumnOp AddColumnOp",
    ),
    "computed expression under an index": Case(
        lambda: (
            number(),
            sa.Column("c", sa.Integer, sa.Computed("n * 2", persisted=True)),
            sa.Index("on_c", "c"),
        ),
        lambda: (
            number(),
            sa.Column("c", sa.BigInteger, sa.Computed("n * 3", persisted=True)),
            sa.Index("on_c", "c"),
        ),
        "DropIndexOp DropColumnOp AddColumnOp CreateIndexOp",
    ),
    "computed no longer": Case(
        lambda: (number(), sa.Column("c", sa.Integer, sa.Computed("n * 2", persisted=True))),
        lambda: (number(), sa.Column("c", sa.Integer, server_default="5")),
        "StatementsOp AlterColumnOp",
    ),
    "computed now": Case(
        lambda: (number(), sa.Column("c", sa.Integer)),
        lambda: (number(), sa.Column("c", sa.Integer, sa.Computed("n * 2", persisted=True))),
        "DropColumnOp AddColumnOp",
    ),
    "identity for a default": Case(
        lambda: (sa.Column("i", sa.Integer, server_default="1", nullable=False),),
        lambda: (sa.Column("i", sa.Integer, sa.Identity(start=7)),),
        "AlterColumnOp StatementsOp",
    ),
    "identity for nothing, in a column that may be NULL": Case(
        lambda: (sa.Column("i", sa.BigInteger),),
        lambda: (sa.Column("i", sa.BigInteger, sa.Identity(start=1000, minvalue=100)),),
        "AlterColumnOp StatementsOp",
    ),
    "an identity that goes, from a column that may be NULL then": Case(
        lambda: (sa.Column("i", sa.Integer, sa.Identity(always=True, increment=-5, maxvalue=7)),),
        lambda: (sa.Column("i", sa.Integer),),
        "StatementsOp AlterColumnOp",
    ),
    "identity options": Case(
        lambda: (sa.Column("i", sa.Integer, sa.Identity()),),
        lambda: (sa.Column("i", sa.Integer, sa.Identity(always=True, increment=3)),),
        "StatementsOp",
    ),
    "identity options, of another type": Case(
        lambda: (sa.Column("i", sa.Integer, sa.Identity(minvalue=-7, cycle=True, cache=4)),),
        lambda: (
            sa.Column("i", sa.BigInteger, sa.Identity(start=-1, increment=-1, minvalue=-9, maxvalue=50)),
        ),
        "AlterColumnOp StatementsOp",
    ),
    "identity for a serial": Case(
        lambda: (sa.Column("i", sa.Integer, primary_key=True),),
        lambda: (sa.Column("i", sa.Integer, sa.Identity(), primary_key=True),),
        "StatementsOp StatementsOp",
    ),
    "a sequence owned by its column": Case(
        lambda: (sa.Column("i", sa.Integer, primary_key=True, autoincrement=False),),
        lambda: (sa.Column("i", sa.Integer, primary_key=True),),
        "StatementsOp",
    ),
    "primary key": Case(
        lambda: (
            sa.Column("a", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("b", sa.Integer, nullable=False),
        ),
        lambda: (
            sa.Column("a", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("b", sa.Integer, primary_key=True, autoincrement=False),
        ),
        "DropConstraintOp CreatePrimaryKeyOp",
    ),
    "primary key, none before": Case(
        lambda: (sa.Column("a", sa.Integer, nullable=False),),
        lambda: (sa.Column("a", sa.Integer, primary_key=True, autoincrement=False),),
        "CreatePrimaryKeyOp",
    ),
    "text of a named check": Case(
        lambda: (number(), sa.CheckConstraint("n > 0", name="ck")),
        lambda: (number(), sa.CheckConstraint("n > 1 AND n::text <> ':a'", name="ck")),
        "DropConstraintOp CreateCheckConstraintOp",
    ),
    "a check without a name": Case(
        lambda: (number(), word()),
        lambda: (number(), word(), sa.CheckConstraint("n > 0 OR w IN ('a', 'b')")),
        "CreateCheckConstraintOp",
    ),
    "a check of its column": Case(
        lambda: (number(),), lambda: (number(sa.CheckConstraint("n <> 3")),), "CreateCheckConstraintOp"
    ),
    "an enum that is a check": Case(
        lambda: typed(sa.Enum("a", "b", name="e", native_enum=False, create_constraint=True, length=9)),
        lambda: typed(sa.Enum("a", "c", name="e", native_enum=False, create_constraint=True, length=9)),
        "DropConstraintOp CreateCheckConstraintOp",
    ),
    "exclusion": Case(
        lambda: (sa.Column("r", pg.INT4RANGE), pg.ExcludeConstraint(("r", "&&"), name="ex")),
        lambda: (
            sa.Column("r", pg.INT4RANGE),
            pg.ExcludeConstraint(("r", "&&"), name="ex", where=text("NOT isempty(r)")),
        ),
        "DropConstraintOp CreateExcludeConstraintOp",
    ),
    "an exclusion that goes": Case(
        lambda: (sa.Column("r", pg.INT4RANGE), pg.ExcludeConstraint(("r", "&&"), name="ex", using="gist")),
        lambda: (sa.Column("r", pg.INT4RANGE),),
        "DropConstraintOp",
    ),
    "NULLS NOT DISTINCT": Case(
        lambda: (number(), sa.UniqueConstraint("n", name="uq")),
        lambda: (number(), sa.UniqueConstraint("n", name="uq", postgresql_nulls_not_distinct=True)),
        "DropConstraintOp CreateUniqueConstraintOp",
    ),
    "deferrable": Case(
        lambda: (number(), sa.UniqueConstraint("n", name="uq")),
        lambda: (number(), sa.UniqueConstraint("n", name="uq", deferrable=True, initially="DEFERRED")),
        "DropConstraintOp CreateUniqueConstraintOp",
    ),
    "a unique constraint without a name": Case(
        lambda: (number(), word(), sa.UniqueConstraint("n")),
        lambda: (number(), word(), sa.UniqueConstraint("n"), sa.UniqueConstraint("w", "n")),
        "CreateUniqueConstraintOp",
    ),
    "expression of an index": Case(
        lambda: indexed(text("lower(w)")), lambda: indexed(text("upper(w)")), REPLACE_INDEX
    ),
    "cast in an index": Case(
        lambda: indexed(text("(n::text)")), lambda: indexed(text("(n::numeric)")), REPLACE_INDEX
    ),
    "predicate": Case(
        lambda: indexed("n", postgresql_where=text("n > 0")),
        lambda: indexed("n", postgresql_where=text("n > 0 AND w <> ':a'")),
        REPLACE_INDEX,
    ),
    "included columns": Case(
        lambda: indexed("n", postgresql_include=["w"]),
        lambda: indexed("n", postgresql_include=["m"]),
        REPLACE_INDEX,
    ),
    "operator class": Case(
        lambda: indexed("w"), lambda: indexed("w", postgresql_ops={"w": "text_pattern_ops"}), REPLACE_INDEX
    ),
    "access method": Case(lambda: indexed("n"), lambda: indexed("n", postgresql_using="hash"), REPLACE_INDEX),
    "options": Case(
        lambda: indexed("n", postgresql_with={"fillfactor": 70}),
        lambda: indexed("n", postgresql_with={"fillfactor": 80}),
        REPLACE_INDEX,
    ),
    "order": Case(
        lambda: indexed("n", "m"), lambda: indexed("n", sa.desc(sa.column("m")).nulls_last()), REPLACE_INDEX
    ),
    "order of an index's columns": Case(lambda: indexed("n", "m"), lambda: indexed("m", "n"), REPLACE_INDEX),
    "nulls of a unique index": Case(
        lambda: indexed("n", unique=True),
        lambda: indexed("n", unique=True, postgresql_nulls_not_distinct=True),
        REPLACE_INDEX,
    ),
    "collation of an index": Case(
        lambda: indexed("w"), lambda: indexed(sa.collate(sa.column("w"), "C")), REPLACE_INDEX
    ),
    "unique index for a unique constraint": Case(
        lambda: (number(), sa.UniqueConstraint("n", name="same")),
        lambda: (number(), sa.Index("same", "n", unique=True)),
        "DropConstraintOp CreateIndexOp",
    ),
}


SCHEMAS = (None, "other")
"""Tables of one name in two schemas, their indexes and constraints as well."""


@dataclass
class Round:
    """What one comparison of all cases found, by schema and case; and then, step by step, what was left."""

    unchanged: dict[tuple[str | None, str], str]
    found: dict[tuple[str | None, str], str]
    left: dict[tuple[str | None, str], str]
    left_behind: dict[tuple[str | None, str], str]


@pytest.fixture(scope="module")
def all_round(server_url: str) -> Iterator[Round]:
    """All cases at once: from the first models to the second ones and back, in one database."""
    with _database(server_url) as engine, engine.connect() as connection:
        connection.execute(sa.schema.CreateSchema("other"))
        _models("before").create_all(connection)
        unchanged = _by_case(_differences(connection, _models("before")))
        script = _differences(connection, _models("after"))
        found = _by_case(script)
        _apply(connection, script.upgrade_ops)
        left = _by_case(_differences(connection, _models("after")))
        _apply(connection, script.downgrade_ops)
        yield Round(unchanged, found, left, _by_case(_differences(connection, _models("before"))))


@contextmanager
def _database(server_url: str) -> Iterator[sa.Engine]:
    server = DatabaseURL.parse(server_url)
    name = f"headway_t_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        url = dataclasses.replace(server, database=name).render()
        engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        yield engine
        engine.dispose()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _models(side: Literal["before", "after"]) -> sa.MetaData:
    metadata = sa.MetaData()
    for schema in SCHEMAS:
        for name, case in CASES.items():
            items = getattr(case, side)()
            for item in items:
                # An index's name is its schema's.
                if isinstance(item, sa.Index | sa.Constraint) and item.name:
                    item.name = f"{item.name} of {name}"
            sa.Table(f"t {name}", metadata, sa.Column("id", sa.Integer), *items, schema=schema)
    return metadata


def _differences(connection: Connection, metadata: sa.MetaData) -> ops.MigrationScript:
    plugin.register()
    options = {
        "compare_server_default": True,
        "include_schemas": True,
        "autogenerate_plugins": plugin.PLUGINS,
    }
    context = MigrationContext.configure(connection, opts={"target_metadata": metadata, **options})
    return produce_migrations(context, metadata)


def _by_case(script: ops.MigrationScript) -> dict[tuple[str | None, str], str]:
    found = {}
    assert script.upgrade_ops is not None
    for table in script.upgrade_ops.ops:
        assert isinstance(table, ops.ModifyTableOps)
        found[table.schema, table.table_name] = " ".join(type(part).__name__ for part in table.ops)
    return found


def _apply(connection: Connection, operations: Any) -> None:
    run = Operations(MigrationContext.configure(connection))
    for table in operations.ops:
        for operation in table.ops:
            run.invoke(operation)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.sampled(3)
def test_a_difference_is_found_and_is_gone_when_applied(
    all_round: Round, schema: str | None, name: str
) -> None:
    key = (schema, f"t {name}")
    assert all_round.unchanged.get(key, "") == "", "a difference where none is"
    assert all_round.found.get(key, "") in CASES[name].expected.split("|")
    assert all_round.left.get(key, "") == "", "a difference is left"
    assert all_round.left_behind.get(key, "") == "", "the way back leads elsewhere"
