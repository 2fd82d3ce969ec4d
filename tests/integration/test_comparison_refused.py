"""Where PostgreSQL cannot be asked how it spells the models, in part or at all, the comparison goes on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext

from headway.autogenerate import plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = sa.create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _models(*items: Any) -> sa.MetaData:
    metadata = sa.MetaData()
    sa.Table("t", metadata, sa.Column("n", sa.Integer), sa.Column("w", sa.String(5)), *items)
    return metadata


def _found(connection: Connection, metadata: sa.MetaData) -> str:
    plugin.register()
    options = {"compare_server_default": True, "autogenerate_plugins": plugin.PLUGINS}
    context = MigrationContext.configure(connection, opts={"target_metadata": metadata, **options})
    upgrade = produce_migrations(context, metadata).upgrade_ops
    assert upgrade is not None
    tables = [table for table in upgrade.ops if isinstance(table, ops.ModifyTableOps)]
    return " ".join(type(part).__name__ for table in tables for part in table.ops)


def test_what_postgresql_refuses_does_not_keep_the_rest_from_being_compared(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    _models(sa.CheckConstraint("n > 0", name="ck")).create_all(connection)
    refused = (
        sa.Column("unknown", sa.Integer, server_default=sa.text("no_such_function()")),
        sa.Index("ix", sa.text("no_such_function(n)")),
        sa.CheckConstraint("n > 1", name="ck"),
    )
    with caplog.at_level(logging.INFO, "headway"):
        found = _found(connection, _models(*refused))
    assert found == "AddColumnOp DropConstraintOp CreateIndexOp CreateCheckConstraintOp"
    said = [record.getMessage() for record in caplog.records if "does not take" in record.getMessage()]
    assert [line.split(":")[0] for line in said] == [
        "PostgreSQL does not take column unknown of t as the models have it",
        "PostgreSQL does not take index ix of t as the models have it",
    ]
    assert connection.scalar(sa.text("SELECT 1")) == 1


@pytest.mark.parametrize("how", ["read-only transaction", "no privilege"])
def test_without_temporary_tables_alembics_own_comparison_answers_and_one_warning_says_so(
    connection: Connection, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    _models().create_all(connection)
    if how == "no privilege":
        connection.exec_driver_sql("CREATE ROLE headway_t_plain")
        connection.exec_driver_sql(
            f'REVOKE TEMPORARY ON DATABASE "{connection.engine.url.database}" FROM PUBLIC'
        )
        connection.exec_driver_sql("SET LOCAL ROLE headway_t_plain")
    else:
        connection.exec_driver_sql("SET LOCAL transaction_read_only = on")
    assert _found(connection, _models(sa.Index("ix", "n"))) == "CreateIndexOp"
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 1
    assert "GRANT TEMPORARY ON DATABASE" in warned[0]


def test_the_transaction_and_its_search_path_are_as_they_were(connection: Connection) -> None:
    connection.exec_driver_sql("SET LOCAL search_path = pg_catalog, public")
    connection.exec_driver_sql("CREATE TABLE public.t (n integer, w varchar(5))")
    assert _found(connection, _models()) == ""
    assert connection.scalar(sa.text("SHOW search_path")) == "pg_catalog, public"
    left = "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relname LIKE 'headway%'"
    assert connection.scalar(sa.text(left)) == 0
