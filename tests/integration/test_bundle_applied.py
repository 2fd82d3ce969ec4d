"""A bundle's scripts, run by psql, leave what a run of headway leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest

from bundles import finished, ledger_of, psql, schema_of
from headway import Migrator, RunOptions
from headway.lock import lock_key
from headway.project import VersionTable
from servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conftest import ProjectFolder

CONCURRENTLY = """
op.execute("CREATE INDEX CONCURRENTLY people_mail ON people (mail)")
op.execute("UPDATE people SET mail = 'a:b' WHERE id = 1; SELECT 1")
"""


def bundle(project: ProjectFolder, url: str, span: str = "head", name: str = "bundle") -> Path:
    """Write a bundle; the URL is not connected to."""
    folder = project.root / name
    asyncio.run(Migrator(project.ini, url=url).bundle(folder, span, scratch=None))
    return folder


def upgrade(project: ProjectFolder, url: str, target: str = "head") -> None:
    asyncio.run(Migrator(project.ini, url=url).upgrade(target))


def people(project: ProjectFolder) -> None:
    """Three revisions: a table, an index built concurrently, a function."""
    project.revision(
        "r1",
        upgrade="op.create_table('people', sa.Column('id', sa.Integer, primary_key=True),"
        " sa.Column('mail', sa.Text, server_default=':x'),"
        " sa.Column('kind', sa.Enum('a', 'b', name='kind')))\n"
        "op.bulk_insert(sa.table('people', sa.column('id', sa.Integer), sa.column('mail', sa.Text)),"
        " [{'id': 1, 'mail': r\"it's 'quoted' \\ :HOST :'x'\"}])",
        downgrade="op.drop_table('people')\nop.execute('DROP TYPE kind')",
        doc="make people's \\\\ table; -- :'x'",
    )
    path = project.revision("r2", "r1", upgrade=CONCURRENTLY, downgrade="op.drop_index('people_mail')")
    path.write_text(path.read_text() + "\ntransactional = False\n", encoding="utf-8")
    project.revision(
        "r3",
        "r2",
        upgrade="op.execute('''CREATE FUNCTION f(a int[]) RETURNS int LANGUAGE sql BEGIN ATOMIC\n"
        "  SELECT CASE WHEN a[1:2] IS NULL THEN 1 END; SELECT 2::int; END''')",
        downgrade="op.execute('DROP FUNCTION f(int[])')",
    )


def test_psql_and_a_run_leave_the_same_and_a_second_time_changes_nothing(
    project: ProjectFolder, database_urls: Sequence[str]
) -> None:
    people(project)
    by_hand, online, *_ = database_urls
    folder = bundle(project, by_hand)
    done = psql(by_hand, "-f", folder / "upgrade.sql")
    assert done.returncode == 0, done.stdout
    upgrade(project, online)
    once = schema_of(by_hand), ledger_of(by_hand)
    assert once[1] == ledger_of(online)
    assert once[0] == schema_of(online)
    again = psql(by_hand, "-f", folder / "upgrade.sql")
    assert again.returncode == 0
    assert "already applied: the database is at r3" in again.stdout
    assert once == (schema_of(by_hand), ledger_of(by_hand))
    with psycopg.connect(by_hand) as connection:
        assert connection.execute("SELECT mail FROM people").fetchall() == [("a:b",)]
    assert asyncio.run(Migrator(project.ini, url=by_hand).verify_log()) == ()

    done = psql(by_hand, "-f", folder / "rollback.sql")
    assert done.returncode == 0, done.stdout
    asyncio.run(Migrator(project.ini, url=online).downgrade("base"))
    assert (schema_of(by_hand), ledger_of(by_hand)) == (schema_of(online), ledger_of(online))
    assert asyncio.run(Migrator(project.ini, url=by_hand).verify_log()) == ()


def test_one_script_a_revision_runs_only_where_its_revision_is_next(
    project: ProjectFolder, database_url: str
) -> None:
    people(project)
    folder = bundle(project, database_url)
    before = schema_of(database_url)
    wrong = psql(database_url, "-f", folder / "002_r2.upgrade.sql")
    assert wrong.returncode == 3
    assert "the database is at base; this script leads from r1 to r2" in wrong.stdout
    assert schema_of(database_url) == before
    for name in ("001_r1.upgrade", "002_r2.upgrade", "003_r3.upgrade", "003_r3.rollback", "003_r3.upgrade"):
        done = psql(database_url, "-f", folder / f"{name}.sql")
        assert done.returncode == 0, done.stdout
    assert [row["revision"] for row in ledger_of(database_url)] == ["r1", "r2", "r3", "r3", "r3"]


def test_the_whole_script_goes_on_where_the_database_stands_and_notes_what_it_found(
    project: ProjectFolder, database_urls: Sequence[str]
) -> None:
    people(project)
    by_hand, online, *_ = database_urls
    folder = bundle(project, by_hand)
    for url in (by_hand, online):
        upgrade(project, url, "r1")
        with psycopg.connect(url) as connection:  # as if plain Alembic had migrated it
            connection.execute("DROP TABLE migration_history CASCADE")
    done = psql(by_hand, "-f", folder / "upgrade.sql")
    assert done.returncode == 0, done.stdout
    assert "1/3  r1: done already".replace("  ", " ") in done.stdout
    upgrade(project, online)
    assert ledger_of(by_hand) == ledger_of(online)
    assert [row["operation"] for row in ledger_of(by_hand)] == ["baseline", "upgrade", "upgrade"]


def test_a_database_that_is_elsewhere_is_refused_and_left_as_it_is(
    project: ProjectFolder, database_url: str
) -> None:
    people(project)
    folder = bundle(project, database_url, "r2:r3")
    project.revision("other", "r1")
    asyncio.run(Migrator(project.ini, url=database_url).upgrade("other"))
    before = schema_of(database_url), ledger_of(database_url)
    for name in ("upgrade.sql", "rollback.sql"):
        done = psql(database_url, "-f", folder / name)
        assert done.returncode == 3
        assert "the database is at other; this script leads from" in done.stdout
    assert before == (schema_of(database_url), ledger_of(database_url))


def test_a_script_waits_for_another_migrator_until_its_deadline(
    project: ProjectFolder, database_url: str
) -> None:
    people(project)
    folder = bundle(project, database_url)
    with psycopg.connect(database_url, autocommit=True) as other:
        name = other.execute("SELECT current_database()").fetchone()[0]  # type: ignore[index]
        key = lock_key(name, VersionTable("alembic_version", "public"))
        other.execute("SELECT pg_advisory_lock(%s)", [key])
        done = psql(database_url, "-v", "headway_lock_wait=0", "-f", folder / "upgrade.sql")
        assert done.returncode == 3
        assert "another migrator is at work" in done.stdout
        waiting = psql(database_url, "-f", folder / "upgrade.sql", wait=False)
        wait_until(lambda: _others(other) > 0, "psql polls for the lock")
        # Who builds an index concurrently waits for nobody who waits for the lock.
        other.execute("CREATE TABLE aside (id int)")
        other.execute("CREATE INDEX CONCURRENTLY aside_id ON aside (id)")
        other.execute("SELECT pg_advisory_unlock(%s)", [key])
        done = finished(waiting)
    assert done.returncode == 0, done.stdout


def _others(connection: psycopg.Connection) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    ).fetchone()
    return int(row[0]) if row else 0


def test_of_two_psql_at_once_one_applies_and_the_other_finds_it_done(
    project: ProjectFolder, database_url: str
) -> None:
    people(project)
    folder = bundle(project, database_url)
    both = [psql(database_url, "-f", folder / "upgrade.sql", wait=False) for _ in range(2)]
    done = [finished(process) for process in both]
    assert [each.returncode for each in done] == [0, 0], [each.stdout for each in done]
    assert sum("already applied" in each.stdout for each in done) == 1
    assert [row["revision"] for row in ledger_of(database_url)] == ["r1", "r2", "r3"]


def test_a_run_of_headway_waits_for_psql(project: ProjectFolder, database_url: str) -> None:
    project.tables("first")
    project.revision("r2", "r1", upgrade="op.execute('SELECT pg_advisory_lock(7)')")
    folder = bundle(project, database_url)
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(7)")
        process = psql(database_url, "-f", folder / "upgrade.sql", wait=False)
        wait_until(lambda: _blocked(other), "psql has the lock and runs")
        with pytest.raises(Exception, match="another migrator is at work"):
            asyncio.run(Migrator(project.ini, url=database_url).upgrade(options=RunOptions(lock_wait_s=0)))
        other.execute("SELECT pg_advisory_unlock(7)")
        assert finished(process).returncode == 0


def _blocked(connection: psycopg.Connection) -> bool:
    row = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    return bool(row and row[0])


def test_a_step_that_fails_is_rolled_back_on_record_and_may_be_run_again(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("first")
    project.revision(
        "r2", "r1", upgrade="op.execute('CREATE TABLE second ()')\nop.execute('SELECT 1 / n FROM one')"
    )
    folder = bundle(project, database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE one AS SELECT 0 AS n")
    failed = psql(database_url, "-f", folder / "upgrade.sql")
    assert failed.returncode == 3
    assert "division by zero" in failed.stdout
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT to_regclass('second')").fetchone() == (None,)
        connection.execute("UPDATE one SET n = 1")
    assert psql(database_url, "-f", folder / "upgrade.sql").returncode == 0
    assert [(row["revision"], row["outcome"]) for row in ledger_of(database_url)] == [
        ("r1", "succeeded"),
        ("r2", "interrupted"),
        ("r2", "succeeded"),
    ]
    assert asyncio.run(Migrator(project.ini, url=database_url).verify_log()) == ()


HALF_WAY = """
op.execute("CREATE TABLE once ()")
op.execute("CREATE INDEX CONCURRENTLY one_n ON one (n)")
op.execute("INSERT INTO one SELECT 1 / n FROM one")
"""


@pytest.mark.parametrize("resumed_by", ["psql", "headway"])
def test_a_revision_that_is_not_transactional_goes_on_where_it_stopped(
    project: ProjectFolder, database_url: str, resumed_by: str
) -> None:
    path = project.revision("r1", upgrade=HALF_WAY)
    path.write_text(path.read_text() + "\ntransactional = False\n", encoding="utf-8")
    folder = bundle(project, database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE one AS SELECT 0 AS n")
    assert psql(database_url, "-f", folder / "upgrade.sql").returncode == 3
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE one SET n = 1")
    if resumed_by == "psql":
        done = psql(database_url, "-f", folder / "upgrade.sql")
        assert done.returncode == 0, done.stdout
        assert "done already: CREATE TABLE once ()" in done.stdout
    else:
        upgrade(project, database_url)
    assert [(row["outcome"], row["statements_done"]) for row in ledger_of(database_url)] == [
        ("interrupted", 2),
        ("succeeded", 3),
    ]
    assert asyncio.run(Migrator(project.ini, url=database_url).verify_log()) == ()


def test_a_revision_that_reads_data_stops_the_script_which_then_goes_on_behind_it(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("first")
    project.revision(
        "r2", "r1", upgrade="for row in op.get_bind().execute(sa.text('SELECT 1 AS a')):\n    print(row.a)"
    )
    project.revision("r3", "r2", upgrade="op.execute('CREATE TABLE third ()')")
    folder = bundle(project, database_url)
    assert "op.get_bind().execute" in (folder / "upgrade.sql").read_text(encoding="utf-8")
    stopped = psql(database_url, "-f", folder / "upgrade.sql")
    assert stopped.returncode == 3
    assert "upgrade of r2 (r2) is a manual step: it reads data" in stopped.stdout
    assert "Run `headway upgrade r2`" in stopped.stdout
    upgrade(project, database_url, "r2")
    done = psql(database_url, "-f", folder / "upgrade.sql")
    assert done.returncode == 0, done.stdout
    assert [row["revision"] for row in ledger_of(database_url)] == ["r1", "r2", "r3"]


def test_an_autocommit_block_is_outside_the_transaction_as_in_a_run(
    project: ProjectFolder, database_urls: Sequence[str]
) -> None:
    project.tables("first")
    project.revision(
        "r2",
        "r1",
        upgrade="op.execute('CREATE TABLE second (id int)')\nwith op.get_context().autocommit_block():\n"
        "    op.execute('CREATE INDEX CONCURRENTLY second_id ON second (id)')\n"
        "op.execute('CREATE TABLE third ()')",
    )
    by_hand, online, *_ = database_urls
    folder = bundle(project, by_hand)
    done = psql(by_hand, "-f", folder / "upgrade.sql")
    assert done.returncode == 0, done.stdout
    upgrade(project, online)
    assert (schema_of(by_hand), ledger_of(by_hand)) == (schema_of(online), ledger_of(online))


def test_two_heads_and_a_merge_move_the_version_rows_as_a_run_does(
    project: ProjectFolder, database_urls: Sequence[str]
) -> None:
    project.tables("first")
    project.revision("a2", "r1", upgrade="op.execute('CREATE TABLE a2 ()')", downgrade="op.drop_table('a2')")
    project.revision("b2", "r1", upgrade="op.execute('CREATE TABLE b2 ()')", downgrade="op.drop_table('b2')")
    project.revision("c3", ["a2", "b2"])
    by_hand, online, *_ = database_urls
    folder = bundle(project, by_hand)
    for name in ("001_r1.upgrade", "002_a2.upgrade"):
        assert psql(by_hand, "-f", folder / f"{name}.sql").returncode == 0
    done = psql(by_hand, "-f", folder / "upgrade.sql")
    assert done.returncode == 0, done.stdout
    upgrade(project, online)
    assert (schema_of(by_hand), ledger_of(by_hand)) == (schema_of(online), ledger_of(online))
    assert psql(by_hand, "-f", folder / "rollback.sql").returncode == 0


def test_a_transaction_around_the_script_is_refused(project: ProjectFolder, database_url: str) -> None:
    people(project)
    folder = bundle(project, database_url)
    done = psql(database_url, "-1", "-f", folder / "upgrade.sql")
    assert done.returncode == 3
    assert "a transaction is open" in done.stdout


def test_a_revision_that_ends_its_transaction_is_refused(project: ProjectFolder, database_url: str) -> None:
    project.revision("r1", upgrade="op.execute('COMMIT')\nop.execute('BEGIN')")
    folder = bundle(project, database_url)
    done = psql(database_url, "-f", folder / "upgrade.sql")
    assert done.returncode == 3
    assert "r1 has ended its transaction" in done.stdout


def test_a_ledger_of_somebody_elses_is_refused(project: ProjectFolder, database_url: str) -> None:
    people(project)
    folder = bundle(project, database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE migration_history (id int)")
    done = psql(database_url, "-f", folder / "upgrade.sql")
    assert done.returncode == 3
    assert "something that headway did not make" in done.stdout


def test_version_table_and_ledger_may_have_names_and_schemas_of_their_own(
    project: ProjectFolder, database_url: str
) -> None:
    project.env("version_table='my \"versions', version_table_schema='else where', history_table='Ledger:x'")
    people(project)
    folder = bundle(project, database_url)
    done = psql(database_url, "-f", folder / "upgrade.sql")
    assert done.returncode == 0, done.stdout
    migrator = Migrator(project.ini, url=database_url)
    assert asyncio.run(migrator.pending()).at_head
    assert asyncio.run(migrator.verify_log()) == ()
    assert len(asyncio.run(migrator.log())) == 3


def test_an_index_whose_build_failed_under_psql_is_cleared_by_a_run_and_by_no_script(
    project: ProjectFolder, database_url: str
) -> None:
    path = project.revision("r1", upgrade="op.execute('CREATE UNIQUE INDEX CONCURRENTLY one_n ON one (n)')")
    path.write_text(path.read_text() + "\ntransactional = False\n", encoding="utf-8")
    folder = bundle(project, database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE one AS SELECT 1 AS n FROM generate_series(1, 2)")
    assert psql(database_url, "-f", folder / "upgrade.sql").returncode == 3
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM one WHERE ctid = (SELECT max(ctid) FROM one)")
    again = psql(database_url, "-f", folder / "upgrade.sql")
    assert again.returncode == 3
    assert "already exists" in again.stdout
    upgrade(project, database_url)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT bool_and(indisvalid) FROM pg_index").fetchone() == (True,)
