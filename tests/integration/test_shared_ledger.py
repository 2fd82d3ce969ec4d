"""Several version tables that keep their ledgers in one table, and a ledger from before there could be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest

from conftest import ProjectFolder
from headway import Migrator, Outcome, State
from headway.ledger import schema

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def other(tmp_path: Path) -> ProjectFolder:
    """A second project, with a version table of its own."""
    folder = ProjectFolder(tmp_path / "other")
    folder.env("None, version_table='other_version'")
    folder.revision("o1", upgrade="op.execute('CREATE TABLE o1()')")
    folder.revision("o2", "o1", upgrade="op.execute('CREATE TABLE o2()')")
    return folder


async def test_a_run_of_one_does_not_disturb_what_the_other_is_doing(
    project: ProjectFolder, other: ProjectFolder, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as gate:
        gate.execute("SELECT pg_advisory_lock(1)")
        project.revision(
            "r1", upgrade="op.execute('CREATE TABLE r1()')\nop.execute('SELECT pg_advisory_xact_lock(1)')"
        )
        path = project.versions / "r1.py"
        source = path.read_text(encoding="utf-8")
        path.write_text(
            source.replace("down_revision =", "lock_timeout = 0\ndown_revision ="), encoding="utf-8"
        )
        first = asyncio.create_task(Migrator(project.ini, url=database_url).upgrade())
        waiting = (
            "SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = database "
            "WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
        )
        async with asyncio.timeout(120):
            while not rows(database_url, waiting):  # noqa: ASYNC110  # the server sends no event for it
                await asyncio.sleep(0.02)
        second = Migrator(other.ini, url=database_url)
        assert [step.revision for step in (await second.upgrade()).steps] == ["o1", "o2"]
        assert [entry.revision for entry in await second.log()] == ["o2", "o1"]
        gate.execute("SELECT pg_advisory_unlock(1)")
        await first
    outcomes = "SELECT version_table, revision, outcome FROM migration_history ORDER BY 1, id"
    assert rows(database_url, outcomes) == [
        ("public.alembic_version", "r1", "succeeded"),
        ("public.other_version", "o1", "succeeded"),
        ("public.other_version", "o2", "succeeded"),
    ]
    assert await second.verify_log() == ()


async def test_neither_takes_the_revisions_of_the_other_for_its_own(
    project: ProjectFolder, other: ProjectFolder, database_url: str
) -> None:
    project.tables("a", "b")
    one, two = Migrator(project.ini, url=database_url), Migrator(other.ini, url=database_url)
    await one.upgrade("r1")
    await two.upgrade("o1")
    await one.upgrade()
    await two.upgrade()
    assert [(entry.operation.value, entry.revision) for entry in await one.log()] == [
        ("upgrade", "r2"),
        ("upgrade", "r1"),
    ]
    assert [entry.revision for entry in await two.log()] == ["o2", "o1"]
    assert {row[0] for row in rows(database_url, "SELECT version FROM schema_migrations")} == {
        *("r1", "r2", "o1", "o2")
    }


async def test_what_one_left_half_way_does_not_make_the_other_dirty(
    project: ProjectFolder, other: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    path = other.versions / "o2.py"
    source = path.read_text(encoding="utf-8").replace(
        "'CREATE TABLE o2()')", "'CREATE TABLE o2()')\n    1 / 0"
    )
    path.write_text(
        source.replace("down_revision =", "transactional = False\ndown_revision ="), encoding="utf-8"
    )
    one, two = Migrator(project.ini, url=database_url), Migrator(other.ini, url=database_url)
    await one.upgrade()
    with pytest.raises(Exception, match="division"):
        await two.upgrade()
    assert (await two.status()).state is State.DIRTY
    assert (await two.pending()).dirty == "o2"
    assert (await one.status()).state is State.AT_HEAD
    assert (await one.pending()).at_head
    assert (await one.upgrade()).steps == ()


# The seal as the first layout wrote it; it must never change.
_FIRST_SEAL = """
    encode(sha256(convert_to(jsonb_build_array(
        h.id, h.ledger_layout, h.run_id, h.revision, h.operation, h.outcome, h.applied, h.transactional,
        h.description, h.checksum, h.previous_hash,
        to_char(h.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        to_char(h.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        h.duration_ms, h.sqlstate, h.error, h.statements_done, h.statements_total, h.database_user, h.os_user,
        h.host, h.versions, h.journal, h.backend_pid,
        to_char(h.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    )::text, 'UTF8')), 'hex')
"""
_JOURNAL = '[{"statement": "x", "started_at": "2026-01-01T00:00:00.000000Z", "finished_at": null}]'


def first_layout(url: str) -> None:
    """A ledger as the first headway kept it: r1 applied, r2 half-way."""
    with psycopg.connect(url) as connection:
        connection.execute(schema.LAYOUTS[0][0].format(history="migration_history").encode())
        for id_, revision, outcome, journal in ((1, "r1", "succeeded", "[]"), (2, "r2", "failed", _JOURNAL)):
            connection.execute(
                """INSERT INTO migration_history (id, run_id, revision, operation, outcome, applied,
                transactional, description, previous_hash, started_at, finished_at, statements_done,
                database_user, os_user, host, versions, journal)
                VALUES (%s, 'run', %s, 'upgrade', %s, true, false, '',
                (SELECT hash FROM migration_history ORDER BY id DESC LIMIT 1), now(), now(), 0, 'u', 'u', 'h',
                '{}', %s)""",
                (id_, revision, outcome, journal),
            )
            connection.execute(
                f"UPDATE migration_history AS h SET hash = {_FIRST_SEAL} WHERE id = {id_}".encode()  # noqa: S608
            )
        connection.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES ('r1')")


async def test_a_ledger_of_the_first_layout_is_read_as_it_is(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a", "b")
    first_layout(database_url)
    migrator = Migrator(project.ini, url=database_url)
    assert [entry.outcome for entry in await migrator.log()] == [Outcome.FAILED, Outcome.SUCCEEDED]
    assert (await migrator.status()).state is State.DIRTY
    assert (await migrator.pending()).dirty == "r2"
    assert await migrator.verify_log() == ()
    rows(database_url, "UPDATE migration_history SET description = 'forged' WHERE id = 1")
    assert len(await migrator.verify_log()) == 1


async def test_it_is_brought_up_by_the_next_run_and_goes_to_the_version_table_of_that_run(
    project: ProjectFolder, other: ProjectFolder, database_url: str
) -> None:
    project.tables("a", "b")
    first_layout(database_url)
    migrator = Migrator(project.ini, url=database_url)
    await migrator.stamp("r1")
    await migrator.upgrade()
    assert await migrator.verify_log() == ()
    assert rows(database_url, "SELECT version_table, revision FROM migration_history ORDER BY id") == [
        ("public.alembic_version", revision) for revision in ("r1", "r2", "r2", "r2")
    ]
    await Migrator(other.ini, url=database_url).upgrade()
    assert await migrator.verify_log() == ()
    forged = "UPDATE migration_history SET version_table = 'public.other_version' WHERE id = "
    rows(database_url, f"{forged} 4")
    assert await migrator.verify_log() != ()
