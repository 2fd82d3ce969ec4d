"""The migrator lock between real sessions."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import psycopg
import pytest
import pytest_asyncio
from psycopg import sql
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from headway import DatabaseURL
from headway.commit import transaction_id
from headway.errors import DatabaseError, LockBusyError
from headway.events import LockWaiting, Warned
from headway.lock import holder, holds, lock_key, lock_key_on, migrator_lock, try_lock, unlock
from headway.project import VersionTable
from headway.session import Session, open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sqlalchemy.engine import Connection

    from headway.events import Event

pytestmark = pytest.mark.asyncio

KEY = lock_key("app", VersionTable())
NEGATIVE_KEY = -(2**63) + 5


class Sessions:
    """Opens sessions on one database; all are closed with the test."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self.url = url
        self._stack = stack

    async def __call__(self, driver: str = "asyncpg", **changes: Any) -> Session:
        if driver == "asyncpg":
            return await self._stack.enter_async_context(open_session(DatabaseURL.parse(self.url)))
        engine = create_engine(
            "postgresql+psycopg://", creator=lambda: psycopg.connect(self.url, **changes), poolclass=NullPool
        )
        connection = self._stack.enter_context(engine.connect())
        return await self._stack.enter_async_context(open_session(connection))


@pytest_asyncio.fixture
async def sessions(database_url: str) -> AsyncIterator[Sessions]:
    async with AsyncExitStack() as stack:
        yield Sessions(database_url, stack)


@pytest.fixture(params=["asyncpg", "psycopg"])
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def locked(
    session: Session, *, wait_s: float = 0, emit: Callable[[Event], None] | None = None
) -> AsyncIterator[float]:
    async with migrator_lock(
        session, KEY, wait_s=wait_s, run_id="run", database="app", emit=emit or (lambda _: None)
    ) as waited:
        yield waited


def pid_of(connection: Connection) -> int:
    with connection.begin():
        return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)


def in_transaction(work: Callable[[Connection], Any], *statements: str) -> Callable[[Connection], list[Any]]:
    """Ask, run statements, ask again: all inside one transaction as SQLAlchemy knows it."""

    def run(connection: Connection) -> list[Any]:
        with connection.begin():
            answers = [work(connection)]
            for statement in statements:
                connection.exec_driver_sql(statement)
            return [*answers, work(connection)]

    return run


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


ADVISORY_LOCKS = """
    SELECT 1 FROM pg_locks
    WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = %s)
"""


def advisory_locks(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        return len(connection.execute(ADVISORY_LOCKS, [connection.info.dbname]).fetchall())


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # PostgreSQL sends no event for it
            await asyncio.sleep(0.01)


# -- the functions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, NEGATIVE_KEY, 0, -1])
async def test_of_two_sessions_one_has_the_lock_and_both_know_who(
    sessions: Sessions, driver: str, key: int
) -> None:
    ours, theirs = await sessions(driver), await sessions(driver)
    assert await ours.run(lambda c: holder(c, key)) is None
    assert await ours.run(lambda c: try_lock(c, key))
    assert not await theirs.run(lambda c: try_lock(c, key))
    assert await ours.run(in_transaction(lambda c: holds(c, key))) == [True, True]
    assert await theirs.run(in_transaction(lambda c: holds(c, key))) == [False, False]
    peer = await theirs.run(lambda c: holder(c, key))
    assert peer is not None
    assert peer.pid == await ours.run(pid_of)
    assert not await theirs.run(lambda c: unlock(c, key))
    assert await ours.run(lambda c: unlock(c, key))
    assert await theirs.run(lambda c: try_lock(c, key))


async def test_nothing_is_left_in_a_transaction(sessions: Sessions, driver: str, database_url: str) -> None:
    session = await sessions(driver)
    pid = await session.run(pid_of)
    for ask in (try_lock, holder, unlock):
        await session.run(lambda c, ask=ask: ask(c, KEY))  # type: ignore[misc]  # three signatures
        rows = query(database_url, f"SELECT state, backend_xmin FROM pg_stat_activity WHERE pid = {pid}")  # noqa: S608  # a number
        assert rows == [("idle", None)]


async def test_keys_and_databases_do_not_meet(database_urls: list[str]) -> None:
    async with (
        open_session(DatabaseURL.parse(database_urls[0])) as one,
        open_session(DatabaseURL.parse(database_urls[0])) as beside,
        open_session(DatabaseURL.parse(database_urls[1])) as other,
    ):
        assert await one.run(lambda c: try_lock(c, KEY))
        assert await other.run(lambda c: holder(c, KEY)) is None
        assert await beside.run(lambda c: try_lock(c, KEY + 1))
        assert await other.run(lambda c: try_lock(c, KEY))


async def test_the_holder_is_named_with_what_it_runs_and_without_its_passwords(sessions: Sessions) -> None:
    waiter = await sessions()
    busy = await sessions("psycopg", application_name="deploy-7")
    assert await busy.run(lambda c: try_lock(c, KEY))
    statement = "SELECT 'ALTER ROLE a PASSWORD ''marked-secret''' AS statement, 1"
    await busy.run(lambda c: c.exec_driver_sql(statement).close())
    peer = await waiter.run(lambda c: holder(c, KEY))
    assert peer is not None
    assert (peer.application_name, peer.state) == ("deploy-7", "idle in transaction")
    assert peer.since is not None
    assert peer.query == "SELECT 'ALTER ROLE a PASSWORD ***"


async def test_what_our_role_may_not_see_of_the_holder_is_none(sessions: Sessions, database_url: str) -> None:
    role = f"headway_{time.time_ns()}"
    ours = await sessions()
    assert await ours.run(lambda c: try_lock(c, KEY))
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        try:
            waiter = await sessions()
            await waiter.run(lambda c: c.exec_driver_sql(f"SET SESSION AUTHORIZATION {role}").close())
            await waiter.run(lambda c: c.commit())
            peer = await waiter.run(lambda c: holder(c, KEY))
            await waiter.run(lambda c: c.exec_driver_sql("RESET SESSION AUTHORIZATION").close())
            await waiter.run(lambda c: c.commit())
        finally:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    assert peer is not None
    assert peer.pid == await ours.run(pid_of)
    assert peer.user is not None
    assert (peer.query, peer.state, peer.client, peer.since) == (None, None, None, None)


@pytest.mark.parametrize("statement", ["SELECT pg_advisory_unlock_all()", "COMMIT; DISCARD ALL; BEGIN"])
async def test_a_revision_that_drops_the_lock_is_found_out(sessions: Sessions, statement: str) -> None:
    session = await sessions()
    assert await session.run(lambda c: try_lock(c, KEY))
    asked = in_transaction(lambda c: holds(c, KEY), *statement.split("; "))
    assert await session.run(asked) == [True, False]


async def test_a_transactions_own_or_a_shared_lock_is_not_mistaken_for_ours(sessions: Sessions) -> None:
    session = await sessions()
    shared = f"SELECT pg_advisory_lock_shared({KEY})"
    assert await session.run(in_transaction(lambda c: holds(c, KEY), shared)) == [False, False]


async def test_a_revision_that_commits_keeps_the_lock_but_is_found_in_another_transaction(
    sessions: Sessions,
) -> None:
    session = await sessions("psycopg")
    assert await session.run(lambda c: try_lock(c, KEY))
    for statements in (["COMMIT"], ["COMMIT", "BEGIN"], ["ROLLBACK", "BEGIN"]):
        before, after = await session.run(in_transaction(transaction_id, *statements))
        assert before != after
    assert await session.run(in_transaction(lambda c: holds(c, KEY), "COMMIT")) == [True, True]
    same = await session.run(in_transaction(transaction_id, "SAVEPOINT a", "SELECT 1", "RELEASE a"))
    assert same[0] == same[1]


async def test_the_lock_goes_with_its_connection(sessions: Sessions, driver: str, database_url: str) -> None:
    ours, theirs = await sessions(driver), await sessions(driver)
    assert await ours.run(lambda c: try_lock(c, KEY))
    pid = await ours.run(pid_of)
    assert query(database_url, f"SELECT pg_terminate_backend({pid}, 30000)") == [(True,)]
    assert await theirs.run(lambda c: try_lock(c, KEY))
    assert await theirs.run(lambda c: unlock(c, KEY))


async def test_whoever_names_the_schema_and_whoever_does_not_wait_for_each_other(sessions: Sessions) -> None:
    session = await sessions()
    plain = VersionTable("Alembic Version")

    def keys(connection: Connection) -> tuple[int, int]:
        return lock_key_on(connection, plain), lock_key_on(connection, VersionTable(plain.name, "public"))

    def execute(*statements: str) -> Callable[[Connection], None]:
        def run(connection: Connection) -> None:
            with connection.begin():
                for statement in statements:
                    connection.exec_driver_sql(statement)

        return run

    before, named = await session.run(keys)
    assert before == named
    await session.run(execute('CREATE TABLE "Alembic Version" (version_num text)'))
    # The table is found where it is, also when a schema has come to stand before it on the search path.
    await session.run(execute("CREATE SCHEMA nearer", "SET search_path = nearer, public"))
    assert await session.run(keys) == (before, named)
    await session.run(execute('CREATE TABLE nearer."Alembic Version" (version_num text)'))
    after, _ = await session.run(keys)
    assert after != before


# -- waiting -------------------------------------------------------------------------------------------


async def test_a_free_lock_is_taken_at_once_and_let_go_of(
    sessions: Sessions, driver: str, database_url: str
) -> None:
    session = await sessions(driver)
    events: list[Event] = []
    async with locked(session, emit=events.append):
        assert advisory_locks(database_url) == 1
    assert advisory_locks(database_url) == 0
    assert events == []


async def test_without_time_to_wait_the_refusal_names_the_holder_in_words(sessions: Sessions) -> None:
    ours, theirs = await sessions(), await sessions("psycopg", application_name="deploy-7")
    async with locked(theirs):
        pid = await theirs.run(pid_of)
        with pytest.raises(LockBusyError) as caught:
            async with asyncio.timeout(30), locked(ours):
                pytest.fail("two migrators at work")
    error = caught.value
    assert error.exit_code == 75
    assert error.holder is not None
    assert error.holder.pid == pid
    assert f"by pid {pid} (deploy-7, user " in error.message
    assert ", last: " in error.message
    assert error.hint is not None
    assert f"pg_terminate_backend({pid})" in error.hint


async def test_the_deadline_holds_and_the_wait_is_told(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.lock.NOTICE_EVERY_S", 3600.0)
    ours, theirs = await sessions(), await sessions()
    events: list[Event] = []
    async with locked(theirs):
        started = time.monotonic()
        with pytest.raises(LockBusyError) as caught:
            async with asyncio.timeout(30), locked(ours, wait_s=1.2, emit=events.append):
                pytest.fail("two migrators at work")
        assert time.monotonic() - started >= 1.2
    assert caught.value.waited_s >= 1.2
    [event] = events
    assert isinstance(event, LockWaiting)
    assert (event.run_id, event.database) == ("run", "app")
    assert event.waited_s < caught.value.waited_s
    assert event.holder is not None


async def test_who_waits_long_says_so_again(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.lock.NOTICE_EVERY_S", 0.3)
    ours, theirs = await sessions(), await sessions()
    events: list[Event] = []

    async def wait() -> None:
        async with locked(ours, wait_s=3600, emit=events.append):
            pytest.fail("two migrators at work")

    async with locked(theirs), asyncio.TaskGroup() as tasks:
        waiter = tasks.create_task(wait())
        await until(lambda: len(events) >= 3)
        waiter.cancel()
    times = [event.waited_s for event in events if isinstance(event, LockWaiting)]
    assert len(times) == len(events)
    assert all(later - earlier >= 0.3 for earlier, later in itertools.pairwise(times))


async def test_many_at_once_work_one_after_the_other(sessions: Sessions) -> None:
    at_work, worked = 0, 0

    async def migrate(session: Session) -> None:
        nonlocal at_work, worked
        async with locked(session, wait_s=120):
            at_work += 1
            assert at_work == 1
            await asyncio.sleep(0.02)
            at_work -= 1
            worked += 1

    replicas = [await sessions() for _ in range(8)]
    await asyncio.gather(*map(migrate, replicas))
    assert worked == 8


async def test_a_waiter_never_holds_up_create_index_concurrently(
    sessions: Sessions, database_url: str
) -> None:
    ours, theirs = await sessions(), await sessions()
    query(database_url, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS id")
    waiting = asyncio.Event()

    async def wait() -> None:
        async with locked(theirs, wait_s=3600, emit=lambda _: waiting.set()):
            pass

    def build(connection: Connection) -> None:
        with connection.execution_options(isolation_level="AUTOCOMMIT").begin():
            for _ in range(5):
                connection.exec_driver_sql("DROP INDEX CONCURRENTLY IF EXISTS i")
                connection.exec_driver_sql("CREATE INDEX CONCURRENTLY i ON t (id)")

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks, locked(ours):
        tasks.create_task(wait())
        await waiting.wait()
        await ours.run(build)
    assert query(database_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass") == [
        (True,)
    ]


# -- being cancelled, and letting go -------------------------------------------------------------------


async def cancel_task(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelling_a_waiter_leaves_nothing(sessions: Sessions, database_url: str) -> None:
    ours, theirs = await sessions(), await sessions()
    waiting = asyncio.Event()

    async def wait() -> None:
        async with locked(ours, wait_s=60, emit=lambda _: waiting.set()):
            pytest.fail("two migrators at work")

    async with locked(theirs):
        task = asyncio.create_task(wait())
        await waiting.wait()
        await cancel_task(task)
        assert advisory_locks(database_url) == 1
    assert advisory_locks(database_url) == 0
    async with locked(ours):  # the session is as good as new
        pass


@pytest.mark.parametrize("how", ["task", "scope"])
async def test_a_cancellation_in_the_middle_of_a_try_leaves_nothing(
    sessions: Sessions, database_url: str, how: str
) -> None:
    ours = await sessions()
    pid = await ours.run(pid_of)
    for step in range(12):  # from before the first byte to after the last
        scope = anyio.CancelScope()

        async def wait(scope: anyio.CancelScope = scope) -> None:
            with scope:
                async with locked(ours):
                    await asyncio.sleep(60)

        task = asyncio.create_task(wait())
        for _ in range(step):
            await asyncio.sleep(0)
        if how == "task":
            await cancel_task(task)
        else:
            scope.cancel()
            await task
        assert advisory_locks(database_url) == 0
    assert await ours.run(pid_of) == pid  # and the connection was not thrown away


@pytest.mark.parametrize("how", ["task", "scope"])
async def test_letting_go_is_finished_though_cancelled(
    sessions: Sessions, database_url: str, how: str
) -> None:
    ours = await sessions()
    entered = asyncio.Event()
    scope = anyio.CancelScope()
    events: list[Event] = []

    async def work() -> None:
        with scope:
            async with locked(ours, emit=events.append):
                entered.set()
                await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await entered.wait()
    if how == "task":
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()  # a second signal makes it no worse
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        scope.cancel()
        await task
    assert advisory_locks(database_url) == 0
    assert events == []


async def test_an_error_in_the_block_comes_out_as_it_is_and_the_lock_is_let_go_of(
    sessions: Sessions, database_url: str
) -> None:
    ours = await sessions()

    async def work() -> None:
        async with locked(ours):
            # A transaction that failed and was left open would refuse the unlock.
            await ours.run(lambda c: c.exec_driver_sql("SELECT 1/0").close())

    with pytest.raises(DatabaseError) as caught:
        await work()
    assert caught.value.sqlstate == "22012"
    assert advisory_locks(database_url) == 0


async def test_a_lock_that_was_gone_at_the_end_is_told(sessions: Sessions, database_url: str) -> None:
    ours = await sessions()
    events: list[Event] = []
    async with locked(ours, emit=events.append):
        await ours.run(in_transaction(lambda c: holds(c, KEY), "SELECT pg_advisory_unlock_all()"))
    [event] = events
    assert isinstance(event, Warned)
    assert "pg_advisory_unlock_all()" in event.message
    assert advisory_locks(database_url) == 0


async def test_a_dead_connection_needs_no_word_about_its_lock(
    sessions: Sessions, driver: str, database_url: str
) -> None:
    ours = await sessions(driver)
    events: list[Event] = []
    async with locked(ours, emit=events.append):
        pid = await ours.run(pid_of)
        query(database_url, f"SELECT pg_terminate_backend({pid}, 30000)")
    assert events == []
    await until(lambda: advisory_locks(database_url) == 0)


async def test_a_statement_that_was_cancelled_takes_connection_and_lock_with_it(
    sessions: Sessions, database_url: str
) -> None:
    ours = await sessions()
    events: list[Event] = []
    running = (  # other tests sleep on the same server
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
        "AND query = 'SELECT pg_sleep(600)' AND state = 'active'"
    )

    async def work() -> None:
        async with locked(ours, emit=events.append):
            await ours.run(lambda c: c.exec_driver_sql("SELECT pg_sleep(600)").close())

    task = asyncio.create_task(work())
    await until(lambda: bool(query(database_url, running)))
    await cancel_task(task)
    assert events == []
    await until(lambda: advisory_locks(database_url) == 0 and not query(database_url, running))
