"""What an interrupted statement left is cleared away when it is proved its own, and nothing else ever is."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import NullPool, create_engine

from headway import (
    DatabaseURL,
    DirtyError,
    Event,
    Migrator,
    State,
    StepBlocked,
    StepFailedError,
    Warned,
    clearing,
)
from headway.ledger import Ledger, NewEntry, Operation
from headway.results import RunOptions
from servers import create_role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio

TWICE = "CREATE TABLE t AS SELECT 1 AS v, n AS w FROM generate_series(1, 2) AS n"
UNIQUE = "CREATE UNIQUE INDEX CONCURRENTLY ix ON t (v)"
NOT_WAITING = RunOptions(lock_wait_s=0)
WAITS_AT_AN_INDEX = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
        AND query ~* '^[^a-z]*(create|drop|reindex)'
"""
CANCEL = f"SELECT pg_cancel_backend(pid) FROM ({WAITS_AT_AN_INDEX}) AS waiting"  # noqa: S608  # a constant


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def indexes(url: str) -> dict[object, object]:
    """Every index of ``t`` and its TOAST table: whether it is valid."""
    rows = query(
        url,
        "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
        "WHERE indrelid IN (SELECT unnest(ARRAY[oid, reltoastrelid]) FROM pg_class WHERE relname = 't')",
    )
    return {str(name): valid for name, valid in rows}


def oid(url: str, name: str) -> object:
    return query(url, f"SELECT to_regclass('{name}')::oid")[0][0]


def versions(url: str) -> list[object]:
    return [row[0] for row in query(url, "SELECT version_num FROM alembic_version")]


def journal(url: str) -> list[dict[str, object]]:
    """The newest entry's."""
    rows = query(url, "SELECT journal::text FROM migration_history ORDER BY id DESC LIMIT 1")
    lines: list[dict[str, object]] = json.loads(str(rows[0][0]))
    return lines


def invalid(url: str, name: str, on: str = "t (v)") -> None:
    """An index whose build failed: there are two equal values."""
    with pytest.raises(psycopg.errors.UniqueViolation):
        execute(url, f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {on}")


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # the server sends no event for it
            await asyncio.sleep(0.02)


@contextlib.contextmanager
def in_the_way(url: str, table: str = "t") -> Iterator[psycopg.Connection]:
    """A transaction that has written to a table: what is built concurrently waits for its end."""
    with psycopg.connect(url) as connection:
        connection.execute(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE".encode())
        yield connection
        connection.rollback()


async def interrupted(migrator: Migrator, url: str) -> None:
    """Run, and cancel the statement once it has an index INVALID, and waits for what is in its way."""
    before = indexes(url)
    with in_the_way(url):
        run = asyncio.ensure_future(migrator.upgrade())
        await until(lambda: indexes(url) != before and query(url, CANCEL))
        with pytest.raises(StepFailedError) as caught:
            await run
    assert caught.value.sqlstate == "57014"


class Told(list[str]):
    """What was said of repairs."""

    def __call__(self, event: Event) -> None:
        if isinstance(event, Warned):
            self.append(event.message)


@pytest.fixture
def told() -> Told:
    return Told()


class Blocked(list[float]):
    """How long was waited for others' locks, in seconds, as it was said."""

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepBlocked):
            self.append(event.waited_s)


@pytest.fixture
def blocked() -> Blocked:
    return Blocked()


@pytest.fixture
def migrator(project: ProjectFolder, database_url: str, told: Told, blocked: Blocked) -> Migrator:
    return Migrator(project.ini, url=database_url, listeners=[told, blocked])


async def begin(project: ProjectFolder, migrator: Migrator, *statements: str, setup: str = TWICE) -> None:
    """r1, applied, makes the table; r2, not transactional, is to run the statements."""
    project.revision("r1", upgrade=f"op.execute({setup!r})")
    await migrator.upgrade()
    body = "\n".join(f"op.execute({statement!r})" for statement in statements)
    path = project.revision("r2", "r1", upgrade=body)
    path.write_text(path.read_text().replace("down_rev", "transactional = False\ndown_rev"))


# -- whose it is -------------------------------------------------------------------------------------


async def test_its_own_invalid_index_is_replaced_aloud_and_on_record(
    project: ProjectFolder, database_url: str, migrator: Migrator, told: Told
) -> None:
    await begin(project, migrator, UNIQUE)
    for _ in range(2):  # the second leaves another, which is its own, too
        with pytest.raises(StepFailedError):
            await migrator.upgrade()
        assert indexes(database_url) == {"ix": False}
    assert journal(database_url)[0]["repaired"] == ["public.ix"]
    execute(database_url, "DELETE FROM t WHERE w = 1")
    told.clear()
    await migrator.upgrade()
    assert indexes(database_url) == {"ix": True}
    assert told == ["dropping the INVALID index public.ix, which an interrupted attempt left"]
    assert journal(database_url)[0]["repaired"] == ["public.ix", "public.ix"]
    assert versions(database_url) == ["r2"]


async def test_a_strangers_invalid_index_is_refused_alike_in_every_run_and_never_dropped(
    project: ProjectFolder, database_url: str, migrator: Migrator
) -> None:
    await begin(project, migrator, "CREATE INDEX CONCURRENTLY ix ON t (v)")
    invalid(database_url, "ix")
    before = oid(database_url, "ix")
    for _ in range(3):
        with pytest.raises(StepFailedError, match=r"public\.ix of public\.t is INVALID"):
            await migrator.upgrade()
        assert oid(database_url, "ix") == before
        assert journal(database_url) == []
    assert (await migrator.status()).state is State.BEHIND


async def test_a_strangers_valid_index_of_that_name_is_never_taken_for_the_revisions(
    project: ProjectFolder, database_url: str, migrator: Migrator
) -> None:
    await begin(project, migrator, "CREATE INDEX CONCURRENTLY ix ON t (w)")
    execute(database_url, "CREATE INDEX ix ON t (v)")
    for _ in range(3):
        with pytest.raises(StepFailedError, match="already exists"):
            await migrator.upgrade()
    assert versions(database_url) == ["r1"]


async def test_a_strangers_index_that_comes_just_before_the_statement_begins_is_a_strangers(
    project: ProjectFolder, database_url: str, migrator: Migrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begin(project, migrator, UNIQUE)
    look = clearing.Clearing.look

    def late(*arguments: object) -> object:
        remains = look(*arguments)  # type: ignore[arg-type]  # handed through
        invalid(database_url, "ix")
        return remains

    with monkeypatch.context() as patched:
        patched.setattr(clearing.Clearing, "look", late)
        with pytest.raises(StepFailedError, match="already exists"):
            await migrator.upgrade()
    before = oid(database_url, "ix")
    for _ in range(2):
        with pytest.raises(StepFailedError, match=r"public\.ix of public\.t is INVALID"):
            await migrator.upgrade()
    assert oid(database_url, "ix") == before


@pytest.mark.parametrize("on", ["t (w, v)", "t (v) WHERE v > 0", "t (v DESC)"])
async def test_an_index_that_somebody_made_in_its_place_meanwhile_is_not_dropped(
    project: ProjectFolder, database_url: str, migrator: Migrator, on: str
) -> None:
    await begin(project, migrator, UNIQUE)
    with pytest.raises(StepFailedError):
        await migrator.upgrade()
    execute(database_url, "DROP INDEX ix", "INSERT INTO t SELECT * FROM t")
    invalid(database_url, "ix", on)
    before = oid(database_url, "ix")
    for _ in range(2):
        with pytest.raises(StepFailedError, match=r"public\.ix of public\.t is INVALID"):
            await migrator.upgrade()
    assert oid(database_url, "ix") == before


async def test_a_valid_index_that_somebody_made_in_its_place_meanwhile_is_not_taken_for_it(
    project: ProjectFolder, database_url: str, migrator: Migrator
) -> None:
    await begin(project, migrator, UNIQUE)
    with pytest.raises(StepFailedError):
        await migrator.upgrade()
    execute(database_url, "DROP INDEX ix", "CREATE INDEX ix ON t (v)")  # it is not unique
    for _ in range(2):
        with pytest.raises(StepFailedError, match="already exists"):
            await migrator.upgrade()
    assert versions(database_url) == ["r1"]


async def test_its_index_is_taken_as_done_when_it_is_valid_and_as_described(
    project: ProjectFolder, database_url: str, migrator: Migrator, told: Told
) -> None:
    await begin(project, migrator, UNIQUE)
    with pytest.raises(StepFailedError):
        await migrator.upgrade()
    execute(database_url, "DELETE FROM t WHERE w = 1", "REINDEX INDEX CONCURRENTLY ix")
    before = oid(database_url, "ix")
    await migrator.upgrade()
    assert (oid(database_url, "ix"), versions(database_url)) == (before, ["r2"])
    assert [message for message in told if "not run again" in message]


async def test_a_role_that_may_make_no_temporary_tables_resumes_as_well(
    project: ProjectFolder, database_url: str
) -> None:
    url = DatabaseURL.parse(database_url)
    with psycopg.connect(database_url) as connection:
        create_role(connection, url)
    execute(
        database_url,
        f'REVOKE TEMPORARY ON DATABASE "{url.name}" FROM PUBLIC',
        f'GRANT CREATE ON SCHEMA public TO "{url.name}"',
    )
    try:
        migrator = Migrator(project.ini, url=dataclasses.replace(url, user=url.name).render())
        await begin(project, migrator, UNIQUE)
        with pytest.raises(StepFailedError):
            await migrator.upgrade()
        execute(database_url, "DELETE FROM t WHERE w = 1")
        await migrator.upgrade()
        assert indexes(database_url) == {"ix": True}
    finally:
        execute(database_url, f'DROP OWNED BY "{url.name}"', f'DROP ROLE "{url.name}"')


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ('"Mixed Case"', '"S x"."T"'),
        ('"do""uble"', '"S x"."T"'),
        ("i" * 70, '"S x" . "T"'),
        ("ü" * 40, 'ONLY "S x"."T"'),
        ("/* how */ FOLDED -- why\n", '"S x"."T"'),
    ],
)
async def test_names_are_read_as_the_server_reads_them(
    project: ProjectFolder, database_url: str, migrator: Migrator, name: str, table: str
) -> None:
    execute(database_url, 'CREATE SCHEMA "S x"')
    statement = f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} (v)"
    await begin(project, migrator, statement, setup=TWICE.replace("TABLE t ", 'TABLE "S x"."T" '))
    with pytest.raises(StepFailedError):
        await migrator.upgrade()
    execute(database_url, 'DELETE FROM "S x"."T" WHERE w = 1')
    await migrator.upgrade()
    assert query(database_url, "SELECT 1 FROM pg_index WHERE NOT indisvalid") == []
    assert versions(database_url) == ["r2"]


async def test_an_index_without_a_name_is_refused_before_it_begins(
    project: ProjectFolder, database_url: str, migrator: Migrator
) -> None:
    await begin(project, migrator, "CREATE INDEX CONCURRENTLY ON t (v)")
    for _ in range(2):
        with pytest.raises(StepFailedError, match="without a name") as caught:
            await migrator.upgrade()
        assert "Give the index a name" in str(caught.value.hint)
    assert (indexes(database_url), journal(database_url)) == ({}, [])


# -- REINDEX and DROP --------------------------------------------------------------------------------

REINDEXED = "CREATE TABLE t (v text, w int)"


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("REINDEX INDEX CONCURRENTLY ia", "ia"),
        ("REINDEX TABLE CONCURRENTLY t", "ia"),
        ("REINDEX (CONCURRENTLY, VERBOSE) TABLE t", "ia"),
        ("REINDEX SCHEMA CONCURRENTLY public", "ia"),
        (f"REINDEX INDEX CONCURRENTLY {'i' * 70}", "i" * 70),
    ],
)
async def test_what_reindex_left_goes_and_what_looks_like_it_stays(
    project: ProjectFolder, database_url: str, migrator: Migrator, told: Told, statement: str, name: str
) -> None:
    await begin(project, migrator, statement, setup=REINDEXED)
    execute(database_url, f"CREATE INDEX {name} ON t (w)", "INSERT INTO t VALUES ('a', 1), ('a', 1)")
    invalid(database_url, f"{name[:56]}_ccnew")  # the name that REINDEX would take first
    invalid(database_url, "mine_ccnew")
    kept = indexes(database_url)
    await interrupted(migrator, database_url)
    left = indexes(database_url)
    assert left.keys() > kept.keys()
    invalid(database_url, "other_ccnew1")  # somebody's failure while the state is dirty
    kept["other_ccnew1"] = False
    await migrator.upgrade()
    assert indexes(database_url) == kept
    assert len([message for message in told if message.startswith("dropping")]) == len(left) - len(kept) + 1
    assert versions(database_url) == ["r2"]


async def test_what_reindex_left_on_a_partition_goes(
    project: ProjectFolder, database_url: str, migrator: Migrator
) -> None:
    statement = "REINDEX INDEX CONCURRENTLY ip"
    await begin(project, migrator, statement, setup="CREATE TABLE p (v int) PARTITION BY LIST (v)")
    execute(database_url, "CREATE TABLE t PARTITION OF p FOR VALUES IN (1)", "CREATE INDEX ip ON p (v)")
    await interrupted(migrator, database_url)
    assert False in indexes(database_url).values()
    await migrator.upgrade()
    assert set(indexes(database_url).values()) == {True}


async def test_a_reindex_that_is_under_way_elsewhere_is_not_robbed(
    project: ProjectFolder, database_url: str, migrator: Migrator
) -> None:
    await begin(project, migrator, "REINDEX INDEX CONCURRENTLY ia", setup=REINDEXED)
    execute(database_url, "CREATE INDEX ia ON t (w)")
    await interrupted(migrator, database_url)
    execute(database_url, "DROP INDEX ia_ccnew")
    await a_build_elsewhere_is_waited_for(migrator, database_url, "REINDEX INDEX CONCURRENTLY ia", "ia_ccnew")
    await migrator.upgrade()
    assert indexes(database_url)["ia"] is True
    assert versions(database_url) == ["r2"]


async def test_an_index_that_somebody_is_building_in_its_place_is_not_robbed(
    project: ProjectFolder, database_url: str, migrator: Migrator
) -> None:
    await begin(project, migrator, UNIQUE)
    with pytest.raises(StepFailedError):
        await migrator.upgrade()
    execute(database_url, "DROP INDEX ix", "DELETE FROM t WHERE w = 1")
    await a_build_elsewhere_is_waited_for(migrator, database_url, UNIQUE, "ix")
    built = oid(database_url, "ix")
    await migrator.upgrade()
    assert (oid(database_url, "ix"), versions(database_url)) == (built, ["r2"])


async def a_build_elsewhere_is_waited_for(migrator: Migrator, url: str, build: str, name: str) -> None:
    with in_the_way(url):
        elsewhere = asyncio.ensure_future(asyncio.to_thread(execute, url, build))
        await until(lambda: indexes(url).get(name) is False and query(url, WAITS_AT_AN_INDEX))
        builder = query(url, WAITS_AT_AN_INDEX)[0][0]
        before = oid(url, name)
        with pytest.raises(DirtyError, match=rf"pid {builder}\b"):
            await migrator.upgrade(options=NOT_WAITING)
        assert oid(url, name) == before
    await elsewhere


async def test_an_interrupted_drop_is_done_again_or_was_done_already(
    project: ProjectFolder, database_url: str, migrator: Migrator, told: Told
) -> None:
    drop = "DROP INDEX CONCURRENTLY ia"
    await begin(project, migrator, drop, "DROP INDEX CONCURRENTLY ib", setup=REINDEXED)
    execute(database_url, "CREATE INDEX ia ON t (w)", "CREATE INDEX ib ON t (w)")
    await interrupted(migrator, database_url)
    assert indexes(database_url)["ia"] is False
    execute(database_url, drop)  # as if the first attempt had come to this end
    await migrator.upgrade()
    assert indexes(database_url) == dict.fromkeys(indexes(database_url), True)
    assert [message for message in told if message.endswith(drop)]
    assert versions(database_url) == ["r2"]


async def test_dropping_what_never_was_fails_in_every_run(
    project: ProjectFolder, database_url: str, migrator: Migrator
) -> None:
    await begin(project, migrator, "DROP INDEX CONCURRENTLY nobodys")
    for _ in range(2):
        with pytest.raises(StepFailedError, match="does not exist"):
            await migrator.upgrade()
    assert versions(database_url) == ["r1"]


# -- who is waited for -------------------------------------------------------------------------------


async def test_an_orphan_that_is_still_building_is_named_and_waited_for(
    project: ProjectFolder, database_url: str, migrator: Migrator, told: Told
) -> None:
    statement = "CREATE INDEX CONCURRENTLY ix ON t (v)"
    await begin(project, migrator, statement)
    with (
        in_the_way(database_url) as other,
        psycopg.connect(database_url, autocommit=True) as server_process,
    ):
        orphan = server_process.info.backend_pid
        on_record_as_begun(database_url, statement, orphan)
        building = asyncio.ensure_future(asyncio.to_thread(server_process.execute, statement.encode()))
        await until(lambda: query(database_url, WAITS_AT_AN_INDEX))
        with pytest.raises(DirtyError, match=rf"pid {orphan}\b") as caught:
            await migrator.upgrade(options=NOT_WAITING)
        assert "pg_terminate_backend" in str(caught.value.hint)
        run = asyncio.ensure_future(migrator.upgrade())
        await until(lambda: [message for message in told if f"waiting for pid {orphan}" in message])
        other.rollback()
        await building
        await run
    assert indexes(database_url) == {"ix": True}
    assert versions(database_url) == ["r2"]


async def test_whoever_got_an_orphans_number_is_not_waited_for(
    project: ProjectFolder, database_url: str, migrator: Migrator
) -> None:
    await begin(project, migrator, "CREATE INDEX CONCURRENTLY ix ON t (v)")
    with psycopg.connect(database_url) as somebody:
        pid = somebody.info.backend_pid
        on_record_as_begun(database_url, "CREATE INDEX CONCURRENTLY ix ON t (v)", pid)
        somebody.execute("SELECT 1")  # idle in a transaction that nothing waits for
        with pytest.raises(DirtyError, match=rf"pid {pid}\b"):
            await migrator.upgrade(options=NOT_WAITING)
        execute(
            database_url,
            "UPDATE migration_history SET journal = jsonb_set(journal, '{0,backend_start}', "
            "'\"2001-01-01T00:00:00.000000Z\"') WHERE jsonb_array_length(journal) > 0",
        )
        await migrator.upgrade(options=NOT_WAITING)
    assert versions(database_url) == ["r2"]


def on_record_as_begun(url: str, statement: str, pid: int) -> None:
    """The ledger says that a run, which is no more, began the statement in a server process."""
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool)
    ledger = Ledger()
    with engine.connect() as connection:
        entry = NewEntry("dead", "r2", Operation.UPGRADE, transactional=False)
        id_ = ledger.open(connection, entry)
        ledger.journal(connection, id_, statement, 0, backend_pid=pid, indexes_before=())


async def test_a_read_of_the_revisions_own_does_not_hold_up_the_clearing(
    project: ProjectFolder, database_url: str, migrator: Migrator
) -> None:
    await begin(project, migrator, "SELECT count(*) FROM t", UNIQUE)
    with pytest.raises(StepFailedError):
        await migrator.upgrade()
    execute(database_url, "DELETE FROM t WHERE w = 1")
    async with asyncio.timeout(45):  # less than the clearing may take
        await migrator.upgrade()
    assert indexes(database_url) == {"ix": True}


async def test_clearing_gives_up_after_a_while_and_goes_on_in_the_next_run(
    project: ProjectFolder, database_url: str, migrator: Migrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begin(project, migrator, UNIQUE)
    with pytest.raises(StepFailedError):
        await migrator.upgrade()
    execute(database_url, "DELETE FROM t WHERE w = 1")
    with in_the_way(database_url), monkeypatch.context() as patched:
        patched.setattr(clearing, "DROP_WITHIN_MS", 300)
        async with asyncio.timeout(60):
            with pytest.raises(DirtyError, match=r"could not be dropped within 0\.3 s"):
                await migrator.upgrade()
    assert indexes(database_url) == {"ix": False}
    await migrator.upgrade()
    assert indexes(database_url) == {"ix": True}


async def test_clearing_is_more_patient_than_a_single_attempt_and_sets_nothing_for_the_rest(
    project: ProjectFolder, database_url: str, migrator: Migrator, blocked: Blocked
) -> None:
    seen = "CREATE TABLE seen AS SELECT current_setting('{}') AS limits"
    await begin(project, migrator, UNIQUE, seen.format("statement_timeout"))
    with pytest.raises(StepFailedError):
        await migrator.upgrade()
    execute(database_url, "DELETE FROM t WHERE w = 1")
    with in_the_way(database_url) as other:
        run = asyncio.ensure_future(migrator.upgrade())
        await until(lambda: run.done() or any(waited_s > 3 for waited_s in blocked))
        other.rollback()
        await run
    assert indexes(database_url) == {"ix": True}
    assert query(database_url, "SELECT limits FROM seen") == [("0",)]


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
async def test_a_read_keeps_no_old_snapshot_for_what_follows_it(
    project: ProjectFolder, database_url: str, migrator: Migrator, level: str
) -> None:
    name = query(database_url, "SELECT current_database()")[0][0]
    execute(database_url, f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'")
    await begin(project, migrator, "SELECT count(*) FROM t", "INSERT INTO t VALUES (2, 3)", "SELECT 1")
    await migrator.upgrade()
    assert query(database_url, "SELECT count(*) FROM t") == [(3,)]
    assert versions(database_url) == ["r2"]
