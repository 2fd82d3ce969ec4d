"""pgvector: known without the model importing it, wherever it is, and compared with all that it has."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from pgvector.sqlalchemy import BIT, HALFVEC, SPARSEVEC, Vector

from headway.autogenerate import plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

pytestmark = pytest.mark.vector

SCHEMAS = ("public", "ext")


@pytest.fixture(params=SCHEMAS)
def connection(database_url: str, request: pytest.FixtureRequest) -> Iterator[Connection]:
    """The extension in ``public``, or in a schema of its own that is in the path."""
    engine = sa.create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        if request.param != "public":
            connection.exec_driver_sql(f"CREATE SCHEMA {request.param}")
        connection.exec_driver_sql(f"CREATE EXTENSION vector SCHEMA {request.param}")
        connection.exec_driver_sql(f"SET search_path = public, {request.param}")
        yield connection
    engine.dispose()


def _models(dimension: int | None, type_: Any = Vector, **options: Any) -> sa.MetaData:
    metadata = sa.MetaData()
    options = {"postgresql_using": "hnsw", "postgresql_ops": {"near": "vector_l2_ops"}} | options
    sa.Table(
        "t",
        metadata,
        sa.Column("near", type_(dimension)),
        sa.Column("fixed", Vector(3)),
        sa.Column("half", HALFVEC(4)),
        sa.Column("sparse", SPARSEVEC(5)),
        sa.Column("bits", BIT(6)),
        sa.Column("many", sa.ARRAY(Vector(2))),
        *([sa.Index("ix", "near", **options)] if dimension else []),
    )
    return metadata


def _found(connection: Connection, metadata: sa.MetaData) -> list[ops.MigrateOperation]:
    plugin.register()
    options = {"compare_server_default": True, "autogenerate_plugins": plugin.PLUGINS}
    context = MigrationContext.configure(connection, opts={"target_metadata": metadata, **options})
    upgrade = produce_migrations(context, metadata).upgrade_ops
    assert upgrade is not None
    return [part for table in upgrade.ops for part in getattr(table, "ops", [table])]


def _names(connection: Connection, metadata: sa.MetaData) -> str:
    return " ".join(type(operation).__name__ for operation in _found(connection, metadata))


def test_every_change_of_a_vector_and_its_index_is_found(connection: Connection) -> None:
    _models(3).create_all(connection)
    assert _names(connection, _models(3)) == ""
    index, change = "DropIndexOp CreateIndexOp", "AlterColumnOp"
    assert _names(connection, _models(4)) == change
    assert _names(connection, _models(3, postgresql_using="ivfflat")) == index
    assert _names(connection, _models(3, postgresql_ops={"near": "vector_cosine_ops"})) == index
    assert _names(connection, _models(3, postgresql_with={"m": 8})) == index
    assert _names(connection, _models(3, postgresql_where=sa.text("near IS NOT NULL"))) == index
    half = _models(3, HALFVEC, postgresql_ops={"near": "halfvec_l2_ops"})
    assert _names(connection, half) == f"{change} {index}"


def test_a_dimension_is_given_and_taken_away(connection: Connection) -> None:
    _models(None).create_all(connection)
    assert _names(connection, _models(None)) == ""
    connection.exec_driver_sql("ALTER TABLE t ALTER COLUMN near TYPE vector(7)")
    (change,) = _found(connection, _models(None))
    assert isinstance(change, ops.AlterColumnOp)
    assert repr(change.existing_type) == "VECTOR(dim=7)"


def test_types_are_known_outside_the_path_and_a_dropped_index_remembers_its_operator_class(
    connection: Connection,
) -> None:
    _models(3, postgresql_with={"m": 8}).create_all(connection)
    connection.exec_driver_sql("SET search_path = public")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = _found(connection, sa.MetaData())
    index, table = found
    assert isinstance(index, ops.DropIndexOp)
    made = index.reverse().to_index()
    assert made.dialect_options["postgresql"]["with"] == {"m": "8"}
    assert made.dialect_options["postgresql"]["ops"]["near"].endswith("vector_l2_ops")
    assert isinstance(table, ops.DropTableOp)
    columns = {column.name: repr(column.type) for column in table.to_table().columns}
    assert columns["half"] == "HALFVEC(dim=4)"
    assert columns["sparse"] == "SPARSEVEC(dim=5)"
    assert columns["many"].startswith("ARRAY(VECTOR(dim=2)")
