"""Statements with no transaction around them: what is sent, and what state the connection is left in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, LiteralString, TypeVar

import asyncpg
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from headway import DatabaseURL
from headway.alone import singly
from headway.database import create_engine
from headway.diagnosis import read_error
from headway.enclosure import is_in_transaction
from headway.script import send_script
from tcpproxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

T = TypeVar("T")


def query(url: str, statement: LiteralString) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()


SLEEPS = """
    SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%'
"""
LEVEL = sa.text("SHOW transaction_isolation")


def on_asyncpg(url: str, work: Callable[[Connection], T], level: str | None = None) -> T:
    async def connected() -> T:
        engine = create_engine(DatabaseURL.parse(url))
        if level is not None:
            engine = engine.execution_options(isolation_level=level)
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(work)
        finally:
            await engine.dispose()

    return asyncio.run(connected())


def on_psycopg(url: str, work: Callable[[Connection], T]) -> T:
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as connection:
            return work(connection)
    finally:
        engine.dispose()


def test_a_statement_by_itself_is_spared_the_round_trips_of_begin_and_commit(database_url: str) -> None:
    with TcpProxy(database_url) as proxy:

        def work(connection: Connection) -> tuple[int, int]:
            def ask() -> None:
                connection.execute(sa.text("SELECT 1"))

            started = proxy.turns[0]
            with connection.begin():
                ask()
            in_one = proxy.turns[0]
            with singly(connection):
                ask()
            return in_one - started, proxy.turns[0] - in_one

        surrounded, alone = on_asyncpg(proxy.url, work)
    assert surrounded - alone == 2


@pytest.mark.parametrize("fails", [False, True], ids=["it succeeds", "it fails"])
def test_the_connection_has_its_isolation_level_again(database_url: str, *, fails: bool) -> None:
    def work(connection: Connection) -> object:
        connection.execution_options(isolation_level="SERIALIZABLE")
        if fails:
            with pytest.raises(DBAPIError), singly(connection):
                connection.execute(sa.text("SELECT 1/0"))
        else:
            with singly(connection):
                assert not is_in_transaction(connection)
        assert not connection.in_transaction()
        with connection.begin():
            assert connection.scalar(LEVEL) == "serializable"
            return is_in_transaction(connection)

    assert on_asyncpg(database_url, work) is True


def test_who_commits_every_statement_still_does_afterwards(database_url: str) -> None:
    def work(connection: Connection) -> bool:
        with singly(connection):
            connection.execute(sa.text("SELECT 1"))
        with connection.begin():
            connection.execute(sa.text("SELECT 1"))
            return is_in_transaction(connection)

    assert on_asyncpg(database_url, work, "AUTOCOMMIT") is False


def test_inside_the_callers_transaction_it_is_a_part_of_that(database_url: str) -> None:
    def work(connection: Connection) -> object:
        with connection.begin() as transaction:
            with singly(connection):
                connection.execute(sa.text("CREATE TABLE t ()"))
            assert is_in_transaction(connection)
            transaction.rollback()
        return connection.scalar(sa.text("SELECT to_regclass('t')"))

    assert on_asyncpg(database_url, work) is None


def test_on_an_engine_of_the_applications_there_is_a_transaction_for_it(database_url: str) -> None:
    async def connected() -> bool:
        arguments = DatabaseURL.parse(database_url).connect_arguments()
        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(**arguments)
        )
        async with engine.connect() as connection:
            within = await connection.run_sync(work)
        await engine.dispose()
        return within

    def work(connection: Connection) -> bool:
        with singly(connection):
            connection.execute(sa.text("SELECT 1"))
            return is_in_transaction(connection)

    assert asyncio.run(connected()) is True


def test_another_driver_has_a_transaction_for_it(database_url: str) -> None:
    def work(connection: Connection) -> bool:
        with singly(connection):
            connection.execute(sa.text("SELECT 1"))
            within = is_in_transaction(connection)
        assert not is_in_transaction(connection)
        return within

    assert on_psycopg(database_url, work) is True


def test_a_script_is_one_round_trip_and_one_transaction(database_url: str) -> None:
    with TcpProxy(database_url) as proxy:

        def work(connection: Connection) -> tuple[int, str | None, bool]:
            before = proxy.turns[0]
            assert send_script(connection, ["CREATE TABLE a ()", "CREATE TABLE b ()"])
            turns = proxy.turns[0] - before
            with pytest.raises(DBAPIError) as caught:
                send_script(connection, ["CREATE TABLE c ()", "CREATE TABLE a ()"])
            failed = read_error(caught.value).sqlstate
            kept = connection.scalar(sa.text("SELECT to_regclass('c') IS NOT NULL"))
            return turns, failed, bool(kept)

        assert on_asyncpg(proxy.url, work) == (1, "42P07", False)


@pytest.mark.parametrize("setting", ["standard_conforming_strings = off", None], ids=["strings", "psycopg"])
def test_a_script_is_not_sent_where_it_could_mean_something_else(
    database_url: str, setting: str | None
) -> None:
    def work(connection: Connection) -> bool:
        if setting is not None:
            connection.execute(sa.text(f"SET {setting}"))
            connection.commit()
        return send_script(connection, ["CREATE TABLE a ()"])

    assert (on_asyncpg if setting else on_psycopg)(database_url, work) is False


def test_a_cancelled_script_leaves_no_connection_that_somebody_would_wait_for(database_url: str) -> None:
    def work(connection: Connection) -> None:
        send_script(connection, ["SELECT pg_sleep(600)"])

    async def connected() -> bool:
        engine = create_engine(DatabaseURL.parse(database_url))
        async with engine.connect() as connection, asyncio.timeout(60):
            sleeping = asyncio.create_task(connection.run_sync(work))
            while not query(database_url, SLEEPS):  # noqa: ASYNC110  # no event comes from there
                await asyncio.sleep(0.02)
            sleeping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sleeping
            return connection.invalidated

    assert asyncio.run(connected()) is True
