"""``op.execute("…; …")`` as histories written for psycopg have it, on asyncpg and on psycopg."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from headway import DatabaseURL, Migrator, StepFailedError

if TYPE_CHECKING:
    from conftest import ProjectFolder

SEVERAL = r'''
op.execute("""
    CREATE TABLE notes (id int PRIMARY KEY, body text DEFAULT 'a; b', at timestamptz DEFAULT now());
    -- a comment; with a semicolon
    INSERT INTO notes VALUES (1, '100% of 10:30 \\: {}', '2026-01-01T10:30:00Z'::timestamptz);
    CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql AS $$
      BEGIN
        RETURN 2 * n;
      END;
    $$;
""")
op.get_bind().execute(
    sa.text("INSERT INTO notes (id) VALUES (4); UPDATE notes SET id = twice(id) WHERE id > 1")
)
'''


def rows(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute("SELECT id, body FROM notes ORDER BY id").fetchall()


@pytest.mark.asyncio
@pytest.mark.parametrize("transactional", [True, False])
async def test_a_string_of_several_statements_is_sent_statement_by_statement(
    project: ProjectFolder, database_url: str, *, transactional: bool
) -> None:
    path = project.revision("r1", upgrade=SEVERAL)
    wish = f"transactional = {transactional}\nrevision ="
    path.write_text(path.read_text(encoding="utf-8").replace("revision =", wish, 1), encoding="utf-8")
    async with Migrator(project.ini, url=database_url) as migrator:
        await migrator.upgrade()
    assert rows(database_url) == [(1, "100% of 10:30 : {}"), (8, "a; b")]


def test_on_psycopg_too_and_a_per_cent_sign_stays_one(project: ProjectFolder, database_url: str) -> None:
    project.revision("r1", upgrade=SEVERAL)
    arguments = DatabaseURL.parse(database_url).render().replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(arguments, poolclass=NullPool)
    config = Config(project.ini)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    assert rows(database_url) == [(1, "100% of 10:30 : {}"), (8, "a; b")]


@pytest.mark.asyncio
async def test_the_one_that_fails_is_named_and_what_stood_before_it_is_rolled_back(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1", upgrade='op.execute("CREATE TABLE notes (id int); SELECT 1 / 0; SELECT 2")')
    async with Migrator(project.ini, url=database_url) as migrator:
        with pytest.raises(StepFailedError) as caught:
            await migrator.upgrade()
    assert "SELECT 1 / 0" in str(caught.value)
    assert "CREATE TABLE" not in str(caught.value)
    with pytest.raises(psycopg.errors.UndefinedTable):
        rows(database_url)


@pytest.mark.asyncio
async def test_what_cannot_be_told_apart_is_left_to_the_server(
    project: ProjectFolder, database_url: str
) -> None:
    body = textwrap.dedent("""
        op.execute("SELECT 1; SELECT 'never closed")
    """)
    project.revision("r1", upgrade=body)
    async with Migrator(project.ini, url=database_url) as migrator:
        with pytest.raises(StepFailedError) as caught:
            await migrator.upgrade()
    assert caught.value.sqlstate == "42601"
