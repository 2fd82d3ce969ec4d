"""A COMMIT whose answer never came, and the server that knows what became of it."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import asyncpg
import psycopg
import pytest
import pytest_asyncio
from psycopg import sql
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, ProgrammingError
from sqlalchemy.pool import NullPool

from headway import DatabaseURL
from headway.commit import (
    CommitOutcome,
    ServerIdentity,
    is_connection_lost,
    server_identity,
    transaction_id,
    transaction_status,
)
from headway.errors import ConnectionFailedError, DatabaseError, HeadwayError
from headway.session import Session, open_session
from tcpproxy import Fault, TcpProxy, Towards

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy.engine import Connection

pytestmark = pytest.mark.asyncio

COMMIT_REQUEST = b"COMMIT"
WHOLE_REQUEST = {"asyncpg": b"COMMIT;\0", "psycopg": b"COMMIT\0"}
COMMIT_ANSWER = b"COMMIT\0"  # the tag of CommandComplete


@pytest.fixture
def proxy(database_url: str) -> Iterator[TcpProxy]:
    with TcpProxy(database_url) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def control(database_url: str) -> AsyncIterator[Session]:
    async with open_session(DatabaseURL.parse(database_url)) as session:
        await session.run(lambda c: execute(c, "CREATE TABLE t (id int)"))
        yield session


@pytest.fixture(params=["asyncpg", "psycopg"])
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture
async def session(driver: str, proxy: TcpProxy) -> AsyncIterator[Session]:
    """A session through the proxy."""
    if driver == "asyncpg":
        async with open_session(DatabaseURL.parse(proxy.url)) as session:
            yield session
        return
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(proxy.url), poolclass=NullPool
    )
    with ExitStack() as stack:
        connection = stack.enter_context(engine.connect())
        async with open_session(connection) as session:
            yield session


class Step:
    """What a step does: learn its transaction's id, change something, commit."""

    def __init__(self) -> None:
        self.transaction = ""

    def __call__(self, connection: Connection) -> None:
        with connection.begin():
            self.transaction = transaction_id(connection)
            connection.exec_driver_sql("INSERT INTO t VALUES (1)")


def execute(connection: Connection, statement: str) -> None:
    with connection.begin():
        connection.exec_driver_sql(statement)


def rows(connection: Connection) -> int:
    with connection.begin():
        return int(connection.scalar(text("SELECT count(*) FROM t")) or 0)


async def status(control: Session, transaction: str, server: ServerIdentity | None) -> CommitOutcome:
    return await control.run(lambda c: transaction_status(c, transaction, server=server))


async def settled(control: Session, transaction: str, server: ServerIdentity | None) -> CommitOutcome:
    """Wait until the transaction's session has noticed that nobody is there."""
    async with asyncio.timeout(60):
        while (  # noqa: ASYNC110  # PostgreSQL sends no event for it
            outcome := await status(control, transaction, server)
        ) is CommitOutcome.IN_PROGRESS:
            await asyncio.sleep(0.01)
        return outcome


@pytest.mark.parametrize(
    ("pattern", "towards", "fault", "outcome"),
    [
        (COMMIT_REQUEST, Towards.SERVER, Fault.CUT_BEFORE, CommitOutcome.ABORTED),
        (None, Towards.SERVER, Fault.CUT_AFTER, CommitOutcome.COMMITTED),
        (COMMIT_ANSWER, Towards.CLIENT, Fault.CUT_BEFORE, CommitOutcome.COMMITTED),
        (b"C\0\0\0\x0bCOM", Towards.CLIENT, Fault.CUT_AFTER, CommitOutcome.COMMITTED),
    ],
)
async def test_a_lost_commit_looks_the_same_before_and_after_and_the_server_tells_which(
    session: Session,
    control: Session,
    proxy: TcpProxy,
    driver: str,
    pattern: bytes | None,
    towards: Towards,
    fault: Fault,
    outcome: CommitOutcome,
) -> None:
    server = await session.run(server_identity)
    assert server is not None
    step = Step()
    proxy.rule(pattern or WHOLE_REQUEST[driver], towards, fault)
    with pytest.raises(DatabaseError) as caught:
        await session.run(step)
    assert await asyncio.to_thread(proxy.struck.wait, 60)
    assert is_connection_lost(caught.value)
    assert await settled(control, step.transaction, server) is outcome
    assert await control.run(rows) == (1 if outcome is CommitOutcome.COMMITTED else 0)


async def test_a_commit_that_vanishes_is_in_progress_until_the_servers_side_ends(
    control: Session, proxy: TcpProxy, database_url: str
) -> None:
    step = Step()
    async with open_session(DatabaseURL.parse(proxy.url)) as session:
        server = await session.run(server_identity)
        pid = await session.run(pid_of)
        proxy.rule(COMMIT_REQUEST, Towards.SERVER, Fault.SWALLOW_BEFORE)
        work = asyncio.create_task(session.run(step))
        assert await asyncio.to_thread(proxy.struck.wait, 60)
        assert await status(control, step.transaction, server) is CommitOutcome.IN_PROGRESS
        with psycopg.connect(database_url, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 30000)", [pid])
        assert await settled(control, step.transaction, server) is CommitOutcome.ABORTED
        assert not work.done()  # nobody has told the client
        proxy.cut()
        with pytest.raises(DatabaseError) as caught:
            await work
    assert is_connection_lost(caught.value)


async def test_a_black_hole_tells_nobody_anything(proxy: TcpProxy) -> None:
    async with open_session(DatabaseURL.parse(proxy.url)) as session:
        proxy.black_hole()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await session.run(server_identity)


async def test_another_server_or_timeline_or_none_known_means_unknown(control: Session) -> None:
    step = Step()
    await control.run(step)
    server = await control.run(server_identity)
    assert server is not None
    assert len(server.timeline) == 8
    assert await status(control, step.transaction, server) is CommitOutcome.COMMITTED
    for other in (
        dataclasses.replace(server, system="7000000000000000000"),
        dataclasses.replace(server, timeline="000000FF"),  # promoted since
        None,
    ):
        assert await status(control, step.transaction, other) is CommitOutcome.UNKNOWN


async def test_an_id_that_was_never_given_out_or_is_forgotten_means_unknown(control: Session) -> None:
    server = await control.run(server_identity)
    assert await status(control, str(2**40 + 1000), server) is CommitOutcome.UNKNOWN
    assert await status(control, "0", server) is CommitOutcome.UNKNOWN
    assert await control.run(server_identity) == server  # the session is as good as new


async def test_a_role_without_privileges_can_ask(control: Session, database_url: str) -> None:
    with role(database_url) as name:
        step = Step()
        await control.run(step)
        server = await control.run(server_identity)
        await control.run(lambda c: execute(c, f"SET SESSION AUTHORIZATION {name}"))
        assert await control.run(server_identity) == server
        assert await status(control, step.transaction, server) is CommitOutcome.COMMITTED
        await control.run(lambda c: execute(c, "RESET SESSION AUTHORIZATION"))


async def test_a_server_that_does_not_say_who_it_is_means_unknown(
    control: Session, database_url: str
) -> None:
    with role(database_url) as name:
        step = Step()
        await control.run(step)
        server = await control.run(server_identity)
        await control.run(lambda c: execute(c, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC"))
        await control.run(lambda c: execute(c, f"SET SESSION AUTHORIZATION {name}"))
        assert await control.run(server_identity) is None
        assert await status(control, step.transaction, server) is CommitOutcome.UNKNOWN
        await control.run(lambda c: execute(c, "RESET SESSION AUTHORIZATION"))


async def test_a_rolled_back_and_an_open_transaction_are_told_apart(
    control: Session, database_url: str
) -> None:
    server = await control.run(server_identity)
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
        assert row is not None
        assert await status(control, row[0], server) is CommitOutcome.IN_PROGRESS
        connection.rollback()
        assert await status(control, row[0], server) is CommitOutcome.ABORTED


# -- telling a lost connection -------------------------------------------------------------------------


@contextmanager
def role(url: str) -> Iterator[str]:
    name = f"headway_{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
        try:
            yield name
        finally:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def pid_of(connection: Connection) -> int:
    with connection.begin():
        return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)


async def error_of(session: Session, *statements: str) -> HeadwayError:
    def work(connection: Connection) -> None:
        with connection.begin():
            for statement in statements:
                connection.exec_driver_sql(statement)

    with pytest.raises(DatabaseError) as caught:
        await session.run(work)
    return caught.value


async def test_a_session_that_the_operator_ended_is_lost(session: Session, database_url: str) -> None:
    for statements in (["SELECT 1"], ["SELECT pg_terminate_backend(pg_backend_pid())"]):
        with psycopg.connect(database_url, autocommit=True) as admin:
            pid = await session.run(pid_of)
            if statements == ["SELECT 1"]:
                admin.execute("SELECT pg_terminate_backend(%s, 30000)", [pid])
        assert is_connection_lost(await error_of(session, *statements))


async def test_a_transaction_that_idled_too_long_is_lost(session: Session, database_url: str) -> None:
    def work(connection: Connection) -> None:
        with connection.begin():
            pid = connection.scalar(text("SELECT pg_backend_pid()"))
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 10")
            with psycopg.connect(database_url, autocommit=True) as admin:
                while admin.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone():
                    pass
            connection.exec_driver_sql("SELECT 1")

    with pytest.raises(DatabaseError) as caught:
        await session.run(work)
    assert is_connection_lost(caught.value)


async def test_a_cut_in_the_middle_of_a_statement_is_lost(session: Session, proxy: TcpProxy) -> None:
    proxy.rule(b"SELECT 4711", Towards.SERVER, Fault.CUT_AFTER)
    assert is_connection_lost(await error_of(session, "SELECT 4711, pg_sleep(600)"))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1/0",
        "SELECT FROM no_such_table",
        "SELECT 'x'::int",
        "DO $$ BEGIN RAISE SQLSTATE '57014'; END $$",
        "SET LOCAL statement_timeout = 1; SELECT pg_sleep(5)",
    ],
)
async def test_what_only_failed_is_not_lost(session: Session, statement: str) -> None:
    assert not is_connection_lost(await error_of(session, *statement.split("; ")))


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (ConnectionResetError(), True),
        (BrokenPipeError(), True),
        (TimeoutError(), True),
        (asyncio.IncompleteReadError(b"", 5), True),
        (asyncpg.ConnectionDoesNotExistError("closed"), True),
        (asyncpg.AdminShutdownError("57P01"), True),
        (asyncpg.CannotConnectNowError("57P03"), True),
        (asyncpg.IdleInTransactionSessionTimeoutError("25P03"), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (asyncpg.DataError("invalid input for query argument"), False),
        (asyncpg.LockNotAvailableError("55P03"), False),
        (asyncpg.QueryCanceledError("57014"), False),
        (psycopg.errors.AdminShutdown("57P01"), True),
        (psycopg.errors.SerializationFailure("40001"), False),
        (ConnectionFailedError("nobody answers"), True),
        (DatabaseError("refused", sqlstate="42501"), False),
        (DatabaseError("ended", sqlstate="57P01"), True),
        (InterfaceError("SELECT 1", {}, asyncpg.InterfaceError("usage")), True),
        (ProgrammingError("SELECT 1", {}, asyncpg.UndefinedTableError("42P01")), False),
        (DBAPIError("SELECT 1", {}, Exception(), connection_invalidated=True), True),
        (asyncio.CancelledError(), False),
        (ValueError("x"), False),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_lost_connection_is_told_by_type_and_sqlstate(error: BaseException, *, lost: bool) -> None:
    assert is_connection_lost(error) is lost
    outer = DatabaseError("in headway's words")
    outer.__cause__ = error
    assert is_connection_lost(outer) is lost


async def test_a_circle_of_causes_comes_to_an_end() -> None:
    one, two = ValueError(), ValueError()
    one.__cause__, two.__cause__ = two, one
    assert not is_connection_lost(one)
