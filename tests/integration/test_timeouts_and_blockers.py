"""Timeouts as the server keeps them, and who is in the way when one runs out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg
import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from headway import DatabaseURL
from headway.errors import DatabaseError
from headway.peers import blockers_of, cancel_blockers
from headway.results import CancelBlockers
from headway.retry import RetryPolicy
from headway.session import Session, open_session
from headway.timeouts import Timeouts, restore_session, session_settings, set_local, set_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from sqlalchemy.engine import Connection

    from headway.results import Peer

pytestmark = pytest.mark.asyncio

CHECK_INTERVAL = "client_connection_check_interval"


@pytest_asyncio.fixture
async def session(database_url: str) -> AsyncIterator[Session]:
    async with open_session(DatabaseURL.parse(database_url)) as session:
        yield session


@pytest_asyncio.fixture
async def control(database_url: str) -> AsyncIterator[Session]:
    async with open_session(DatabaseURL.parse(database_url)) as session:
        yield session


def shown(connection: Connection, *names: str) -> list[Any]:
    return [connection.scalar(text(f"SHOW {name}")) for name in names]


def pid_of(connection: Connection) -> int:
    with connection.begin():
        return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)


def check_interval(connection: Connection) -> str:
    with connection.begin():
        return str(shown(connection, CHECK_INTERVAL)[0])


async def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # PostgreSQL sends no event for it
            await asyncio.sleep(0.01)


# -- timeouts ------------------------------------------------------------------------------------------


async def test_a_steps_timeouts_hold_for_its_transaction_and_override_what_the_role_has(
    session: Session,
) -> None:
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")

    def work(connection: Connection) -> tuple[list[Any], list[Any]]:
        with connection.begin():
            for name in names:
                connection.exec_driver_sql(f"SET {name} = '7s'")
        with connection.begin():
            set_local(connection, Timeouts(), 200)
            inside = shown(connection, *names)
        with connection.begin():
            return inside, shown(connection, *names)

    assert await session.run(work) == (["200ms", "0", "1min"], ["7s", "7s", "7s"])


async def test_a_lock_timeout_runs_out_with_its_own_sqlstate_and_is_retried(
    session: Session, database_url: str
) -> None:
    with psycopg.connect(database_url) as reader:
        reader.execute("CREATE TABLE t (id int)")
        reader.commit()
        reader.execute("SELECT FROM t")

        def alter(connection: Connection) -> None:
            with connection.begin():
                set_local(connection, Timeouts(), 100)
                connection.exec_driver_sql("ALTER TABLE t ADD COLUMN x int")

        started = time.monotonic()
        with pytest.raises(DatabaseError) as caught:
            await session.run(alter)
        assert time.monotonic() - started >= 0.1
        assert caught.value.sqlstate == "55P03"
        assert RetryPolicy().decide(1, caught.value.sqlstate, 0.1) is not None
        reader.rollback()
        await session.run(alter)


async def test_a_deadlock_is_retried(session: Session, database_url: str) -> None:
    with psycopg.connect(database_url) as other:
        other.execute("CREATE TABLE a (id int); CREATE TABLE b (id int); SET deadlock_timeout = '1min'")
        other.commit()
        other.execute("LOCK TABLE a")
        thread: list[threading.Thread] = []
        # Ours looks for a deadlock once, and theirs in a minute: the circle is to be closed by then, by us.
        waits = text("SELECT 1 FROM pg_locks WHERE pid = :pid AND NOT granted")

        def cross(connection: Connection) -> None:
            with connection.begin():
                connection.exec_driver_sql("SET LOCAL deadlock_timeout = '50ms'")
                connection.exec_driver_sql("LOCK TABLE b")
                thread.append(threading.Thread(target=other.execute, args=("LOCK TABLE b",)))
                thread[0].start()
                while not connection.scalar(waits, {"pid": other.info.backend_pid}):
                    connection.exec_driver_sql("SELECT pg_sleep(0.01)")
                connection.exec_driver_sql("LOCK TABLE a")

        with pytest.raises(DatabaseError) as caught:
            await session.run(cross)
        thread[0].join(60)
        assert caught.value.sqlstate == "40P01"
        assert RetryPolicy().decide(1, caught.value.sqlstate, 0.1) is not None


async def test_the_check_for_a_lost_client_is_set_for_the_session_and_put_back(session: Session) -> None:
    assert await session.run(lambda c: set_session(c, Timeouts(client_connection_check_interval_ms=3000)))
    assert await session.run(check_interval) == "3s"
    async with session_settings(session):
        assert await session.run(check_interval) == "500ms"
    assert await session.run(check_interval) == "3s"
    before = await session.run(lambda c: set_session(c, Timeouts()))
    assert before["client_connection_check_interval"] == "3000"
    await session.run(lambda c: restore_session(c, {}))
    assert await session.run(check_interval) == "500ms"


async def test_an_engine_that_reads_and_writes_jsonb_its_own_way_is_as_good(database_url: str) -> None:
    arguments = DatabaseURL.parse(database_url).connect_arguments()

    async def connect() -> Any:
        connection = await asyncpg.connect(**arguments)
        codec = {"encoder": json.dumps, "decoder": json.loads, "schema": "pg_catalog"}
        await connection.set_type_codec("jsonb", **codec)
        return connection

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect)
    async with open_session(engine) as session, session_settings(session):
        assert await session.run(check_interval) == "500ms"
    await engine.dispose()


async def test_a_value_the_server_cannot_take_is_no_error_and_changes_nothing(session: Session) -> None:
    # What an operating system without the means answers to any value but 0 has the same SQLSTATE.
    impossible = Timeouts(client_connection_check_interval_ms=2**40)
    before = await session.run(lambda c: set_session(c, impossible))
    assert "client_connection_check_interval" not in before
    async with session_settings(session, impossible):
        assert await session.run(check_interval) == "0"


async def test_an_error_is_not_hidden_by_a_connection_that_died_before_its_settings_were_put_back(
    session: Session, database_url: str
) -> None:
    async def work() -> None:
        async with session_settings(session):
            pid = await session.run(pid_of)
            with psycopg.connect(database_url, autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 30000)", [pid])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work()


async def test_the_statement_of_a_client_that_vanished_ends_soon(session: Session, control: Session) -> None:
    await session.run(lambda c: set_session(c, Timeouts()))
    pid = await session.run(pid_of)
    terminating: list[asyncio.Task[None]] = []

    def sleeps(connection: Connection) -> bool:
        with connection.begin():
            return bool(
                connection.scalar(
                    text("SELECT 1 FROM pg_stat_activity WHERE pid = :p AND wait_event = 'PgSleep'"),
                    {"p": pid},
                )
            )

    def vanish(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        loop = asyncio.get_running_loop()

        async def terminate() -> None:
            while not await control.run(sleeps):  # noqa: ASYNC110  # PostgreSQL sends no event for it
                await asyncio.sleep(0.01)
            driver.terminate()

        terminating.append(loop.create_task(terminate()))
        connection.exec_driver_sql("SELECT pg_sleep(600)")

    def gone(connection: Connection) -> bool:
        with connection.begin():
            return not connection.scalar(text("SELECT 1 FROM pg_stat_activity WHERE pid = :p"), {"p": pid})

    with pytest.raises(DatabaseError):
        await session.run(vanish)
    async with asyncio.timeout(60):  # in which the statement does not end by itself
        while not await control.run(gone):  # noqa: ASYNC110  # PostgreSQL sends no event for it
            await asyncio.sleep(0.05)


# -- who is in the way ---------------------------------------------------------------------------------


@contextlib.contextmanager
def waiting(url: str, statement: str) -> Iterator[tuple[int, list[BaseException | None]]]:
    """Run a statement in a thread; gives its process, and afterwards the error it ended with, or None."""
    connection = psycopg.connect(url, autocommit=True)
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            connection.execute(statement.encode())
        except psycopg.Error as error:
            ended.append(error)
        else:
            ended.append(None)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield connection.info.backend_pid, ended
    finally:
        connection.cancel_safe(timeout=30)
        thread.join(60)
        connection.close()
        assert not thread.is_alive()


async def reads(database_url: str, pid: int) -> None:
    """Wait until a session holds its lock on the table t."""
    held = "SELECT 1 FROM pg_locks WHERE pid = %s AND relation = 't'::regclass AND granted"
    with psycopg.connect(database_url, autocommit=True) as connection:
        await until(lambda: connection.execute(held, [pid]).fetchone())


async def blocked(control: Session, pid: int, *, by: int = 1) -> tuple[Peer, ...]:
    """Wait until so many are in the way."""
    async with asyncio.timeout(60):
        while len(peers := await control.run(lambda c: blockers_of(c, pid))) < by:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.01)
    return peers


async def test_who_waits_for_nobody_has_no_blockers(control: Session) -> None:
    pid = await control.run(pid_of)
    assert await control.run(lambda c: blockers_of(c, pid)) == ()
    assert await control.run(lambda c: blockers_of(c, 2**30)) == ()


async def test_blockers_are_named_oldest_first_with_what_they_run_and_since_when(
    control: Session, database_url: str
) -> None:
    with (
        psycopg.connect(database_url, application_name="report") as first,
        psycopg.connect(database_url, application_name="cron") as second,
    ):
        first.execute("CREATE TABLE t (id int)")
        first.commit()
        first.execute("SELECT count(*) FROM t")
        second.execute("SELECT 2 FROM t")
        with waiting(database_url, "ALTER TABLE t ADD COLUMN x int") as (pid, _):
            peers = await blocked(control, pid, by=2)
        assert [(peer.pid, peer.application_name, peer.query) for peer in peers] == [
            (first.info.backend_pid, "report", "SELECT count(*) FROM t"),
            (second.info.backend_pid, "cron", "SELECT 2 FROM t"),
        ]
    assert {(peer.state, peer.backend_type) for peer in peers} == {("idle in transaction", "client backend")}
    assert all(peer.since for peer in peers)


async def test_nobody_is_cancelled_unless_asked_and_an_idle_client_never(
    control: Session, database_url: str
) -> None:
    query = "SELECT pg_sleep(600) FROM t"
    with psycopg.connect(database_url) as idle:
        idle.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
        idle.commit()
        idle.execute("SELECT FROM t")
        with contextlib.ExitStack() as stack:
            busy, ended = stack.enter_context(waiting(database_url, query))
            await reads(database_url, busy)
            pid, done = stack.enter_context(waiting(database_url, "ALTER TABLE t ADD COLUMN x int"))
            await blocked(control, pid, by=2)
            for kinds in (CancelBlockers.NONE, CancelBlockers.AUTOVACUUM):
                assert await control.run(partial(cancel_blockers, pid=pid, kinds=kinds)) == ()
            assert not ended
            cancelled = await control.run(lambda c: cancel_blockers(c, pid, kinds=CancelBlockers.ALL))
            assert [peer.pid for peer in cancelled] == [busy]
            await until(lambda: ended)
            assert isinstance(ended[0], psycopg.errors.QueryCanceled)
            assert not done
            idle.rollback()  # it was left alone, so its transaction is whole
            await until(lambda: done)
            assert done == [None]


async def test_autovacuum_is_cancelled_when_asked(control: Session, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        fast = admin.execute("SHOW autovacuum_naptime").fetchone() == ("1s",)
        admin.execute(
            "CREATE TABLE t (id int) WITH (autovacuum_vacuum_threshold = 0, "
            "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 100, "
            "autovacuum_vacuum_cost_limit = 1)"
        )
        admin.execute("INSERT INTO t SELECT generate_series(1, 200000)")
        admin.execute("DELETE FROM t WHERE id % 2 = 0")
        admin.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
        admin.execute("SELECT pg_reload_conf()")
        try:
            at_work = (
                "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' "
                "AND datname = current_database() AND query ~ 'public.t'"
            )
            await until(lambda: admin.execute(at_work).fetchone(), 180)
            alter = "SET deadlock_timeout = '1min'; ALTER TABLE t ADD COLUMN x int"
            with waiting(database_url, alter) as (pid, done):
                await blocked(control, pid)
                cancelled = await control.run(
                    lambda c: cancel_blockers(c, pid, kinds=CancelBlockers.AUTOVACUUM)
                )
                assert [peer.backend_type for peer in cancelled] == ["autovacuum worker"]
                await until(lambda: done)
                assert done == [None]
        finally:
            if not fast:
                admin.execute("ALTER SYSTEM RESET autovacuum_naptime")
                admin.execute("SELECT pg_reload_conf()")


async def test_what_our_role_may_not_cancel_is_left_alone(control: Session, database_url: str) -> None:
    name = f"headway_{time.time_ns()}"
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("CREATE TABLE t AS SELECT 1 AS id")
        admin.execute(f"CREATE ROLE {name} IN ROLE pg_read_all_stats".encode())  # it sees, and may not act
        try:
            with contextlib.ExitStack() as stack:
                busy, ended = stack.enter_context(waiting(database_url, "SELECT pg_sleep(600) FROM t"))
                await reads(database_url, busy)
                pid, _ = stack.enter_context(waiting(database_url, "ALTER TABLE t ADD COLUMN x int"))
                await blocked(control, pid)
                await control.run(lambda c: execute(c, f"SET SESSION AUTHORIZATION {name}"))
                cancelled = await control.run(lambda c: cancel_blockers(c, pid, kinds=CancelBlockers.ALL))
                assert cancelled == ()
                assert not ended
                await control.run(lambda c: execute(c, "RESET SESSION AUTHORIZATION"))
        finally:
            admin.execute(f"DROP ROLE {name}".encode())


def execute(connection: Connection, statement: str) -> None:
    with connection.begin():
        connection.exec_driver_sql(statement)
