"""The ledger on a real PostgreSQL, through both drivers."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event, text

from headway import ConfigurationError, DatabaseError, DatabaseURL, LedgerError
from headway.database import create_engine
from headway.ledger import (
    JournalledStatement,
    Ledger,
    LedgerEntry,
    LedgerNames,
    NewEntry,
    Operation,
    Outcome,
    ledger_filter,
    schema,
    statements,
)
from headway.session import open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

T = TypeVar("T")


class Desk:
    """Runs synchronous work on a connection of its own, as a session does; psycopg or asyncpg."""

    def __init__(self, url: str, driver: str) -> None:
        self.url = url
        self.driver = driver

    def __call__(self, work: Callable[[Connection], T]) -> T:
        if self.driver == "asyncpg":
            return asyncio.run(self._on_asyncpg(work))
        engine = sa.create_engine(sa.make_url(self.url).set(drivername="postgresql+psycopg"))
        try:
            with engine.connect() as connection:
                return work(connection)
        finally:
            engine.dispose()

    async def _on_asyncpg(self, work: Callable[[Connection], T]) -> T:
        engine = create_engine(DatabaseURL.parse(self.url))
        async with engine.connect() as connection:
            return await connection.run_sync(work)

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(params=["asyncpg", "psycopg"])
def on(request: pytest.FixtureRequest, database_url: str) -> Desk:
    return Desk(database_url, request.param)


@pytest.fixture
def desk(database_url: str) -> Desk:
    """One driver, where the driver is not the point."""
    return Desk(database_url, "psycopg")


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def upgrade(revision: str, run_id: str = "run1", **more: Any) -> NewEntry:
    return NewEntry(run_id, revision, more.pop("operation", Operation.UPGRADE), **more)


def done(
    connection: Connection, ledger: Ledger, entry: NewEntry, outcome: Outcome = Outcome.SUCCEEDED
) -> int:
    id_ = ledger.open(connection, entry)
    ledger.close(connection, id_, outcome, duration_ms=1.5)
    return id_


# -- making it -----------------------------------------------------------------------------------------------


def test_the_ledger_is_made_once_and_then_only_looked_at(on: Desk, ledger: Ledger) -> None:
    def work(connection: Connection) -> list[str]:
        assert not ledger.exists(connection)
        ledger.prepare(connection)
        assert ledger.exists(connection)
        sent: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *_: sent.append(_[2].strip()))
        ledger.prepare(connection)
        assert not connection.in_transaction()
        return sent

    sent = on(work)
    assert len(sent) == 1
    assert sent[0].startswith("SELECT")
    assert on.sql("SELECT version, applied_at, description FROM schema_migrations") == []
    assert on.sql("SELECT obj_description('migration_history'::regclass) LIKE 'Ledger of headway%'") == [
        (True,)
    ]


@pytest.mark.parametrize(
    ("ddl", "what"),
    [
        ("CREATE TABLE migration_history (id bigint, revision text)", "public.migration_history is a table"),
        ("CREATE VIEW migration_history AS SELECT 1 AS ledger_layout", "migration_history is a view"),
        ("CREATE SEQUENCE migration_history", "migration_history is a sequence"),
        ("CREATE TABLE schema_migrations (version text)", "public.schema_migrations is a table"),
        ("CREATE VIEW schema_migrations AS SELECT 1 AS version", "schema_migrations is a view"),
    ],
)
def test_what_headway_did_not_make_is_refused_and_left_alone(
    desk: Desk, ledger: Ledger, ddl: str, what: str
) -> None:
    desk.sql(ddl)
    relations = "SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    before = desk.sql(relations)
    with pytest.raises(LedgerError) as raised:
        desk(ledger.prepare)
    assert what in raised.value.message
    assert raised.value.exit_code == 7
    assert "another name" in (raised.value.hint or "")
    assert desk.sql(relations) == before
    assert desk(ledger.entries) == ()
    assert not desk(ledger.exists)


def test_a_ledger_is_made_beside_a_foreign_table_under_other_names(desk: Desk) -> None:
    desk.sql("CREATE TABLE schema_migrations (version text)")
    ledger = Ledger(LedgerNames(view="headway_applied"))
    desk(ledger.prepare)
    desk(lambda connection: done(connection, ledger, upgrade("r1")))
    assert desk.sql("SELECT version FROM headway_applied") == [("r1",)]


def test_eight_that_make_it_at_once_all_find_it_made(database_url: str) -> None:
    names = LedgerNames(schema="records")
    desk = Desk(database_url, "psycopg")
    together = threading.Barrier(8)

    def work(connection: Connection) -> None:
        connection.execute(text("SELECT 1"))
        connection.rollback()
        together.wait(120)
        Ledger(names).prepare(connection)

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(desk, work) for _ in range(8)]:
            future.result(120)
    assert desk.sql("SELECT count(*) FROM records.migration_history") == [(0,)]


def test_an_older_layout_is_brought_up_and_keeps_its_entries(
    desk: Desk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk(ledger.prepare)
    desk(lambda connection: done(connection, ledger, upgrade("r1")))
    third = (
        "ALTER TABLE {history} ALTER ledger_layout SET DEFAULT 3",
        "ALTER TABLE {history} ADD extra text",
    )
    monkeypatch.setattr(schema, "LAYOUTS", (*schema.LAYOUTS, third))
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(desk, Ledger().prepare) for _ in range(2)]:
            future.result(120)
    assert desk.sql("SELECT revision, extra FROM migration_history") == [("r1", None)]
    assert desk(ledger.verify) == ()


def test_a_ledger_made_by_a_newer_headway_is_refused_and_can_be_read(desk: Desk, ledger: Ledger) -> None:
    desk(ledger.prepare)
    desk(lambda connection: done(connection, ledger, upgrade("r1")))
    desk.sql("ALTER TABLE migration_history ALTER ledger_layout SET DEFAULT 99")
    with pytest.raises(LedgerError, match="layout is 99"):
        desk(Ledger().prepare)
    assert [entry.revision for entry in desk(Ledger().entries)] == ["r1"]


def test_a_view_that_was_dropped_is_made_again(desk: Desk, ledger: Ledger) -> None:
    desk(ledger.prepare)
    desk.sql("DROP VIEW schema_migrations")
    desk(ledger.prepare)
    assert desk.sql("SELECT * FROM schema_migrations") == []


def test_names_with_quotes_capitals_percent_signs_and_colons_are_kept(on: Desk) -> None:
    names = LedgerNames(schema='My "schema" 100% a:b {x}', history="Was 'wann' :id", view="Jetzt%s")
    ledger = Ledger(names)

    def work(connection: Connection) -> tuple[LedgerEntry, ...]:
        ledger.prepare(connection)
        ledger.prepare(connection)
        id_ = ledger.open(connection, upgrade("r1", transactional=False))
        ledger.journal(connection, id_, "SELECT 1", 0)
        ledger.journal_done(connection, id_, 0)
        ledger.close(connection, id_, Outcome.SUCCEEDED, duration_ms=1)
        assert ledger.verify(connection) == ()
        return ledger.entries(connection)

    assert [entry.revision for entry in on(work)] == ["r1"]
    assert on.sql('SELECT version FROM "My ""schema"" 100% a:b {x}"."Jetzt%s"') == [("r1",)]


@pytest.mark.parametrize("name", ["", "x" * 64, "ü" * 32])
def test_a_name_that_postgresql_would_not_keep_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="not a name PostgreSQL keeps"):
        LedgerNames(history=name)


def test_table_and_view_cannot_share_a_name() -> None:
    with pytest.raises(ConfigurationError, match="both called"):
        LedgerNames(history="a", view="a")


def test_without_a_schema_in_the_search_path_the_ledger_says_so(desk: Desk, ledger: Ledger) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text("SET search_path = nowhere"))
        connection.commit()
        ledger.prepare(connection)

    with pytest.raises(LedgerError, match="no schema for the ledger"):
        desk(work)


def test_a_role_that_may_not_create_is_told_what_to_grant(database_url: str) -> None:
    desk = Desk(database_url, "psycopg")
    role = f"reader_{sa.make_url(database_url).database}"
    desk.sql(f"CREATE ROLE {role} LOGIN")
    desk.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")

    async def work() -> None:
        async with open_session(DatabaseURL.parse(database_url)) as session:

            def prepare(connection: Connection) -> None:
                connection.execute(text(f"SET ROLE {role}"))
                connection.commit()
                Ledger().prepare(connection)

            await session.run(prepare)

    try:
        with pytest.raises(DatabaseError) as raised:
            asyncio.run(work())
    finally:
        desk.sql(f"DROP ROLE {role}")
    assert raised.value.sqlstate == "42501"
    assert "GRANT what the message names" in (raised.value.hint or "")


# -- writing -------------------------------------------------------------------------------------------------


def test_an_entry_says_who_what_when_where_and_with_what(on: Desk, ledger: Ledger) -> None:
    new = upgrade("r1", description="create users", checksum="ab" * 32, statements_total=3)

    def work(connection: Connection) -> LedgerEntry:
        ledger.prepare(connection)
        id_ = ledger.open(connection, new)
        ledger.close(
            connection,
            id_,
            Outcome.FAILED,
            duration_ms=12.3456,
            sqlstate="42P01",
            error="no such table",
            statements_done=2,
        )
        return ledger.entries(connection)[0]

    entry = on(work)
    server, user = on.sql("SELECT current_setting('server_version'), session_user::text")[0]
    assert (entry.id, entry.run_id, entry.revision, entry.operation) == (1, "run1", "r1", Operation.UPGRADE)
    assert (entry.outcome, entry.sqlstate, entry.error) == (Outcome.FAILED, "42P01", "no such table")
    assert (entry.description, entry.checksum, entry.transactional) == ("create users", "ab" * 32, True)
    assert (entry.duration_ms, entry.statements_done, entry.statements_total) == (12.346, 2, 3)
    assert (entry.database_user, entry.os_user, entry.host) == (user, new.os_user, new.host)
    assert entry.versions == {**new.versions, "server": server}
    assert set(entry.versions) == {"headway", "alembic", "python", "server"}
    assert entry.finished_at is not None
    assert entry.started_at <= entry.finished_at
    assert entry.started_at.tzinfo is UTC
    assert datetime.now(UTC) - entry.finished_at < timedelta(minutes=5)
    assert entry.previous_hash is None
    assert len(entry.hash or "") == 64


def test_a_step_that_is_rolled_back_stays_on_record_as_running_and_then_as_failed(
    on: Desk, ledger: Ledger
) -> None:
    on(ledger.prepare)
    id_ = on(lambda connection: ledger.open(connection, upgrade("r1")))

    def ddl(connection: Connection) -> None:
        with connection.begin() as transaction:
            connection.execute(text("CREATE TABLE users (id int)"))
            ledger.close(connection, id_, Outcome.SUCCEEDED, duration_ms=1)
            transaction.rollback()

    on(ddl)
    assert on.sql("SELECT outcome, hash FROM migration_history") == [("running", None)]
    on(lambda connection: ledger.close(connection, id_, Outcome.FAILED, duration_ms=1, error="boom"))
    assert on.sql("SELECT outcome, error FROM migration_history") == [("failed", "boom")]
    assert on(ledger.verify) == ()


def test_a_success_is_committed_with_the_step_itself(on: Desk, ledger: Ledger) -> None:
    on(ledger.prepare)
    id_ = on(lambda connection: ledger.open(connection, upgrade("r1")))

    def ddl(connection: Connection) -> None:
        with connection.begin():
            # What a revision may leave behind must not lead the ledger astray.
            connection.execute(text("SET search_path = nowhere"))
            connection.execute(text("SET LOCAL TimeZone = 'Asia/Kathmandu'"))
            ledger.close(connection, id_, Outcome.SUCCEEDED, duration_ms=1)
            assert on.sql("SELECT outcome FROM migration_history") == [("running",)]

    on(ddl)
    assert on.sql("SELECT outcome FROM migration_history") == [("succeeded",)]
    assert on(ledger.verify) == ()


def test_a_revision_that_sets_the_search_path_does_not_hide_the_ledger(desk: Desk, ledger: Ledger) -> None:
    desk.sql("CREATE SCHEMA tenant")

    def work(connection: Connection) -> tuple[LedgerEntry, ...]:
        ledger.prepare(connection)
        done(connection, ledger, upgrade("r1"))
        connection.execute(text("SET search_path = tenant"))
        connection.commit()
        done(connection, ledger, upgrade("r2"))
        return ledger.entries(connection)

    assert [entry.revision for entry in desk(work)] == ["r2", "r1"]


def test_a_closed_entry_is_never_changed_again(on: Desk, ledger: Ledger) -> None:
    on(ledger.prepare)
    id_ = on(lambda connection: done(connection, ledger, upgrade("r1")))
    before = on(ledger.entries)
    for again in (
        lambda connection: ledger.close(connection, id_, Outcome.FAILED, duration_ms=1),
        lambda connection: ledger.journal(connection, id_, "SELECT 1", 0),
        lambda connection: ledger.journal_done(connection, id_, 0),
        lambda connection: ledger.close(connection, 99, Outcome.FAILED, duration_ms=1),
    ):
        with pytest.raises(LedgerError, match="not open"):
            on(again)
    assert on(ledger.entries) == before


def test_an_entry_is_not_closed_as_running(desk: Desk, ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="not closed as running"):
        desk(lambda connection: ledger.close(connection, 1, Outcome.RUNNING, duration_ms=None))


def test_no_entry_follows_one_that_is_open(on: Desk, ledger: Ledger) -> None:
    on(ledger.prepare)
    on(lambda connection: ledger.open(connection, upgrade("r1")))
    with pytest.raises(LedgerError, match="still open"):
        on(lambda connection: ledger.open(connection, upgrade("r2")))
    with pytest.raises(LedgerError, match="still open"):
        on(lambda connection: ledger.record(connection, [upgrade("r2"), upgrade("r3")]))
    assert len(on(ledger.entries)) == 1


def test_what_a_dead_run_left_open_is_closed_as_interrupted(on: Desk, ledger: Ledger) -> None:
    on(ledger.prepare)
    assert on(ledger.interrupt_abandoned) == ()
    on(lambda connection: done(connection, ledger, upgrade("r1"), Outcome.INTERRUPTED))
    id_ = on(lambda connection: ledger.open(connection, upgrade("r2")))
    assert [entry.id for entry in on(ledger.interrupt_abandoned)] == [id_]
    newest = on(ledger.entries)[0]
    assert (newest.outcome, newest.duration_ms) == (Outcome.INTERRUPTED, None)
    assert newest.finished_at is not None
    with pytest.raises(LedgerError, match="not open"):  # the dead run was only slow: its step is rolled back
        on(lambda connection: ledger.close(connection, id_, Outcome.SUCCEEDED, duration_ms=1))
    on(lambda connection: done(connection, ledger, upgrade("r2")))
    assert on(ledger.verify) == ()


def test_text_that_postgresql_cannot_hold_does_not_keep_a_step_off_the_record(
    on: Desk, ledger: Ledger
) -> None:
    def work(connection: Connection) -> LedgerEntry:
        ledger.prepare(connection)
        id_ = ledger.open(connection, upgrade("r1", description="zero \0, half \ud800, dash — "))
        ledger.journal(connection, id_, "SELECT '\0'", 0)
        ledger.close(connection, id_, Outcome.FAILED, duration_ms=1, error="\udcff")
        return ledger.entries(connection)[0]

    entry = on(work)
    assert entry.description == r"zero \x00, half \ud800, dash — "
    assert entry.journal[0].statement == r"SELECT '\x00'"
    assert entry.error == r"\udcff"


def test_a_database_in_latin1_takes_a_description_in_any_letters(server_url: str, database_url: str) -> None:
    name = f"{sa.make_url(database_url).database}_latin"
    server = Desk(server_url, "psycopg")
    with psycopg.connect(server_url, autocommit=True) as connection:
        latin = "TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"
        connection.execute(f"CREATE DATABASE {name} {latin}".encode())
    try:
        desk = Desk(
            sa.make_url(server_url).set(database=name).render_as_string(hide_password=False), "asyncpg"
        )
        ledger = Ledger()
        desk(ledger.prepare)
        desk(lambda connection: done(connection, ledger, upgrade("r1", description="größer → kleiner")))
        assert desk(ledger.entries)[0].description == r"gr\xf6\xdfer \u2192 kleiner"
        assert desk(ledger.verify) == ()
    finally:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


# -- the journal ---------------------------------------------------------------------------------------------


def test_the_journal_says_which_statements_are_done_and_who_ran_the_last(on: Desk, ledger: Ledger) -> None:
    def work(connection: Connection) -> tuple[LedgerEntry, tuple[int, datetime]]:
        ledger.prepare(connection)
        id_ = ledger.open(connection, upgrade("r1", transactional=False, statements_total=3))
        ledger.journal(connection, id_, "CREATE INDEX CONCURRENTLY a", 0)
        ledger.journal(connection, id_, "CREATE INDEX CONCURRENTLY a", 0)  # tried again
        with connection.begin():
            ledger.journal_done(connection, id_, 0)
        ledger.journal(connection, id_, "CREATE INDEX CONCURRENTLY b", 1)
        with connection.begin():
            me = connection.execute(
                text("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
            ).one()
        return ledger.entries(connection)[0], (me.pid, me.backend_start)

    entry, (pid, start) = on(work)
    assert [(line.position, line.statement, line.finished_at is None) for line in entry.journal] == [
        (0, "CREATE INDEX CONCURRENTLY a", False),
        (1, "CREATE INDEX CONCURRENTLY b", True),
    ]
    assert (entry.statements_done, entry.statements_total, entry.transactional) == (1, 3, False)
    assert (entry.backend_pid, entry.backend_start) == (pid, start)
    first, second = entry.journal
    assert first.finished_at is not None
    assert entry.started_at <= first.started_at <= first.finished_at <= second.started_at


def test_the_journal_names_the_process_that_another_connection_runs_statements_on(
    desk: Desk, ledger: Ledger
) -> None:
    desk(ledger.prepare)
    id_ = desk(lambda connection: ledger.open(connection, upgrade("r1")))
    with psycopg.connect(desk.url) as other:
        pid = other.info.backend_pid
        desk(lambda connection: ledger.journal(connection, id_, "SELECT 1", 0, backend_pid=pid))
        entry = desk(ledger.entries)[0]
    assert entry.backend_pid == pid
    assert entry.backend_start is not None


@pytest.mark.parametrize("position", [-1, 1, 2])
def test_a_journal_has_no_gaps(on: Desk, ledger: Ledger, position: int) -> None:
    on(ledger.prepare)
    id_ = on(lambda connection: ledger.open(connection, upgrade("r1")))
    with pytest.raises(LedgerError, match=f"statement {position + 1} of entry 1"):
        on(lambda connection: ledger.journal(connection, id_, "SELECT 1", position))
    with pytest.raises(LedgerError, match="not open"):
        on(lambda connection: ledger.journal_done(connection, id_, position))


def test_a_statement_that_is_done_is_not_journalled_anew(desk: Desk, ledger: Ledger) -> None:
    def work(connection: Connection) -> None:
        ledger.prepare(connection)
        id_ = ledger.open(connection, upgrade("r1"))
        ledger.journal(connection, id_, "SELECT 1", 0)
        ledger.journal_done(connection, id_, 0)
        with pytest.raises(LedgerError):
            ledger.journal(connection, id_, "SELECT 2", 0)
        with pytest.raises(LedgerError):
            ledger.journal_done(connection, id_, 0)

    desk(work)


def test_a_statement_can_be_journalled_when_it_is_done_and_marked_as_refused(
    on: Desk, ledger: Ledger
) -> None:
    def work(connection: Connection) -> tuple[LedgerEntry, LedgerEntry]:
        ledger.prepare(connection)
        id_ = ledger.open(connection, upgrade("r1", transactional=False))
        ledger.journal(connection, id_, "UPDATE", 0, digest="ab:cd", done=True, rowcount=3_000_000_000)
        ledger.journal(connection, id_, "VACUUM", 1, digest="ef:01")
        ledger.journal_rejected(connection, id_, 1, "55P03")
        with pytest.raises(LedgerError):
            ledger.journal_rejected(connection, id_, 0, "55P03")
        refused = ledger.entries(connection)[0]
        ledger.journal(connection, id_, "VACUUM", 1, digest="ef:02")
        return refused, ledger.entries(connection)[0]

    refused, again = on(work)
    update, vacuum = refused.journal
    assert (update.digest, update.rowcount, update.rejected) == ("ab:cd", 3_000_000_000, None)
    assert update.finished_at is not None
    assert update.started_at <= update.finished_at
    assert (vacuum.digest, vacuum.finished_at, vacuum.rejected) == ("ef:01", None, "55P03")
    assert refused.statements_done == 1
    assert (again.journal[1].digest, again.journal[1].rejected) == ("ef:02", None)


def _interrupt(connection: Connection, ledger: Ledger) -> None:
    """Leave an attempt at r2 with its first statement done and its second begun."""
    id_ = ledger.open(connection, upgrade("r2", transactional=False))
    ledger.journal(connection, id_, "SELECT 1", 0)
    ledger.journal_done(connection, id_, 0)
    ledger.journal(connection, id_, "SELECT 2", 1)
    ledger.interrupt_abandoned(connection)


def test_a_database_is_dirty_once_a_statement_was_begun_that_no_success_covers(
    on: Desk, ledger: Ledger
) -> None:
    def work(connection: Connection) -> None:
        ledger.prepare(connection)
        done(connection, ledger, upgrade("r1"), Outcome.FAILED)
        assert ledger.dirty(connection) is None  # rolled back whole
        id_ = ledger.open(connection, upgrade("r2", transactional=False))
        assert ledger.dirty(connection) is None  # nothing was begun
        ledger.journal(connection, id_, "SELECT 1", 0)
        found = ledger.dirty(connection)
        assert found is not None
        assert found.outcome is Outcome.RUNNING

    on(work)


def test_an_earlier_success_of_the_same_revision_does_not_hide_that_it_was_interrupted_since(
    desk: Desk, ledger: Ledger
) -> None:
    def work(connection: Connection) -> LedgerEntry | None:
        ledger.prepare(connection)
        done(connection, ledger, upgrade("r2"))
        done(connection, ledger, upgrade("r2", operation=Operation.DOWNGRADE))
        _interrupt(connection, ledger)
        return ledger.dirty(connection)

    found = desk(work)
    assert found is not None
    assert found.id == 3


def test_a_resumed_revision_stays_dirty_until_it_is_completed(on: Desk, ledger: Ledger) -> None:
    def work(connection: Connection) -> None:
        ledger.prepare(connection)
        _interrupt(connection, ledger)
        found = ledger.dirty(connection)
        assert found is not None
        assert (found.revision, found.outcome, found.statements_done) == ("r2", Outcome.INTERRUPTED, 1)
        id_ = ledger.open(connection, upgrade("r2", "run2", transactional=False, journal=found.journal))
        again = ledger.dirty(connection)
        assert again is not None
        assert (again.id, again.journal, again.statements_done) == (id_, found.journal, 1)
        ledger.journal(connection, id_, "SELECT 2", 1)
        ledger.journal_done(connection, id_, 1)
        assert ledger.dirty(connection) is not None
        ledger.close(connection, id_, Outcome.SUCCEEDED, duration_ms=1)
        assert ledger.dirty(connection) is None
        assert ledger.entries(connection)[0].statements_done == 2
        assert ledger.verify(connection) == ()

    on(work)


@pytest.mark.parametrize("operation", [Operation.STAMP, Operation.REPAIR, Operation.DOWNGRADE])
def test_a_repair_or_stamp_of_the_same_revision_ends_dirty_and_one_of_another_does_not(
    desk: Desk, ledger: Ledger, operation: Operation
) -> None:
    def work(connection: Connection) -> None:
        ledger.prepare(connection)
        id_ = ledger.open(connection, upgrade("r2", transactional=False))
        ledger.journal(connection, id_, "SELECT 1", 0)
        ledger.close(connection, id_, Outcome.FAILED, duration_ms=1)
        ledger.record(connection, [upgrade("r1", operation=operation)])
        assert ledger.dirty(connection) is not None
        ledger.record(connection, [upgrade("r2", operation=operation)])
        assert ledger.dirty(connection) is None

    desk(work)


# -- reading -------------------------------------------------------------------------------------------------


def test_without_a_ledger_every_question_has_an_empty_answer(on: Desk, ledger: Ledger) -> None:
    assert on(ledger.entries) == ()
    assert on(ledger.verify) == ()
    assert on(ledger.applied_at) == {}
    assert on(ledger.dirty) is None


def test_entries_come_newest_first_and_can_be_filtered(on: Desk, ledger: Ledger) -> None:
    def work(connection: Connection) -> None:
        ledger.prepare(connection)
        done(connection, ledger, upgrade("r1", "aaaa"))
        done(connection, ledger, upgrade("r10", "aaaa"), Outcome.FAILED)
        done(connection, ledger, upgrade("r10", "abbb"))
        done(connection, ledger, upgrade("r10", "abbb", operation=Operation.DOWNGRADE))
        done(connection, ledger, upgrade("r%", "abbb"))

        def ids(**filters: Any) -> list[int]:
            return [entry.id for entry in ledger.entries(connection, **filters)]

        assert ids() == [5, 4, 3, 2, 1]
        assert ids(limit=2) == [5, 4]
        assert ids(revision="r1") == [1]
        assert ids(revision="r") == [5, 4, 3, 2, 1]
        assert ids(revision="r%") == [5]
        assert ids(revision="x") == []
        assert ids(run_id="aa") == [2, 1]
        assert ids(outcome=Outcome.FAILED) == [2]
        assert ids(operation=Operation.DOWNGRADE) == [4]
        assert ids(revision="r10", outcome=Outcome.SUCCEEDED, limit=1) == [4]

    on(work)


def test_what_is_applied_follows_from_the_last_success_of_each_revision(on: Desk, ledger: Ledger) -> None:
    def work(connection: Connection) -> dict[str, datetime]:
        ledger.prepare(connection)
        done(connection, ledger, upgrade("r1", description="one"))
        done(connection, ledger, upgrade("r2", description="two"))
        done(connection, ledger, upgrade("r3"))
        done(connection, ledger, upgrade("r3", operation=Operation.DOWNGRADE))
        done(connection, ledger, upgrade("r2", operation=Operation.DOWNGRADE), Outcome.FAILED)
        done(connection, ledger, upgrade("r4"), Outcome.FAILED)
        ledger.record(
            connection,
            [
                upgrade("r5", operation=Operation.STAMP),
                upgrade("r1", operation=Operation.REPAIR),
                upgrade("r6", operation=Operation.BASELINE),
            ],
        )
        ledger.record(connection, [upgrade("r5", operation=Operation.STAMP, applied=False)])
        return dict(ledger.applied_at(connection))

    times = on(work)
    view = on.sql("SELECT version, applied_at, description FROM schema_migrations ORDER BY version")
    assert [(version, description) for version, _, description in view] == [
        ("r1", "one"),
        ("r2", "two"),
        ("r6", ""),
    ]
    assert times == {version: at for version, at, _ in view if at}
    assert set(times) == {"r1", "r2"}
    assert times["r1"] == on.sql("SELECT finished_at FROM migration_history WHERE id = 1")[0][0]


def test_revisions_applied_before_the_ledger_are_adopted_once_without_a_time(
    on: Desk, ledger: Ledger
) -> None:
    applied = {f"r{number}": f"number {number}" for number in range(300)}

    def work(connection: Connection) -> None:
        ledger.prepare(connection)
        adopted = ledger.adopt(connection, "run1", applied)
        assert [entry.revision for entry in adopted] == list(reversed(applied))
        assert {entry.operation for entry in adopted} == {Operation.BASELINE}
        assert ledger.adopt(connection, "run2", applied) == ()
        assert ledger.applied_at(connection) == {}
        assert ledger.verify(connection) == ()

    on(work)
    assert on.sql("SELECT count(*), count(applied_at) FROM schema_migrations") == [(300, 0)]


def test_what_came_or_went_behind_the_ledgers_back_is_adopted(desk: Desk, ledger: Ledger) -> None:
    def work(connection: Connection) -> tuple[LedgerEntry, ...]:
        ledger.prepare(connection)
        done(connection, ledger, upgrade("r1"))
        done(connection, ledger, upgrade("r2"))
        return ledger.adopt(connection, "run2", {"r1": "", "r3": "by hand"})

    adopted = desk(work)
    assert [(entry.revision, entry.applied) for entry in adopted] == [("r3", True), ("r2", False)]
    assert desk.sql("SELECT version FROM schema_migrations ORDER BY 1") == [("r1",), ("r3",)]


# -- the chain -----------------------------------------------------------------------------------------------


@pytest.fixture
def chained(desk: Desk, ledger: Ledger) -> Desk:
    """A database with four closed entries of every kind of content."""

    def work(connection: Connection) -> None:
        ledger.prepare(connection)
        done(connection, ledger, upgrade("r1", checksum="ab", statements_total=1))
        id_ = ledger.open(connection, upgrade("r2", transactional=False))
        ledger.journal(connection, id_, "SELECT 1", 0)
        ledger.close(connection, id_, Outcome.FAILED, duration_ms=2, sqlstate="40001", error="no")
        ledger.record(connection, [upgrade("r2", operation=Operation.STAMP)])
        done(connection, ledger, upgrade("r3"))

    desk(work)
    assert desk(ledger.verify) == ()
    return desk


TAMPERED = {
    "int8": "{0} + 100",
    "int4": "coalesce({0}, 0) + 1",
    "int2": "{0} + 1",
    "text": "coalesce({0}, '') || ' '",
    "bool": "NOT coalesce({0}, false)",
    "numeric": "coalesce({0}, 0) + 0.001",
    "timestamptz": "coalesce({0}, now()) + interval '1 microsecond'",
    "jsonb": "CASE jsonb_typeof({0}) WHEN 'array' THEN {0} || '[1]' ELSE {0} || '{{\"x\"\\: \"\"}}' END",
}
OF_A_CHOICE = {
    "operation": ["'upgrade'", "'downgrade'", "'stamp'", "'baseline'", "'repair'"],
    "outcome": ["'running'", "'succeeded'", "'failed'", "'interrupted'"],
}


def _forgeries(connection: Connection) -> Iterator[tuple[str, str]]:
    columns = connection.execute(
        text(
            "SELECT attname, typname::text, attnotnull "
            "FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid "
            "WHERE attrelid = 'migration_history'::regclass AND attnum > 0"
        )
    )
    for name, kind, required in columns.all():
        for value in OF_A_CHOICE.get(name, [TAMPERED[kind].format(name)]):
            yield name, value
        if not required:
            yield name, "NULL"


def test_a_change_of_any_field_of_any_closed_entry_is_found(chained: Desk, ledger: Ledger) -> None:
    def work(connection: Connection) -> set[str]:
        tried = set()
        with connection.begin():
            for name, value in list(_forgeries(connection)):
                for id_ in range(1, 5):
                    with connection.begin_nested() as forged:
                        changed = connection.execute(
                            text(
                                f"UPDATE migration_history SET {name} = {value} "  # noqa: S608  # our own
                                f"WHERE id = {id_} AND {name} IS DISTINCT FROM {value}"
                            )
                        ).rowcount
                        if changed:
                            tried.add(name)
                            broken = ledger.verify(connection)
                            assert broken, f"{name} = {value} in entry {id_} went unseen"
                        forged.rollback()
            assert ledger.verify(connection) == ()
        return tried

    tried = chained(work)
    every = chained.sql(
        "SELECT count(*) FROM information_schema.columns WHERE table_name = 'migration_history'"
    )
    assert every == [(len(tried),)]


@pytest.mark.parametrize(
    ("forgery", "said"),
    [
        ("DELETE FROM migration_history WHERE id = 1", "1 missing before entry 2 (upgrade r2)"),
        ("DELETE FROM migration_history WHERE id IN (2, 3)", "2 missing before entry 4 (upgrade r3)"),
        ("UPDATE migration_history SET error = 'ok' WHERE id = 2", "entry 2 (upgrade r2) was changed after"),
        (
            "UPDATE migration_history SET outcome = 'running', hash = NULL, finished_at = NULL WHERE id = 2",
            "is open",
        ),
        ("UPDATE migration_history SET id = id + 10 WHERE id = 4", "10 missing before entry 14"),
    ],
)
def test_what_was_done_to_the_chain_is_said(chained: Desk, ledger: Ledger, forgery: str, said: str) -> None:
    chained.sql(forgery)
    assert said in "\n".join(chained(ledger.verify))


def test_an_entry_rewritten_with_a_new_seal_is_given_away_by_the_next(chained: Desk, ledger: Ledger) -> None:
    seal = statements._seal("migration_history")
    chained.sql("UPDATE migration_history SET error = 'fine' WHERE id = 2")
    chained.sql(f"UPDATE migration_history SET hash = {seal} WHERE id = 2")  # noqa: S608  # our own
    (broken,) = chained(ledger.verify)
    assert broken.startswith("entry 3 (stamp r2) does not follow from the one before it")


def test_no_session_setting_breaks_a_seal(chained: Desk, ledger: Ledger) -> None:
    def work(connection: Connection) -> tuple[str, ...]:
        for setting in (
            "TimeZone = 'Pacific/Chatham'",
            "DateStyle = 'German, DMY'",
            "extra_float_digits = -5",
            "bytea_output = 'escape'",
            "IntervalStyle = 'iso_8601'",
            "standard_conforming_strings = on",
        ):
            connection.execute(text(f"SET {setting}"))
        connection.commit()
        assert ledger.applied_at(connection)["r1"].tzinfo is UTC
        return ledger.verify(connection)

    assert chained(work) == ()


# -- autogenerate --------------------------------------------------------------------------------------------


def _differences(connection: Connection, **options: Any) -> list[Any]:
    context = MigrationContext.configure(connection, opts=options)
    return [str(item[0]) + " " + item[1].name for item in compare_metadata(context, sa.MetaData())]


@pytest.mark.parametrize("schema_name", [None, "public", "records"])
def test_autogenerate_does_not_see_the_ledger(desk: Desk, schema_name: str | None) -> None:
    names = LedgerNames(schema=schema_name)
    desk(Ledger(names).prepare)
    desk.sql("CREATE TABLE users (id int)")
    options = {"include_schemas": True}
    unfiltered = desk(lambda connection: _differences(connection, **options))
    assert sorted(unfiltered) == ["remove_table migration_history", "remove_table users"]
    options["include_object"] = ledger_filter(names)  # type: ignore[assignment]  # options of two kinds
    assert desk(lambda connection: _differences(connection, **options)) == ["remove_table users"]


def test_the_users_own_filter_is_asked_about_everything_else(desk: Desk) -> None:
    desk(Ledger().prepare)
    desk.sql("CREATE TABLE users (id int)")
    desk.sql("CREATE TABLE legacy (id int)")
    asked: list[str] = []

    def own(_item: Any, name: str, *_: Any) -> bool:
        asked.append(name)
        return name != "legacy"

    options = {"include_object": ledger_filter(LedgerNames(), own)}
    assert desk(lambda connection: _differences(connection, **options)) == ["remove_table users"]
    assert "legacy" in asked
    assert "migration_history" not in asked


def test_a_users_table_that_only_shares_the_name_is_compared(desk: Desk) -> None:
    desk.sql("CREATE TABLE migration_history (id int)")
    options = {"include_object": ledger_filter(LedgerNames())}
    assert desk(lambda connection: _differences(connection, **options)) == ["remove_table migration_history"]


def test_a_journalled_statement_keeps_its_times_when_it_is_carried_over(on: Desk, ledger: Ledger) -> None:
    moment = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
    journal = (
        JournalledStatement(0, "SELECT 1", moment, moment, digest="ab:cd", rowcount=3),
        JournalledStatement(1, "SELECT 2", moment, rejected="55P03"),
    )

    def work(connection: Connection) -> LedgerEntry:
        ledger.prepare(connection)
        ledger.open(connection, upgrade("r1", transactional=False, journal=journal))
        return ledger.entries(connection)[0]

    assert on(work).journal == journal
