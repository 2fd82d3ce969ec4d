"""What a later attempt must still see, say or keep to itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from headway import DatabaseURL, Event, Migrator, State, StepFailedError, StepRetrying

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio


def sql(url: str, *statements: str) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
            rows = cursor.fetchall() if cursor.description else []
    return rows


def stepwise(path: Path) -> Path:
    path.write_text(path.read_text().replace("down_revision", "transactional = False\ndown_revision", 1))
    return path


async def test_a_schema_that_comes_first_in_the_search_path_later_does_not_hide_a_half_way_revision(
    project: ProjectFolder, database_url: str
) -> None:
    sql(database_url, "CREATE TABLE n (x int)")
    insert, gate = "INSERT INTO public.n VALUES (1)", "SELECT 1 / (SELECT count(*) FROM public.gate)"
    stepwise(project.revision("r1", upgrade=f"op.execute({insert!r})\nop.execute({gate!r})"))
    with pytest.raises(StepFailedError):
        await Migrator(project.ini, url=database_url).upgrade()
    name = DatabaseURL.parse(database_url).name
    sql(
        database_url,
        "CREATE SCHEMA ours",
        f'ALTER DATABASE "{name}" SET search_path = ours, public',
        "CREATE TABLE public.gate AS SELECT 1",
    )
    migrator = Migrator(project.ini, url=database_url)
    assert (await migrator.pending()).state is State.DIRTY
    assert (await migrator.status()).state is State.DIRTY
    await migrator.upgrade()
    assert sql(database_url, "SELECT count(*) FROM public.n") == [(1,)]
    assert sql(database_url, "SELECT relname FROM pg_class WHERE relnamespace = 'ours'::regnamespace") == []


async def test_an_index_that_a_late_error_of_its_function_left_is_its_own(
    project: ProjectFolder, database_url: str
) -> None:
    body = "BEGIN RETURN (SELECT count(*) FROM public.missing); END"
    sql(
        database_url,
        "CREATE TABLE t AS SELECT 1 AS x",
        f"CREATE FUNCTION f(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ {body} $$",
    )
    invalid = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
    stepwise(project.revision("r1", upgrade="op.execute('CREATE INDEX CONCURRENTLY ix ON t (f(x))')"))
    migrator = Migrator(project.ini, url=database_url)
    with pytest.raises(StepFailedError) as caught:
        await migrator.upgrade()
    assert caught.value.sqlstate == "42P01"
    assert sql(database_url, invalid) == [("ix",)]
    sql(database_url, "CREATE TABLE missing ()")
    await migrator.upgrade()
    assert sql(database_url, invalid) == []


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        pytest.param("password int", "VALUES ('alice', 'hunter2')", id="in the message"),
        pytest.param("password text, must int NOT NULL", "VALUES ('alice', 'hunter2')", id="in DETAIL"),
    ],
)
async def test_the_servers_own_words_repeat_no_literal_of_a_confidential_statement(
    project: ProjectFolder, database_url: str, table: str, statement: str
) -> None:
    sql(database_url, f"CREATE TABLE accounts (name text, {table})")
    insert = f"INSERT INTO accounts (name, password) {statement}"
    project.revision("r1", upgrade=f"op.execute({insert!r})")
    with pytest.raises(StepFailedError) as caught:
        await Migrator(project.ini, url=database_url).upgrade()
    assert "hunter2" not in str(caught.value)
    assert "alice" not in str(caught.value)
    [(told,)] = sql(database_url, "SELECT error FROM migration_history")
    assert "hunter2" not in str(told)
    assert caught.value.sqlstate is not None


@pytest.mark.parametrize("asks", ["", "op.get_bind()\n"], ids=["in one message", "statement by statement"])
async def test_an_enum_of_a_try_that_waited_in_vain_is_created_again(
    project: ProjectFolder, database_url: str, asks: str
) -> None:
    project.tables("held")
    path = project.revision(
        "r2",
        "r1",
        upgrade=f"{asks}op.create_table('t', sa.Column('a', sa.Enum('x', name='kind')))\n"
        "op.add_column('held', sa.Column('b', sa.Text))",
    )
    path.write_text(
        path.read_text("utf-8").replace("down_revision =", "lock_timeout = '50ms'\ndown_revision =")
    )
    # What follows was taken down while the first try ran, as if that had created the type.
    project.revision("r3", "r2", upgrade="op.create_table('u', sa.Column('a', sa.Enum('x', name='kind')))")
    with psycopg.connect(database_url) as blocker:

        def let_go(event: Event) -> None:
            if isinstance(event, StepRetrying) and event.attempt == 2:
                blocker.rollback()

        migrator = Migrator(project.ini, url=database_url, listeners=[let_go])
        await migrator.upgrade("r1")
        blocker.execute("LOCK TABLE held")
        await migrator.upgrade()
    assert sql(database_url, "SELECT version_num FROM alembic_version") == [("r3",)]
