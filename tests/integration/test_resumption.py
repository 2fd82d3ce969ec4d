"""A revision that is not transactional, interrupted and run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from headway import DatabaseURL, DirtyError, Migrator, State, StatementFinished, StepFailedError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import ProjectFolder
    from headway import Event

pytestmark = pytest.mark.asyncio

# Fails until there is a table `go`, and writes nothing.
STOP = "op.execute('SELECT 1 FROM go')\n"


def sql(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run statements, each committed by itself; what the last one answers."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements[:-1]:
            connection.execute(statement.encode())
        cursor = connection.execute(statements[-1].encode())
        return cursor.fetchall() if cursor.description else []


def invalid_indexes(url: str) -> list[tuple[object, ...]]:
    return sql(url, "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")


def write(project: ProjectFolder, body: str, *, transactional: bool = False) -> None:
    """Write r2; r1 makes a table of 50 rows."""
    project.revision(
        "r1",
        upgrade="op.execute('CREATE TABLE t AS SELECT n AS id, n AS v FROM generate_series(1, 50) AS n')",
    )
    path: Path = project.revision("r2", "r1", upgrade=body)
    if not transactional:
        source = path.read_text(encoding="utf-8")
        path.write_text(
            source.replace("down_revision =", "transactional = False\ndown_revision ="), encoding="utf-8"
        )


async def interrupted(project: ProjectFolder, url: str, body: str) -> None:
    """Run r2 until it fails, and let it go on from there."""
    write(project, body)
    with pytest.raises(StepFailedError):
        await Migrator(project.ini, url=url).upgrade()
    sql(url, "CREATE TABLE IF NOT EXISTS go ()")


async def resume(project: ProjectFolder, url: str) -> list[str]:
    """Run it again; the statements that were not skipped."""
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=url, listeners=[heard.append])
    await migrator.upgrade()
    assert (await migrator.status()).state is State.AT_HEAD
    return [event.statement for event in heard if isinstance(event, StatementFinished)]


# -- what the revision is told -----------------------------------------------------------------------


async def test_a_loop_that_asks_for_the_rowcount_goes_on_where_it_stopped(
    project: ProjectFolder, database_url: str
) -> None:
    body = (
        "update = 'UPDATE t SET v = -v WHERE id IN (SELECT id FROM t WHERE v > 0 ORDER BY id LIMIT 10)'\n"
        "for batch in range(100):\n"
        "    if op.get_bind().execute(sa.text(update)).rowcount == 0: break\n"
        "    if batch == 2: "
    )
    await interrupted(project, database_url, body + STOP)
    assert sql(database_url, "SELECT count(*) FROM t WHERE v < 0") == [(30,)]
    assert len(await resume(project, database_url)) == 3  # two batches, and the empty one
    assert sql(database_url, "SELECT count(*) FROM t WHERE v < 0") == [(50,)]


async def test_what_an_update_of_sqlalchemys_own_counted_is_given_back(
    project: ProjectFolder, database_url: str
) -> None:
    body = (
        "t = sa.table('t', sa.column('id', sa.Integer), sa.column('v', sa.Integer))\n"
        "assert op.get_bind().execute(sa.update(t).where(t.c.id <= 7).values(v=0)).rowcount == 7\n"
        "op.bulk_insert(t, [{'id': 51, 'v': 1}, {'id': 52, 'v': 2}])\n" + STOP
    )
    await interrupted(project, database_url, body)
    assert await resume(project, database_url) == []
    assert sql(database_url, "SELECT count(*) FROM t") == [(52,)]


async def test_a_write_that_looked_like_a_read_is_not_done_twice(
    project: ProjectFolder, database_url: str
) -> None:
    body = "op.execute('WITH x AS (DELETE FROM t WHERE v < 9) SELECT 1')\n"
    await interrupted(project, database_url, body + STOP)
    sql(database_url, "INSERT INTO t VALUES (0, 0)")
    assert await resume(project, database_url) == []
    assert sql(database_url, "SELECT count(*) FROM t WHERE v < 9") == [(1,)]


async def test_rows_of_what_is_done_cannot_be_had_again_and_a_revision_that_needs_none_goes_on(
    project: ProjectFolder, database_url: str
) -> None:
    write_and_read = "op.get_bind().execute(sa.text('WITH x AS (DELETE FROM t) SELECT 7'))"
    await interrupted(project, database_url, f"assert {write_and_read}.scalar() == 7\n" + STOP)
    with pytest.raises(DirtyError, match="asks for the rows") as caught:
        await resume(project, database_url)
    assert "WITH x AS" in caught.value.message
    assert "does not need them" in str(caught.value.hint)
    write(project, f"{write_and_read}\n" + STOP)
    assert await resume(project, database_url) == []


@pytest.mark.parametrize(
    "statement", ["SET search_path TO tenant, public", "SELECT set_config('search_path', 'tenant', false)"]
)
async def test_settings_are_made_again(project: ProjectFolder, database_url: str, statement: str) -> None:
    sql(database_url, "CREATE SCHEMA tenant", "CREATE TABLE tenant.t (id int)")
    body = f"op.execute({statement!r})\nop.execute('CREATE TABLE public.one ()')\n"
    stop = "op.execute('SELECT 1 FROM public.go')\n"
    await interrupted(
        project, database_url, f"{body}{stop}op.execute('CREATE INDEX CONCURRENTLY ix ON t (id)')"
    )
    await resume(project, database_url)
    assert sql(database_url, "SELECT schemaname FROM pg_indexes WHERE indexname = 'ix'") == [("tenant",)]


# -- whether it is still the same revision -----------------------------------------------------------


async def test_other_parameters_than_those_of_what_is_done_are_refused(
    project: ProjectFolder, database_url: str
) -> None:
    body = (
        "left = op.get_bind().execute(sa.text('SELECT id FROM t WHERE v > 0 ORDER BY id')).scalars().all()\n"
        "for id_ in left:\n"
        "    op.get_bind().execute(sa.text('UPDATE t SET v = -v WHERE id = :id'), {'id': id_})\n"
        "    if id_ == 20: "
    )
    await interrupted(project, database_url, body + STOP)
    with pytest.raises(DirtyError, match="statement 1 has other parameters") as caught:
        await resume(project, database_url)
    assert "batch by batch" in str(caught.value.hint)
    assert sql(database_url, "SELECT count(*) FROM t WHERE v < 0") == [(20,)]


async def test_a_statement_put_before_what_is_done_is_rolled_back_and_refused(
    project: ProjectFolder, database_url: str
) -> None:
    done = "op.execute('CREATE TABLE one ()')\n"
    await interrupted(project, database_url, done + STOP)
    before = "op.execute('WITH x AS (DELETE FROM t) SELECT 1')\n"
    write(project, before + done + STOP)
    with pytest.raises(DirtyError, match="not the one that was journalled"):
        await resume(project, database_url)
    assert sql(database_url, "SELECT count(*) FROM t") == [(50,)]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("CREAT TABLE one ()", "CREATE TABLE one ()"),
        ("create indx concurrently ix on t (v)", "create index concurrently ix on t (v)"),
        ("CREATE INDEX CONCURRENTLY ix ON tt (v)", "CREATE INDEX CONCURRENTLY ix ON t (v)"),
        ("VACUUM tt", "VACUUM t"),
        ("VACUUM tt", "CREATE TABLE one ()"),
        ("VACUUM tt", None),
    ],
)
@pytest.mark.parametrize("first", ["", "op.execute('CREATE TABLE zero ()')\n"])
@pytest.mark.sampled(2)
async def test_a_statement_that_the_server_refused_may_be_corrected_or_taken_out(
    project: ProjectFolder, database_url: str, first: str, wrong: str, right: str | None
) -> None:
    await interrupted(project, database_url, f"{first}op.execute({wrong!r})\n")
    write(project, f"{first}op.execute({right!r})\n" if right else first or "pass")
    assert await resume(project, database_url) == ([right] if right else [])


@pytest.mark.parametrize(
    "right",
    [
        "CREATE INDEX CONCURRENTLY ix ON t (v)",
        "CREATE INDEX CONCURRENTLY iy ON t (v)",
        "CREATE INDEX iy ON t (v)",
        "WITH x AS (DELETE FROM t) SELECT 1",
        None,
    ],
)
async def test_what_a_refused_statement_left_goes_when_it_is_corrected_or_taken_out(
    project: ProjectFolder, database_url: str, right: str | None
) -> None:
    double = "op.execute('INSERT INTO t SELECT * FROM t')\n"
    await interrupted(
        project, database_url, double + "op.execute('CREATE UNIQUE INDEX CONCURRENTLY ix ON t (v)')"
    )
    assert invalid_indexes(database_url) == [("ix",)]
    write(project, double + (f"op.execute({right!r})" if right else ""))
    await resume(project, database_url)
    assert invalid_indexes(database_url) == []
    names = sql(database_url, "SELECT indexname FROM pg_indexes WHERE tablename = 't'")
    assert names == [(name,) for name in ("ix", "iy") if f" {name} " in (right or "")]


async def test_a_strangers_invalid_index_is_refused_every_time(
    project: ProjectFolder, database_url: str
) -> None:
    write(project, "op.execute('CREATE INDEX CONCURRENTLY ix ON t (v)')")
    await Migrator(project.ini, url=database_url).upgrade("r1")
    with pytest.raises(psycopg.errors.UniqueViolation):
        sql(
            database_url,
            "INSERT INTO t SELECT * FROM t",
            "CREATE UNIQUE INDEX CONCURRENTLY ix ON t (v)",
        )
    for _ in range(2):
        with pytest.raises(Exception, match="INVALID"):
            await Migrator(project.ini, url=database_url).upgrade()
        assert invalid_indexes(database_url) == [("ix",)]


async def test_an_index_of_the_name_that_was_there_before_is_not_taken_for_the_one_wanted(
    project: ProjectFolder, database_url: str
) -> None:
    write(project, "op.execute('CREATE UNIQUE INDEX CONCURRENTLY ix ON t (v)')")
    await Migrator(project.ini, url=database_url).upgrade("r1")
    sql(database_url, "CREATE INDEX ix ON t (id)")
    for _ in range(2):
        with pytest.raises(StepFailedError) as caught:
            await Migrator(project.ini, url=database_url).upgrade()
        assert caught.value.sqlstate == "42P07"


@pytest.mark.parametrize("at_first", [True, False])
async def test_an_interrupted_revision_that_is_another_kind_now_is_refused(
    project: ProjectFolder, database_url: str, *, at_first: bool
) -> None:
    body = "with op.get_context().autocommit_block():\n    op.execute('CREATE TABLE one ()')\n" + STOP
    write(project, body, transactional=at_first)
    with pytest.raises(StepFailedError):
        await Migrator(project.ini, url=database_url).upgrade()
    write(project, body, transactional=not at_first)
    with pytest.raises(DirtyError, match="put into" if at_first else "taken out of") as caught:
        await Migrator(project.ini, url=database_url).upgrade()
    assert "as it was" in str(caught.value.hint)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_statements_are_compared_whatever_the_databases_encoding(
    project: ProjectFolder, server_url: str, database_url: str, encoding: str
) -> None:
    name = f"{DatabaseURL.parse(database_url).name}_{encoding.lower()}"
    latin = f"TEMPLATE template0 ENCODING '{encoding}' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"
    sql(server_url, f"CREATE DATABASE {name} {latin}")
    try:
        url = DatabaseURL.parse(database_url).render().replace(DatabaseURL.parse(database_url).name, name)
        body = "op.execute('CREATE TABLE größe ()')\nop.execute(\"COMMENT ON TABLE größe IS 'Maß'\")\n"
        await interrupted(project, url, body + STOP)
        assert await resume(project, url) == []
    finally:
        sql(server_url, f"DROP DATABASE {name} WITH (FORCE)")


async def test_a_journal_that_an_older_headway_wrote_is_resumed(
    project: ProjectFolder, database_url: str
) -> None:
    body = "op.execute('CREATE TABLE one ()')\nop.execute('CREATE TABLE two ()')\n"
    await interrupted(project, database_url, body + STOP)
    sql(
        database_url,
        "UPDATE migration_history SET journal = (SELECT jsonb_agg(line - 'digest' - 'rowcount' - 'rejected') "
        "FROM jsonb_array_elements(journal) AS line) "
        "WHERE jsonb_array_length(journal) > 0",
    )
    assert await resume(project, database_url) == []
