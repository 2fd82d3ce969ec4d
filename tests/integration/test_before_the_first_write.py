"""What a run wants and cannot have is refused before the first write; what it does not need, it may lack."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from psycopg import sql

from commandline import forked
from headway import CapabilityError, DatabaseURL, LedgerError, Migrator, Operation, StepFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio

_MISSING = "nobody_has_this"
_CREATE = f"op.execute('CREATE EXTENSION IF NOT EXISTS {_MISSING}')"


def _relations(url: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT relnamespace, relname FROM pg_class ORDER BY 1, 2").fetchall()


def _execute(url: str, *statements: sql.Composed | sql.SQL) -> None:
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement)


# -- extensions ------------------------------------------------------------------------------------------


@pytest.fixture
def wanting(project: ProjectFolder) -> ProjectFolder:
    """r1 creates a table; r2 and r3 an extension that no server has."""
    project.tables("a")
    project.revision("r2", "r1", upgrade=_CREATE)
    project.revision("r3", "r2", upgrade=_CREATE)
    return project


async def test_an_upgrade_that_wants_an_extension_the_server_lacks_writes_nothing(
    wanting: ProjectFolder, database_url: str
) -> None:
    before = _relations(database_url)
    with pytest.raises(CapabilityError, match=f"r2, r3 creates the extension {_MISSING}") as caught:
        await Migrator(wanting.ini, url=database_url).upgrade()
    assert caught.value.capability == f"extension {_MISSING}"
    assert "Nothing was changed" in caught.value.message
    assert "Install the package" in str(caught.value.hint)
    assert "DATABASE_URL" in str(caught.value.hint)
    assert "pgvector/pgvector" in str(caught.value.hint)
    assert _relations(database_url) == before


async def test_the_commands_refuse_it_just_the_same(wanting: ProjectFolder, database_url: str) -> None:
    before = _relations(database_url)
    for tool, code in ("headway", 3), ("alembic", 255):
        words = ["-c", str(wanting.ini), "upgrade", "head"]
        environment = {**os.environ, "DATABASE_URL": database_url}
        done = await asyncio.to_thread(forked, tool, words, Path.cwd(), environment)
        assert done.returncode == code, done.stderr
        assert f"r2, r3 creates the extension {_MISSING}" in done.stderr + done.stdout
        assert "Install the package" in done.stderr + done.stdout
        assert "Traceback" not in done.stderr
    assert _relations(database_url) == before


async def test_env_py_refuses_it_when_the_command_is_called_from_code(
    wanting: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    before = _relations(database_url)
    with pytest.raises(CapabilityError, match=_MISSING):
        command.upgrade(Config(wanting.ini), "head")
    assert _relations(database_url) == before
    command.upgrade(Config(wanting.ini), "r1")
    command.stamp(Config(wanting.ini), "r3")
    command.downgrade(Config(wanting.ini), "r1")


async def test_only_what_the_run_would_apply_wants_anything(
    wanting: ProjectFolder, database_url: str
) -> None:
    wanting.revision("r4", "r3", upgrade="op.execute('CREATE TABLE d()')", downgrade=_CREATE)
    migrator = Migrator(wanting.ini, url=database_url)
    assert (await migrator.upgrade("r1")).after == ("r1",)
    await migrator.stamp("r3")
    assert (await migrator.upgrade()).after == ("r4",)
    with pytest.raises(StepFailedError, match=_MISSING):
        await migrator.downgrade("r3")
    await migrator.stamp("r3")
    assert (await migrator.downgrade("r1")).after == ("r1",)


async def test_what_the_server_has_is_created(project: ProjectFolder, database_url: str) -> None:
    project.revision("r1", upgrade="op.execute('CREATE EXTENSION IF NOT EXISTS plpgsql')")
    assert (await Migrator(project.ini, url=database_url).upgrade()).after == ("r1",)


@pytest.mark.parametrize(
    "upgrade",
    [
        f"if context.get_x_argument():\n    {_CREATE}",
        f"if not context.get_x_argument():\n    return\n{_CREATE}",
        f"op.execute('''DO $$ BEGIN IF false THEN CREATE EXTENSION {_MISSING}; END IF; END $$''')",
    ],
    ids=["if", "return", "do"],
)
async def test_what_is_created_under_a_condition_is_left_to_the_revision(
    project: ProjectFolder, database_url: str, upgrade: str
) -> None:
    project.revision("r1", upgrade=upgrade)
    assert (await Migrator(project.ini, url=database_url).upgrade()).after == ("r1",)


async def test_an_extension_whose_name_is_computed_is_refused_by_the_server_with_the_same_way_out(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1", upgrade=f"name = '{_MISSING}'\nop.execute(f'CREATE EXTENSION {{name}}')")
    with pytest.raises(StepFailedError, match=_MISSING) as caught:
        await Migrator(project.ini, url=database_url).upgrade()
    assert "set DATABASE_URL" in str(caught.value.hint)
    assert "pgvector/pgvector" in str(caught.value.hint)


# -- privileges ------------------------------------------------------------------------------------------


@pytest.fixture
def writer(project: ProjectFolder, database_url: str) -> Iterator[str]:
    """A project of one table, and the URL of a role that may create none; ``_grant_writing`` comes later."""
    project.tables("a")
    url = DatabaseURL.parse(database_url)
    # With the password that the URL keeps, where the server asks for one.
    secret = url.password.get_secret_value() if url.password else "unused"
    role = sql.Identifier(url.name)
    public = sql.SQL("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    _execute(
        database_url, public, sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(secret))
    )
    yield dataclasses.replace(url, user=url.name).render()
    _execute(
        database_url,
        sql.SQL("DROP OWNED BY {} CASCADE").format(role),
        sql.SQL("DROP ROLE {}").format(role),
    )


def _grant_writing(url: str) -> None:
    role = sql.Identifier(DatabaseURL.parse(url).name)
    write = sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}")
    _execute(url, write.format(role))


async def test_who_may_write_version_table_and_ledger_needs_no_right_to_create(
    project: ProjectFolder, database_url: str, writer: str
) -> None:
    await Migrator(project.ini, url=database_url).upgrade()
    _grant_writing(database_url)
    project.revision("r2", "r1", upgrade="op.execute('INSERT INTO a VALUES (1)')")
    migrator = Migrator(project.ini, url=writer)
    doctor = await migrator.doctor()
    assert doctor.problems == ()
    assert (await migrator.upgrade()).after == ("r2",)
    assert [entry.revision for entry in await migrator.log(operation=Operation.UPGRADE)] == ["r2", "r1"]


async def test_what_a_revision_itself_may_not_create_is_its_own_failure(
    project: ProjectFolder, database_url: str, writer: str
) -> None:
    await Migrator(project.ini, url=database_url).upgrade()
    _grant_writing(database_url)
    project.revision("r2", "r1", upgrade="op.execute('CREATE TABLE b()')")
    with pytest.raises(StepFailedError, match="permission denied for schema public") as caught:
        await Migrator(project.ini, url=writer).upgrade()
    assert caught.value.sqlstate == "42501"
    assert "Grant the migration role" in str(caught.value.hint)


@pytest.mark.parametrize("lost", ["VIEW schema_migrations", "TABLE migration_history CASCADE"])
async def test_a_ledger_that_must_be_made_first_needs_the_right_to_create(
    project: ProjectFolder, database_url: str, writer: str, lost: str
) -> None:
    await Migrator(project.ini, url=database_url).upgrade()
    _grant_writing(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute(f"DROP {lost}".encode())
    project.revision("r2", "r1", upgrade="op.execute('INSERT INTO a VALUES (1)')")
    before = _relations(database_url)
    with pytest.raises(CapabilityError, match="may not create tables") as caught:
        await Migrator(project.ini, url=writer).upgrade()
    assert "GRANT CREATE ON SCHEMA" in str(caught.value.hint)
    assert [check.name for check in (await Migrator(project.ini, url=writer).doctor()).problems] == ["create"]
    assert _relations(database_url) == before


@pytest.mark.parametrize("right", ["SELECT", "INSERT", "UPDATE"])
async def test_a_ledger_that_the_role_may_not_write_is_found_before_the_first_write(
    project: ProjectFolder, database_url: str, writer: str, right: str
) -> None:
    await Migrator(project.ini, url=database_url).upgrade()
    _grant_writing(database_url)
    role = sql.Identifier(DatabaseURL.parse(database_url).name)
    _execute(database_url, sql.SQL("REVOKE {} ON migration_history FROM {}").format(sql.SQL(right), role))
    project.revision("r2", "r1", upgrade="op.execute('INSERT INTO a VALUES (1)')")
    migrator = Migrator(project.ini, url=writer)
    with pytest.raises(CapabilityError, match="may not write the ledger") as caught:
        await migrator.upgrade()
    assert caught.value.capability == "ledger"
    assert f'GRANT {right} ON "public"."migration_history" TO ' in str(caught.value.hint)
    doctor = await migrator.doctor()
    assert [(check.name, check.way_out) for check in doctor.problems] == [("ledger", caught.value.hint)]


async def test_a_foreign_table_with_the_ledgers_name_is_told_by_the_doctor_too(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    _execute(database_url, sql.SQL("CREATE TABLE migration_history (id int)"))
    before = _relations(database_url)
    migrator = Migrator(project.ini, url=database_url)
    with pytest.raises(LedgerError, match="that headway did not make") as caught:
        await migrator.upgrade()
    assert [(check.name, check.way_out) for check in (await migrator.doctor()).problems] == [
        ("ledger", caught.value.hint)
    ]
    assert _relations(database_url) == before


async def test_a_schema_for_the_ledger_that_the_role_may_not_create_is_found_before_the_first_write(
    project: ProjectFolder, database_url: str, writer: str
) -> None:
    await Migrator(project.ini, url=database_url).upgrade()
    _grant_writing(database_url)
    project.env("None, history_schema='ops'")
    project.revision("r2", "r1", upgrade="op.execute('INSERT INTO a VALUES (1)')")
    role = sql.Identifier(DatabaseURL.parse(database_url).name)
    _execute(database_url, sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(role))
    migrator = Migrator(project.ini, url=writer)
    with pytest.raises(CapabilityError, match="may not create the ledger") as caught:
        await migrator.upgrade()
    assert "GRANT CREATE ON DATABASE" in str(caught.value.hint)
    assert [check.name for check in (await migrator.doctor()).problems] == ["ledger"]


async def test_a_ledger_of_an_older_layout_that_the_role_does_not_own_is_found_before_the_first_write(
    project: ProjectFolder, database_url: str, writer: str
) -> None:
    await Migrator(project.ini, url=database_url).upgrade()
    _grant_writing(database_url)
    role = sql.Identifier(DatabaseURL.parse(database_url).name)
    _execute(
        database_url,
        sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(role),
        sql.SQL("ALTER TABLE migration_history ALTER ledger_layout SET DEFAULT 1"),
        sql.SQL("ALTER TABLE migration_history DROP COLUMN version_table CASCADE"),
    )
    project.revision("r2", "r1", upgrade="op.execute('INSERT INTO a VALUES (1)')")
    migrator = Migrator(project.ini, url=writer)
    with pytest.raises(CapabilityError, match="older layout, which only its owner") as caught:
        await migrator.upgrade()
    assert "Run this once as" in str(caught.value.hint)
    assert [check.name for check in (await migrator.doctor()).problems] == ["ledger"]
