"""The reference application's schema, as PostgreSQL's own catalogue tells it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio
from catalogue import catalogue
from sqlalchemy import text

from headway import Migrator
from taskman.database import engine_scope
from taskman.models import Base

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


pytestmark = [pytest.mark.asyncio, pytest.mark.vector]

ALEMBIC_INI = Path(__file__).parents[2] / "alembic.ini"

# Columns besides created_at and updated_at, how many of them are JSONB, and the indexes.
COLUMNS = {"projects": (28, 13), "sprints": (23, 11), "tasks": (42, 18), "action_lists": (17, 5)}

INDEXES = {
    "projects": {
        "idx_projects_status": "status",
        "idx_projects_owner": "owner",
        "idx_projects_start_date": "start_date",
        "idx_projects_created_at": "created_at",
        "idx_projects_updated_at": "updated_at",
    },
    "sprints": {
        "idx_sprints_status": "status",
        "idx_sprints_primary_project": "primary_project",
        "idx_sprints_owner": "owner",
        "idx_sprints_start_date": "start_date",
        "idx_sprints_end_date": "end_date",
        "idx_sprints_project_status": "primary_project, status",
        "idx_sprints_created_at": "created_at",
        "idx_sprints_updated_at": "updated_at",
    },
    "tasks": {
        "idx_tasks_status": "status",
        "idx_tasks_priority": "priority",
        "idx_tasks_owner": "owner",
        "idx_tasks_primary_project": "primary_project",
        "idx_tasks_primary_sprint": "primary_sprint",
        "idx_tasks_status_priority": "status, priority",
        "idx_tasks_project_status": "primary_project, status",
        "idx_tasks_sprint_status": "primary_sprint, status",
        "idx_tasks_created_at": "created_at",
        "idx_tasks_updated_at": "updated_at",
    },
    "action_lists": {
        "idx_action_lists_owner": "owner",
        "idx_action_lists_sprint_id": "sprint_id",
        "idx_action_lists_project_id": "project_id",
        "idx_action_lists_project_status": "project_id, status",
        "idx_action_lists_created_at": "created_at",
        "idx_action_lists_updated_at": "updated_at",
    },
}

FOREIGN_KEYS = {
    "sprints.primary_project": "projects(id) ON DELETE CASCADE",
    "tasks.primary_project": "projects(id) ON DELETE CASCADE",
    "tasks.primary_sprint": "sprints(id) ON DELETE CASCADE",
    "action_lists.project_id": "projects(id) ON DELETE SET NULL",
    "action_lists.sprint_id": "sprints(id) ON DELETE SET NULL",
}


@pytest.fixture
def migrator(database_url: str) -> Migrator:
    return Migrator(ALEMBIC_INI, url=database_url)


@pytest_asyncio.fixture
async def at_head(database_url: str, migrator: Migrator) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    await migrator.upgrade("head")
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def read_catalogue(database_url: str) -> frozenset[str]:
    connection = await asyncpg.connect(database_url)
    try:
        return await catalogue(connection)
    finally:
        await connection.close()


async def test_each_table_has_the_columns_and_jsonb_columns_it_should(
    at_head: asyncpg.Connection[asyncpg.Record],
) -> None:
    rows = await at_head.fetch(
        """
        SELECT table_name, count(*) AS columns, count(*) FILTER (WHERE data_type = 'jsonb') AS jsonb
        FROM information_schema.columns
        WHERE table_schema = 'public' AND column_name NOT IN ('created_at', 'updated_at')
        GROUP BY table_name
        """
    )
    found = {row["table_name"]: (row["columns"], row["jsonb"]) for row in rows}
    assert {table: found[table] for table in COLUMNS} == COLUMNS
    bookkeeping = {"alembic_version", "migration_history", "schema_migrations"}
    assert set(found) == {*COLUMNS, "documents", *bookkeeping}


async def test_the_figures_add_up_to_110_columns_47_jsonb_29_indexes_and_5_foreign_keys(
    at_head: asyncpg.Connection[asyncpg.Record],
) -> None:
    totals = await at_head.fetchrow(
        """
        WITH ours AS (SELECT unnest($1::regclass[]) AS oid)
        SELECT
            (SELECT count(*) FROM pg_attribute a JOIN ours ON ours.oid = a.attrelid
             WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attname NOT IN ('created_at', 'updated_at')),
            (SELECT count(*) FROM pg_attribute a JOIN ours ON ours.oid = a.attrelid
             WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = 'jsonb'::regtype),
            (SELECT count(*) FROM pg_index i JOIN ours ON ours.oid = i.indrelid WHERE NOT i.indisprimary),
            (SELECT count(*) FROM pg_constraint k JOIN ours ON ours.oid = k.conrelid WHERE k.contype = 'f')
        """,
        list(COLUMNS),
    )
    assert totals is not None
    assert tuple(totals) == (110, 47, 29, 5)


async def test_every_index_has_its_name_and_its_columns(at_head: asyncpg.Connection[asyncpg.Record]) -> None:
    rows = await at_head.fetch(
        """
        SELECT i.indrelid::regclass::text AS table_name, c.relname AS name, i.indisvalid,
               split_part(pg_get_indexdef(i.indexrelid), ' USING ', 2) AS definition
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE NOT i.indisprimary AND i.indrelid = ANY ($1::regclass[])
        """,
        list(INDEXES),
    )
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["table_name"], {})[row["name"]] = row["definition"]
    expected = {
        table: {name: f"btree ({columns})" for name, columns in indexes.items()}
        for table, indexes in INDEXES.items()
    }
    assert found == expected
    assert all(row["indisvalid"] for row in rows)


async def test_projects_and_sprints_take_their_work_with_them_and_leave_action_lists(
    at_head: asyncpg.Connection[asyncpg.Record],
) -> None:
    rows = await at_head.fetch(
        """
        SELECT k.conrelid::regclass || '.' || a.attname AS source,
               split_part(pg_get_constraintdef(k.oid), ' REFERENCES ', 2) AS target
        FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
        WHERE k.contype = 'f'
        """
    )
    assert {row["source"]: row["target"] for row in rows} == FOREIGN_KEYS


async def test_every_timestamp_knows_its_time_zone(at_head: asyncpg.Connection[asyncpg.Record]) -> None:
    naive = await at_head.fetchval(
        """
        SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'public'::regnamespace AND a.atttypid = 'timestamp'::regtype
        """
    )
    assert naive == 0
    rows = await at_head.fetch(
        """
        SELECT table_name, data_type, is_nullable, column_default FROM information_schema.columns
        WHERE table_schema = 'public' AND column_name IN ('created_at', 'updated_at')
        """
    )
    assert [tuple(row)[1:] for row in rows] == [("timestamp with time zone", "NO", "now()")] * 10
    assert {row["table_name"] for row in rows} == {*COLUMNS, "documents"}


async def test_documents_have_a_vector_of_384_under_an_hnsw_cosine_index(
    at_head: asyncpg.Connection[asyncpg.Record],
) -> None:
    rows = await at_head.fetch(
        """
        SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute
        WHERE attrelid = 'documents'::regclass AND attnum > 0
        """
    )
    types = {row["attname"]: row["type"] for row in rows}
    assert (types["embedding"], types["metadata"], types["body"]) == ("vector(384)", "jsonb", "text")
    index = await at_head.fetchval("SELECT pg_get_indexdef('idx_documents_embedding'::regclass)")
    assert index.endswith("ON public.documents USING hnsw (embedding vector_cosine_ops)")


async def test_base_head_base_head_leaves_the_catalogue_identical_and_base_leaves_nothing_of_ours(
    database_url: str, migrator: Migrator
) -> None:
    empty = await read_catalogue(database_url)
    await migrator.upgrade("head")
    first = await read_catalogue(database_url)
    await migrator.downgrade("base")
    left = await read_catalogue(database_url) - empty
    await migrator.upgrade("head")
    assert len(first) > 200
    assert await read_catalogue(database_url) == first
    assert left
    # The version table, and the ledger with its view.
    bookkeeping = ("alembic_version", "migration_history", "schema_migrations")
    assert [line for line in left if not any(name in line for name in bookkeeping)] == []


async def test_the_migrations_build_what_the_models_describe_down_to_the_checks(
    database_url: str, migrator: Migrator
) -> None:
    await migrator.upgrade("head")
    migrated = await read_catalogue(database_url)
    await migrator.downgrade("base")
    async with engine_scope(database_url) as engine, engine.begin() as connection:
        await connection.execute(text("CREATE EXTENSION vector"))
        await connection.run_sync(Base.metadata.create_all)
    assert await read_catalogue(database_url) == migrated


async def test_autogenerate_finds_nothing_left_to_do(migrator: Migrator) -> None:
    await migrator.upgrade("head")
    assert (await migrator.check()).differences == ()
