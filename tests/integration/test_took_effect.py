"""What is made of the server's word on a COMMIT, with transactions of every fate."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from headway import DatabaseURL, OutcomeUnknownError, lost_commit
from headway.commit import ServerIdentity
from headway.door import open_door
from headway.ledger import Ledger
from headway.lost_commit import took_effect
from headway.project import VersionTable
from headway.results import RunOptions
from headway.session import open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headway.doorway import Doorway

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Doorway]:
    async with (
        open_session(DatabaseURL.parse(url)) as session,
        open_door(
            session,
            table=VersionTable(),
            ledger=Ledger(),
            applies={},
            options=RunOptions(),
            run_id="run",
            emit=lambda _: None,
        ) as door,
    ):
        yield door


def begun(connection: psycopg.Connection[tuple[object, ...]]) -> str:
    row = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
    assert row is not None
    return str(row[0])


async def test_a_transaction_that_committed_and_is_on_record_took_effect(database_url: str) -> None:
    async with opened(database_url) as door:
        with psycopg.connect(database_url) as connection:
            transaction = begun(connection)
        assert await took_effect(door, "r1", transaction, on_record=lambda _: True)


async def test_one_that_committed_and_is_not_on_record_is_unknown(database_url: str) -> None:
    async with opened(database_url) as door:
        with psycopg.connect(database_url) as connection:
            transaction = begun(connection)
        with pytest.raises(OutcomeUnknownError) as caught:
            await took_effect(door, "r1", transaction, on_record=lambda _: False)
    assert caught.value.transaction == transaction


async def test_one_that_was_rolled_back_did_not_take_effect(database_url: str) -> None:
    async with opened(database_url) as door:
        with psycopg.connect(database_url) as connection:
            transaction = begun(connection)
            connection.rollback()
        assert not await took_effect(door, "r1", transaction, on_record=lambda _: False)


@pytest.mark.parametrize("on_record", [True, False])
async def test_one_of_another_server_is_unknown_whatever_its_id_says_here(
    database_url: str, *, on_record: bool
) -> None:
    async with opened(database_url) as door:
        with psycopg.connect(database_url) as connection:
            transaction = begun(connection)
        other = replace(door, server=ServerIdentity("another", "00000001"))
        with pytest.raises(OutcomeUnknownError):
            await took_effect(other, "r1", transaction, on_record=lambda _: on_record)


async def test_one_without_an_id_is_unknown_at_once(database_url: str) -> None:
    async with opened(database_url) as door:
        with pytest.raises(OutcomeUnknownError) as caught:
            await took_effect(door, "r1", None, on_record=lambda _: pytest.fail("asked for nothing"))
    assert "pg_xact_status" not in str(caught.value.hint)


@pytest.mark.parametrize("commits", [True, False])
async def test_one_in_progress_is_waited_for(
    database_url: str, monkeypatch: pytest.MonkeyPatch, *, commits: bool
) -> None:
    monkeypatch.setattr(lost_commit, "RECONNECT_S", 3600.0)
    async with opened(database_url) as door:
        with psycopg.connect(database_url) as connection:
            transaction = begun(connection)

            def end_it(_: object) -> bool:
                """Called when the server has said that it is in progress."""
                connection.commit() if commits else connection.rollback()
                return commits

            assert await took_effect(door, "r1", transaction, on_record=end_it) is commits


async def test_one_that_stays_in_progress_is_unknown_in_the_end(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_commit, "RECONNECT_S", 0.0)
    async with opened(database_url) as door:
        with psycopg.connect(database_url) as connection:
            transaction = begun(connection)
            with pytest.raises(OutcomeUnknownError):
                await took_effect(door, "r1", transaction, on_record=lambda _: False)
