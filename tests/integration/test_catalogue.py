"""The catalogue as plain data: every kind of object, spelt by PostgreSQL, whatever the search_path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from headway.catalogue import SCRATCH, Catalogue, EnumType, Identity, read_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

DDL = """
    CREATE SCHEMA shop;
    CREATE SCHEMA ext;
    CREATE EXTENSION vector SCHEMA ext;
    CREATE TYPE shop.mood AS ENUM ('it''s fine', 'bad');
    CREATE TABLE shop.people (id serial PRIMARY KEY, name varchar(40) COLLATE "C" NOT NULL);
    COMMENT ON TABLE shop.people IS 'who they are';
    COMMENT ON COLUMN shop.people.name IS 'as they say';
    CREATE TABLE shop.orders (
        id bigint GENERATED ALWAYS AS IDENTITY (START 5 INCREMENT 2),
        person integer NOT NULL REFERENCES shop.people ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
        mood shop.mood DEFAULT 'bad', amount numeric(7, 2) DEFAULT 0,
        doubled numeric GENERATED ALWAYS AS (amount * 2) STORED,
        embedding ext.vector(3),
        PRIMARY KEY (person, id), UNIQUE (amount) INCLUDE (mood),
        CONSTRAINT positive CHECK (amount > 0) NO INHERIT,
        EXCLUDE USING btree (person WITH =) WHERE (amount > 1)
    );
    CREATE INDEX by_name ON shop.people (lower(name) text_pattern_ops DESC, name COLLATE "POSIX" NULLS FIRST)
        INCLUDE (id) WITH (fillfactor = 70) WHERE name <> '';
    CREATE INDEX near ON shop.orders USING hnsw (embedding ext.vector_l2_ops) WITH (m = 8);
    CREATE SEQUENCE shop.tickets AS smallint OWNED BY shop.orders.amount;
    CREATE TABLE shop.parted (id int) PARTITION BY LIST (id);
    CREATE TABLE shop.part PARTITION OF shop.parted FOR VALUES IN (1);
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = sa.create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _read_shop(connection: Connection) -> Catalogue:
    for statement in DDL.split(";\n"):
        if statement.strip():
            connection.exec_driver_sql(statement)
    found = _read(connection, "public")
    assert found == _read(connection, "shop, ext"), "the search_path shows through"
    return found


def _read(connection: Connection, path: str) -> Catalogue:
    connection.exec_driver_sql(f"SET LOCAL search_path = {path}")
    return read_catalogue(connection, ["shop"])


@pytest.mark.vector
def test_tables_and_columns_are_read_in_postgresqls_own_words(connection: Connection) -> None:
    found = _read_shop(connection)
    orders, people = found.tables["shop", "orders"], found.tables["shop", "people"]
    columns = {column.name: column for column in orders.columns}
    assert [column.name for column in orders.columns] == [
        *("id", "person", "mood", "amount", "doubled", "embedding"),
    ]
    assert columns["id"].identity == Identity(
        always=True, start=5, increment=2, minimum=1, maximum=2**63 - 1, cache=1, cycle=False
    )
    assert (columns["mood"].type, columns["mood"].default) == ("shop.mood", "'bad'::shop.mood")
    assert (columns["amount"].type, columns["amount"].category) == ("numeric(7,2)", "N")
    assert (columns["doubled"].generated, columns["doubled"].default) == ("s", None)
    assert columns["doubled"].expression == "(amount * (2)::numeric)"
    assert columns["embedding"].type == "ext.vector(3)"

    id_, name = people.columns
    assert (id_.serial, id_.nullable, name.nullable) == (("shop", "people_id_seq"), False, False)
    assert (name.collation, name.comment, people.comment) == ('pg_catalog."C"', "as they say", "who they are")


@pytest.mark.vector
def test_constraints_and_indexes_are_read_in_postgresqls_own_words(connection: Connection) -> None:
    found = _read_shop(connection)
    orders, people = found.tables["shop", "orders"], found.tables["shop", "people"]
    constraints = {constraint.kind: constraint for constraint in orders.constraints}
    assert constraints["p"].columns == ("person", "id")
    assert (constraints["c"].expression, constraints["c"].no_inherit) == ("(amount > (0)::numeric)", True)
    assert constraints["u"].definition == "UNIQUE (amount) INCLUDE (mood)"
    assert constraints["x"].definition.startswith("EXCLUDE USING btree (person WITH =) WHERE")
    foreign = constraints["f"]
    assert (foreign.referred, foreign.referred_columns) == (("shop", "people"), ("id",))
    assert (foreign.index, foreign.deferrable, foreign.deferred) == ("people_pkey", True, True)

    by_name = next(index for index in people.indexes if index.name == "by_name")
    expression, column = by_name.elements
    assert (expression.text, expression.column) == ("lower(name::text)", None)
    assert (expression.opclass, expression.descending) == (("pg_catalog", "text_pattern_ops"), True)
    assert (expression.nulls_first, column.nulls_first, column.descending) == (True, True, False)
    assert (column.column, column.collation) == ("name", ("pg_catalog", "POSIX"))
    assert (by_name.include, by_name.options, by_name.constraint) == (("id",), ("fillfactor=70",), False)
    assert by_name.where == "((name)::text <> ''::text)"
    near = next(index for index in orders.indexes if index.name == "near")
    assert (near.method, near.elements[0].opclass, near.options) == (
        "hnsw",
        ("ext", "vector_l2_ops"),
        ("m=8",),
    )


@pytest.mark.vector
def test_types_sequences_extensions_and_partitions_are_read(connection: Connection) -> None:
    found = _read_shop(connection)
    assert found.enums == {
        ("shop", "mood"): EnumType("shop", "mood", "shop.mood", ("it's fine", "bad"), None)
    }
    tickets = found.sequences["shop", "tickets"]
    assert (tickets.type, tickets.owner, tickets.internal) == (
        "smallint",
        (("shop", "orders"), "amount"),
        False,
    )
    assert found.extensions["vector"].schema == "ext"
    assert ("ext", "halfvec") in {(type_.schema, type_.name) for type_ in found.extension_types}
    assert found.tables["shop", "part"].parent == ("shop", "parted")


def test_temporary_tables_are_read_as_the_scratch(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TEMPORARY TABLE things (id serial)")
    tables = read_catalogue(connection, [SCRATCH], tables_only=True).tables.values()
    assert [(table.name, table.columns[0].type) for table in tables] == [("things", "integer")]
