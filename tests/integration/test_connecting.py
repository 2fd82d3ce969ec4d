"""What headway says when a database cannot be reached, or may not be asked."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
from typing import TYPE_CHECKING, Any

import anyio
import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from headway import (
    ConnectionFailedError,
    DatabaseError,
    DatabaseURL,
    Migrator,
    RefusedError,
    State,
    database,
)
from headway.database import connect, driver_connection
from headway.session import open_session
from servers import create_role, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def refuses_tls() -> Iterator[int]:
    """The port of a server that refuses TLS, as PostgreSQL does with `ssl = off`."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client:
                        client.recv(8)
                        client.sendall(b"N")
                        client.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


async def failure(url: str) -> ConnectionFailedError:
    with pytest.raises(ConnectionFailedError) as caught:
        await connect(DatabaseURL.parse(url), source="DATABASE_URL")
    return caught.value


async def test_a_server_that_never_answers_is_given_up_after_the_default_time_for_each_host(
    silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database.CONNECT_TIMEOUT_S == 10
    monkeypatch.setattr(database, "CONNECT_TIMEOUT_S", 0.2)
    error = await failure(f"postgresql://me:s3cret@127.0.0.1:{silent},127.0.0.1:{silent}/x?sslmode=disable")
    assert "no answer within 0.4 s" in error.message
    assert "connect_timeout=SECONDS" in str(error.hint)
    assert "s3cret" not in str(error)


async def test_the_url_s_own_connect_timeout_overrules_the_default(
    silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CONNECT_TIMEOUT_S", 3600)
    error = await failure(f"postgresql://me@127.0.0.1:{silent}/x?connect_timeout=1&sslmode=disable")
    assert "no answer within 1 s" in error.message


async def test_a_connect_timeout_of_zero_waits_on(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CONNECT_TIMEOUT_S", 0.05)
    with anyio.move_on_after(0.5) as scope:
        await failure(f"postgresql://me@127.0.0.1:{silent}/x?connect_timeout=0&sslmode=disable")
    assert scope.cancelled_caught


async def test_a_server_that_refuses_tls_is_about_sslmode(refuses_tls: int) -> None:
    error = await failure(f"postgresql://me@127.0.0.1:{refuses_tls}/x?sslmode=require")
    assert "sslmode" in str(error.hint)
    assert "running" not in str(error.hint)


async def test_nobody_listening_is_about_whether_it_runs() -> None:
    error = await failure(f"postgresql://me@127.0.0.1:{free_port()}/x")
    assert "Is PostgreSQL running there" in str(error.hint)


async def test_a_connection_lost_during_a_probe_is_a_failure_to_connect(database_url: str) -> None:
    async def probe() -> None:
        async with driver_connection(DatabaseURL.parse(database_url)) as connection:
            with psycopg.connect(database_url) as other:
                other.execute("SELECT pg_terminate_backend(%s, 30000)", [connection.get_server_pid()])
            await connection.fetch("SELECT 1")

    with pytest.raises(ConnectionFailedError, match="was lost"):
        await probe()


# -- what a role may not read --------------------------------------------------------------------------


@pytest.fixture
def reader(database_url: str) -> Iterator[str]:
    """The URL of a role that may connect and nothing else."""
    url = DatabaseURL.parse(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        create_role(connection, url)
        try:
            yield dataclasses.replace(url, user=url.name).render()
        finally:
            connection.execute(f'DROP OWNED BY "{url.name}"'.encode())
            connection.execute(f'DROP ROLE "{url.name}"'.encode())


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())


async def test_a_probe_that_may_not_read_the_version_table_is_told_the_grant_and_it_suffices(
    project: ProjectFolder, database_url: str, reader: str
) -> None:
    project.tables("a", "b")
    await Migrator(project.ini, url=database_url).upgrade("r1")
    probe = Migrator(project.ini, url=reader)
    with pytest.raises(DatabaseError, match="permission denied for table alembic_version") as caught:
        await probe.pending()
    assert caught.value.sqlstate == "42501"
    grant = str(caught.value.hint).split(": ")[1]
    assert grant.startswith('GRANT SELECT ON "alembic_version" TO ')
    execute(database_url, grant)
    # The ledger stays closed to it.
    report = await probe.pending()
    assert (report.state, report.pending) == (State.BEHIND, ("r2",))


async def test_the_grant_for_a_version_table_in_a_schema_names_the_schema_too(
    project: ProjectFolder, database_url: str, reader: str
) -> None:
    project.tables("a")
    project.env('version_table_schema="Own"')
    execute(database_url, 'CREATE SCHEMA "Own"')
    await Migrator(project.ini, url=database_url).upgrade()
    probe = Migrator(project.ini, url=reader)
    with pytest.raises(DatabaseError, match="permission denied for schema Own") as caught:
        await probe.pending()
    execute(database_url, str(caught.value.hint).split(": ")[1])
    assert (await probe.pending()).state is State.AT_HEAD


@pytest.mark.parametrize(
    ("columns", "fault"),
    [("version integer", "no column version_num"), ("version_num integer", "something else than text")],
)
async def test_somebody_elses_version_table_is_called_so(
    project: ProjectFolder, database_url: str, columns: str, fault: str
) -> None:
    project.tables("a")
    execute(database_url, f"CREATE TABLE alembic_version ({columns})")
    execute(database_url, "INSERT INTO alembic_version VALUES (5)")
    with pytest.raises(DatabaseError, match=fault) as caught:
        await Migrator(project.ini, url=database_url).pending()
    assert "version_table=" in str(caught.value.hint)


# -- the caller's own engine ---------------------------------------------------------------------------


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_an_engine_that_leads_nowhere_is_a_clear_error_without_the_password(
    project: ProjectFolder, driver: str
) -> None:
    engine = create_async_engine(f"postgresql+{driver}://me:s3cret@127.0.0.1:{free_port()}/x")
    migrator = Migrator(project.ini, connection=engine)
    with pytest.raises(ConnectionFailedError, match=r"me:\*\*\*@127.0.0.1") as caught:
        await migrator.upgrade()
    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None


async def test_what_the_server_answers_an_engine_keeps_its_sqlstate(
    project: ProjectFolder, database_url: str
) -> None:
    arguments: dict[str, Any] = DatabaseURL.parse(database_url).connect_arguments()
    arguments["database"] = "there_is_no_such_database"
    engine = create_async_engine("postgresql+asyncpg://", connect_args=arguments)
    with pytest.raises(ConnectionFailedError) as caught:
        await Migrator(project.ini, connection=engine).status()
    assert caught.value.sqlstate == "3D000"


async def test_a_synchronous_engine_is_refused_with_what_to_hand_over(
    project: ProjectFolder, database_url: str
) -> None:
    engine = create_engine("postgresql+psycopg://")
    with pytest.raises(RefusedError, match=r"sqlalchemy\.engine\.base\.Engine") as caught:
        await Migrator(project.ini, connection=engine).pending()  # type: ignore[arg-type]  # the mistake
    assert "AsyncEngine" in str(caught.value.hint)


async def test_an_error_inside_the_session_is_not_taken_for_one_of_connecting(database_url: str) -> None:
    with pytest.raises(FileNotFoundError):
        async with open_session(DatabaseURL.parse(database_url)):
            raise FileNotFoundError
