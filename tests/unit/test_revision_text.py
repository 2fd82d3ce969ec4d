"""What operations look like in a file: the text is run, and must make what was meant."""

from __future__ import annotations

import io
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_op_text
from alembic.autogenerate.api import AutogenContext
from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import MigrateOperation, Operations, ops
from alembic.runtime.migration import MigrationContext
from pgvector.sqlalchemy import BIT, HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ExcludeConstraint

import headway.autogenerate.rendering  # noqa: F401  # Alembic learns from it how to write our operations
from headway.autogenerate.hooks import render_item
from headway.autogenerate.operations import (
    AnnotatedOp,
    CreateExtensionOp,
    CreateSchemaOp,
    DropExtensionOp,
    DropSchemaOp,
    IrreversibleWithRowsOp,
    RefuseRowsOp,
    SetNotNullOp,
    ValidateConstraintOp,
)

DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # not annotated
CONVENTION = {"ck": "ck_%(table_name)s_%(constraint_name)s", "pk": "pk_%(table_name)s"}


class Coordinate(sa.types.UserDefinedType[Any]):
    """A type of the project's own."""

    cache_ok = True

    def __init__(self, system: str = "wgs84") -> None:
        self.system = system

    def get_col_spec(self, **_: object) -> str:
        return f"coordinate({self.system})"


class Money(sa.types.TypeDecorator[Any]):
    """A type of the project's own that stands for another, and cannot be made without an argument."""

    impl = sa.Integer
    cache_ok = True

    def __init__(self, digits: int) -> None:
        self.digits = digits
        super().__init__()

    def load_dialect_impl(self, _: sa.Dialect) -> Any:
        return sa.Numeric(12, self.digits)


def offline(metadata: sa.MetaData, output: io.StringIO) -> MigrationContext:
    return MigrationContext.configure(
        dialect_name="postgresql",
        dialect_opts={"paramstyle": "named"},
        opts={"as_sql": True, "output_buffer": output, "target_metadata": metadata, "literal_binds": True},
    )


def written(*operations: MigrateOperation, own: Any = None) -> tuple[str, set[str]]:
    """The body of a function, and the imports it needs."""
    metadata = sa.MetaData(naming_convention=CONVENTION)
    context = AutogenContext(
        offline(metadata, io.StringIO()),
        metadata,
        opts={
            "sqlalchemy_module_prefix": "sa.",
            "alembic_module_prefix": "op.",
            "user_module_prefix": None,
            "render_item": render_item(own),
        },
        autogenerate=False,
    )
    annotated = (op if isinstance(op, AnnotatedOp) else AnnotatedOp(op) for op in operations)
    return "\n".join(render_op_text(context, operation) for operation in annotated), context.imports


def sql_of(*operations: MigrateOperation) -> str:
    """The SQL that the written code sends."""
    code, imports = written(*operations)
    output = io.StringIO()
    source = "\n".join(["import sqlalchemy as sa", "from alembic import op", *sorted(imports), code])
    with Operations.context(offline(sa.MetaData(naming_convention=CONVENTION), output)):
        exec(source, {})  # noqa: S102  # it is what a revision file would hold
    return " ".join(output.getvalue().split())


MOOD = sa.Enum("it's fine", "50%", 'a "b"', name="mood", schema="s")
TYPES: list[tuple[Any, str]] = [
    (VECTOR(3), "from pgvector.sqlalchemy import VECTOR"),
    (HALFVEC(3), "from pgvector.sqlalchemy import HALFVEC"),
    (SPARSEVEC(3), "from pgvector.sqlalchemy import SPARSEVEC"),
    (BIT(3), "from pgvector.sqlalchemy import BIT"),
    (VECTOR(), "from pgvector.sqlalchemy import VECTOR"),
    (sa.ARRAY(VECTOR(3)), "from pgvector.sqlalchemy import VECTOR"),
    (postgresql.ARRAY(HALFVEC(3), dimensions=2), "from pgvector.sqlalchemy import HALFVEC"),
    (postgresql.JSONB(), "from sqlalchemy.dialects import postgresql"),
    (postgresql.HSTORE(), "from sqlalchemy.dialects import postgresql"),
    (postgresql.INTERVAL(fields="DAY TO SECOND", precision=3), "from sqlalchemy.dialects import postgresql"),
    (postgresql.TSTZRANGE(), "from sqlalchemy.dialects import postgresql"),
    (postgresql.ENUM("a", name="m", create_type=False), "from sqlalchemy.dialects import postgresql"),
    (MOOD, ""),
    (sa.ARRAY(MOOD), ""),
    (sa.Enum("a", "bb", native_enum=False, length=9, name="m"), ""),
    (sa.Numeric(10, 2), ""),
    (sa.String(9, collation="C"), ""),
    (sa.DateTime(timezone=True), ""),
    (sa.Uuid(), ""),
    (Coordinate("utm"), f"import {__name__}"),
    (sa.ARRAY(Coordinate("utm")), f"import {__name__}"),
    (Money(4), ""),
    (sa.Text().with_variant(postgresql.CITEXT(), "postgresql"), "from sqlalchemy.dialects import postgresql"),
]


@pytest.mark.parametrize(("type_", "imported"), TYPES, ids=[repr(row[0]) for row in TYPES])
def test_a_type_comes_out_of_the_file_as_it_went_in_with_its_import(type_: Any, imported: str) -> None:
    operation = ops.AddColumnOp("t", sa.Column("c", type_))
    meant = type_.compile(dialect=DIALECT)
    assert sql_of(operation) == f"ALTER TABLE t ADD COLUMN c {meant};"
    assert imported in "\n".join(written(operation)[1])


def test_a_projects_own_rendering_comes_first() -> None:
    def own(kind: str, item: Any, context: Any) -> Any:
        return "sa.Boolean()" if kind == "type" and isinstance(item, VECTOR) else False

    code, _ = written(ops.AddColumnOp("t", sa.Column("c", VECTOR(3))), own=own)
    assert "sa.Boolean()" in code


DEFAULTS: list[tuple[Any, str]] = [
    ("'quoted' :a it's 50%", "DEFAULT '''quoted'' :a it''s 50%'"),
    (sa.text('\'{"a": ":b"}\''), 'DEFAULT \'{"a": ":b"}\''),
    (sa.text("'x'::text"), "DEFAULT 'x'::text"),
    (sa.func.now(), "DEFAULT now()"),
    (sa.text("'50% of ' || ' :a'"), "DEFAULT '50% of ' || ' :a'"),
    (sa.Computed("n * 2", persisted=True), "GENERATED ALWAYS AS (n * 2) STORED"),
    (sa.Computed("' :a' || n", persisted=True), "GENERATED ALWAYS AS (' :a' || n) STORED"),
]


@pytest.mark.parametrize(("default", "expected"), DEFAULTS)
def test_a_default_comes_out_of_the_file_as_it_went_in(default: Any, expected: str) -> None:
    column = (
        sa.Column("c", sa.Text(), default)
        if isinstance(default, sa.Computed)
        else sa.Column("c", sa.Text(), server_default=default)
    )
    assert sql_of(ops.AddColumnOp("t", column)) == f"ALTER TABLE t ADD COLUMN c TEXT {expected};"


LONG = "word " * 40
TABLE = sa.Table(
    "t", sa.MetaData(), sa.Column("id", sa.Integer(), primary_key=True), sa.Column("c", sa.Text())
)


class EnumOp(MigrateOperation):
    """As alembic-postgresql-enum has it."""

    def __init__(self, operation_name: str, **attributes: Any) -> None:
        self.operation_name = operation_name
        self.__dict__ |= {"name": "Mood", "schema": "s"} | attributes


EXCLUSION = ExcludeConstraint(
    (TABLE.c.c, "="),
    (sa.literal_column("lower(c)"), "&&"),
    name="ex",
    using="gist",
    ops={"c": "o"},
    where=sa.text("c <> ' :x'"),
)
TABLE.append_constraint(EXCLUSION)
OPERATIONS: list[tuple[MigrateOperation, str]] = [
    (CreateExtensionOp("vector"), "CREATE EXTENSION IF NOT EXISTS vector;"),
    (
        CreateExtensionOp("uuid-ossp", schema="X y"),
        'CREATE EXTENSION IF NOT EXISTS "uuid-ossp" SCHEMA "X y";',
    ),
    (DropExtensionOp("vector"), "DROP EXTENSION IF EXISTS vector;"),
    (
        EnumOp("create_enum", enum_values=("it's", "50% :a")),
        """CREATE TYPE s."Mood" AS ENUM ('it''s', '50% :a');""",
    ),
    (EnumOp("drop_enum", schema=None), 'DROP TYPE "Mood";'),
    (
        EnumOp("add_enum_value", old_values=("b", "d"), new_values=("a", "b", "c1", "c2", "d", "e")),
        " ".join(
            f"""ALTER TYPE s."Mood" ADD VALUE {place};"""
            for place in ("'a' BEFORE 'b'", "'c1' BEFORE 'd'", "'c2' BEFORE 'd'", "'e'")
        ),
    ),
    (CreateSchemaOp("My :s"), 'CREATE SCHEMA IF NOT EXISTS "My :s";'),
    (DropSchemaOp("s"), "DROP SCHEMA s;"),
    (ValidateConstraintOp("Fk", "t", schema="s"), 'ALTER TABLE s.t VALIDATE CONSTRAINT "Fk";'),
    (
        RefuseRowsOp("t", because="it's 50% :a", where="c = ' :b'"),
        (
            "DO $headway$ BEGIN IF EXISTS (SELECT 1 FROM t WHERE c = ' :b') THEN RAISE EXCEPTION '%', "
            "'it''s 50% :a' USING ERRCODE = '55000'; END IF; END $headway$;"
        ),
    ),
    (
        IrreversibleWithRowsOp("t", because="gone", schema="s"),
        (
            "DO $headway$ BEGIN IF EXISTS (SELECT 1 FROM s.t) THEN RAISE EXCEPTION '%', "
            "'gone' USING ERRCODE = '55000'; END IF; END $headway$;"
        ),
    ),
    (ops.CreatePrimaryKeyOp("pk", "t", ["b", "a"]), "ALTER TABLE t ADD CONSTRAINT pk PRIMARY KEY (b, a);"),
    (
        ops.CreateCheckConstraintOp("ck", "t", sa.text("c <> ' :x'"), schema="s", postgresql_not_valid=True),
        "ALTER TABLE s.t ADD CONSTRAINT ck CHECK (c <> ' :x') NOT VALID;",
    ),
    (
        ops.CreateCheckConstraintOp("ck", "t", f"c <> '{LONG}'"),
        f"ALTER TABLE t ADD CONSTRAINT ck CHECK (c <> '{LONG}');",
    ),
    (ops.DropConstraintOp("any", "t", type_="check"), 'ALTER TABLE t DROP CONSTRAINT "any";'),
    (
        ops.AlterColumnOp(
            "t", "c", existing_type=sa.Text(), modify_type=sa.Integer(), postgresql_using="c::int"
        ),
        "ALTER TABLE t ALTER COLUMN c TYPE INTEGER USING c::int;",
    ),
    (ops.AlterColumnOp("t", "c", modify_name="d"), "ALTER TABLE t RENAME c TO d;"),
    (
        CreateExcludeConstraintOp.from_constraint(EXCLUSION),
        (
            "ALTER TABLE t ADD CONSTRAINT ex EXCLUDE USING gist "
            "(c o WITH =, lower(c) WITH &&) WHERE (c <> ' :x');"
        ),
    ),
    (
        ops.CreateIndexOp(
            "ix",
            "t",
            ["c", sa.text("lower(d) DESC"), sa.func.coalesce(sa.column("e"), " :x")],
            schema="s",
            unique=True,
            postgresql_using="btree",
            postgresql_include=["f"],
            postgresql_where=sa.text("c > ' :a'"),
            postgresql_with={"fillfactor": 70},
            postgresql_ops={"c": "text_pattern_ops"},
            postgresql_concurrently=True,
        ),
        (
            "CREATE UNIQUE INDEX CONCURRENTLY ix ON s.t USING btree (c text_pattern_ops, lower(d) DESC, "
            "coalesce(e, ' :x')) INCLUDE (f) WITH (fillfactor = 70) WHERE c > ' :a';"
        ),
    ),
    (
        ops.DropIndexOp("ix", "t", schema="s", postgresql_concurrently=True),
        "DROP INDEX CONCURRENTLY s.ix;",
    ),
]


@pytest.mark.parametrize(("operation", "expected"), OPERATIONS, ids=[row[1][:50] for row in OPERATIONS])
def test_an_operation_sends_what_was_meant(operation: MigrateOperation, expected: str) -> None:
    assert sql_of(operation) == expected


def test_not_null_is_proved_by_a_check_that_is_validated_apart() -> None:
    first, *rest = sql_of(SetNotNullOp("t", "c")).split("; ")
    assert first.startswith("DO $headway$")
    assert [part.split(" headway_not_null_")[0] for part in rest[-4:]] == [
        "ALTER TABLE t ADD CONSTRAINT",
        "ALTER TABLE t VALIDATE CONSTRAINT",
        "ALTER TABLE t ALTER COLUMN c SET NOT NULL",
        "ALTER TABLE t DROP CONSTRAINT",
    ]


IDENTITY = sa.Identity(always=True, start=7, minvalue=0)


@pytest.mark.parametrize(
    ("before", "after", "sql"),
    [
        (IDENTITY, None, "DROP IDENTITY"),
        (None, IDENTITY, "ADD GENERATED ALWAYS AS IDENTITY (START WITH 7 MINVALUE 0)"),
        (IDENTITY, sa.Identity(always=True, start=8, minvalue=0), "SET START WITH 8"),
    ],
)
def test_an_identity_that_alembic_found_changes_as_it_was(
    before: sa.Identity | None, after: sa.Identity | None, sql: str
) -> None:
    operation = ops.AlterColumnOp("t", "c", existing_server_default=before, modify_server_default=after)
    assert sql_of(operation) == f"ALTER TABLE t ALTER COLUMN c {sql};"


def test_a_remark_is_a_comment_whatever_the_name_in_it_holds() -> None:
    operation = AnnotatedOp(ops.DropColumnOp("t", "c"), ("drops column t.a\nimport os\r#" + " x" * 90,))
    code, _ = written(operation)
    lines = [line.strip() for line in code.splitlines()]
    assert [line for line in lines if not line.startswith("#")] == ["op.drop_column('t', 'c')"]
    assert max(map(len, lines)) <= 88
