"""How often autogenerate asks the server, and that bulk reading finds what reading one by one finds."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority

from async_connection import on_asyncpg
from headway.autogenerate import plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

pytestmark = pytest.mark.anyio

STOCK = ("alembic.autogenerate.*",)
ONLY_PRIMED = (*STOCK, "primed")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _plugins() -> Iterator[None]:
    plugin.register()
    primed = Plugin("primed")
    primed.add_autogenerate_comparator(
        plugin.prime, "schema", "primed", qualifier="postgresql", priority=DispatchPriority.FIRST
    )
    yield
    primed.remove()


@contextmanager
def statements_on(connection: Connection) -> Iterator[list[str]]:
    """Every statement that reaches the driver from now on; BEGIN is none of them."""
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    sa.event.listen(connection, "before_cursor_execute", note)
    yield seen
    sa.event.remove(connection, "before_cursor_execute", note)


def compare(
    connection: Connection, metadata: sa.MetaData, plugins: tuple[str, ...], **options: Any
) -> tuple[list[str], list[str]]:
    """The operations found, each rendered, and the statements it took."""
    options = {"include_schemas": True, "compare_type": True, "autogenerate_plugins": plugins, **options}
    context = MigrationContext.configure(connection, opts={"target_metadata": metadata, **options})
    with statements_on(connection) as seen:
        script = produce_migrations(context, metadata)
    assert script.upgrade_ops is not None
    assert script.downgrade_ops is not None
    code = f"{render_python_code(script.upgrade_ops)}\n{render_python_code(script.downgrade_ops)}"
    return sorted(line.strip() for line in code.split("\n")), seen


def models_of(schema: str | None, count: int, metadata: sa.MetaData) -> None:
    for number in range(count):
        sa.Table(
            f"t{number}",
            metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("name", sa.String(50), server_default="new", nullable=False),
            sa.Column("parent", sa.ForeignKey(f"{schema + '.' if schema else ''}t0.id"), index=True),
            sa.UniqueConstraint("name", name=f"uq_{number}"),
            sa.CheckConstraint("id > 0", name=f"ck_{number}"),
            schema=schema,
        )


def tables_in(url: str, schema: str, count: int) -> None:
    """The same tables as ``models_of`` makes models for, by one statement."""
    prefix = "" if schema == "public" else f"{schema}_"
    script = f"""
        CREATE SCHEMA IF NOT EXISTS {schema};
        DO $$ BEGIN FOR n IN 0 .. {count - 1} LOOP
          EXECUTE format('CREATE TABLE {schema}.t%1$s (
            id serial PRIMARY KEY, name varchar(50) DEFAULT ''new'' NOT NULL,
            parent integer REFERENCES {schema}.t0,
            CONSTRAINT uq_%1$s UNIQUE (name), CONSTRAINT ck_%1$s CHECK (id > 0));
            CREATE INDEX ix_{prefix}t%1$s_parent ON {schema}.t%1$s (parent)', n);
        END LOOP; END $$
    """
    with psycopg.connect(url) as connection:
        connection.execute(script.encode())


@pytest.mark.parametrize(
    ("schemas", "count", "most"),
    [
        ((None, "s1", "s2", "s3"), 50, 40),
        pytest.param((None,), 1000, 20, marks=pytest.mark.slow),
    ],
)
async def test_hundreds_of_tables_are_compared_in_a_few_statements(
    database_url: str, schemas: tuple[str | None, ...], count: int, most: int
) -> None:
    metadata = sa.MetaData()
    for schema in schemas:
        models_of(schema, count, metadata)
        tables_in(database_url, schema or "public", count)

    operations, statements = await on_asyncpg(
        database_url,
        lambda connection: compare(connection, metadata, plugin.PLUGINS, compare_server_default=True),
    )

    assert [line for line in operations if "op." in line] == []
    assert len(statements) <= most, "\n\n".join(statements)


SITUATION = """
    CREATE SCHEMA other; CREATE SCHEMA "Mixed Case";
    CREATE TABLE "Mixed Case"."Home" (id serial PRIMARY KEY, "a b" text UNIQUE, CHECK ("a b" <> ''));
    CREATE TABLE other.child (id bigserial PRIMARY KEY, home integer REFERENCES "Mixed Case"."Home",
        gone integer DEFAULT 7);
    CREATE TABLE other.lonely (n integer);
    COMMENT ON TABLE other.lonely IS 'it''s 100% :alone';
    CREATE TABLE lonely (n integer, r int4range, EXCLUDE USING gist (r WITH &&)) WITH (fillfactor = 70);
    CREATE TABLE child (id integer PRIMARY KEY, other_id bigint REFERENCES other.child ON DELETE CASCADE);
    CREATE INDEX part ON child (other_id DESC) INCLUDE (id) WHERE other_id > 3;
    CREATE VIEW seen AS SELECT id FROM child;
    CREATE MATERIALIZED VIEW other.kept AS SELECT id FROM child;
    CREATE TABLE heir (own text) INHERITS (child);
"""


def modelled() -> sa.MetaData:
    metadata = sa.MetaData()
    sa.Table(
        "Home",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("a b", sa.String(7), nullable=False, unique=True, comment="new"),
        schema="Mixed Case",
    )
    sa.Table(
        "child",
        metadata,
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("home", sa.ForeignKey("Mixed Case.Home.id", name="new", ondelete="CASCADE"), index=True),
        schema="other",
    )
    sa.Table(
        "child", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("other_id", sa.Integer)
    )
    sa.Table("added", metadata, sa.Column("id", sa.ForeignKey("other.child.id"), index=True), schema="other")
    return metadata


def without_other(name: str | None, type_: str, _: object) -> bool:
    return not (type_ == "schema" and name == "other")


def without_child(name: str | None, type_: str, parents: Any) -> bool:
    return not (type_ == "table" and parents["schema_qualified_table_name"] == "other.child")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="all schemas"),
        pytest.param({"include_schemas": False}, id="the default schema"),
        pytest.param({"include_name": without_other}, id="a schema left out"),
        pytest.param({"include_name": without_child}, id="a table left out"),
    ],
)
async def test_what_is_read_in_bulk_gives_the_operations_of_stock_alembic(
    database_url: str, options: dict[str, Any]
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(SITUATION.encode())

    def both(connection: Connection) -> tuple[list[str], list[str]]:
        stock, _ = compare(connection, modelled(), STOCK, **options)
        return stock, compare(connection, modelled(), ONLY_PRIMED, **options)[0]

    stock, primed = await on_asyncpg(database_url, both)

    assert any("op." in line for line in stock)
    assert primed == stock


async def test_the_search_path_decides_what_the_default_schema_is(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(SITUATION.encode())

    def both(connection: Connection) -> tuple[list[str], list[str]]:
        connection.exec_driver_sql("SET search_path = other, public")
        connection.commit()
        connection.dialect.default_schema_name = "other"
        stock, _ = compare(connection, modelled(), STOCK)
        return stock, compare(connection, modelled(), ONLY_PRIMED)[0]

    stock, primed = await on_asyncpg(database_url, both)

    assert any("op." in line for line in stock)
    assert primed == stock


OTHERS = """
    CREATE SCHEMA other;
    CREATE EXTENSION vector;
    CREATE TABLE of_extension (id integer); ALTER EXTENSION vector ADD TABLE of_extension;
    CREATE TABLE of_extension_modelled (id integer); ALTER EXTENSION vector ADD TABLE of_extension_modelled;
    CREATE TABLE other.ledger (ledger_layout integer);
    CREATE TABLE public.alembic_version (version_num varchar(32));
    CREATE TABLE events (at date NOT NULL) PARTITION BY RANGE (at);
    CREATE TABLE other.events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE TABLE dropped (id integer);
"""


@pytest.mark.vector
async def test_what_is_not_the_models_own_is_never_proposed_for_dropping(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(OTHERS.encode())
    metadata = sa.MetaData()
    sa.Table(
        "events", metadata, sa.Column("at", sa.Date, nullable=False), postgresql_partition_by="RANGE (at)"
    )
    sa.Table("of_extension_modelled", metadata, sa.Column("id", sa.Integer), sa.Column("new", sa.Integer))

    found, _ = await on_asyncpg(
        database_url,
        lambda connection: compare(connection, metadata, ONLY_PRIMED, version_table_schema="public"),
    )

    operations = sorted(line.split("(")[0] + line.split("'")[1] for line in found if line.startswith("op."))
    assert operations == [
        "op.add_columnof_extension_modelled",
        "op.create_tabledropped",
        "op.drop_columnof_extension_modelled",
        "op.drop_tabledropped",
    ]
