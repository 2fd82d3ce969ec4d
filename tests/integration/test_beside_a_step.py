"""What runs beside a step, and who only looks on, decides nothing about how the step ends."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from headway import CancelBlockers, DatabaseURL, Event, Migrator, StepFailedError, Warned
from headway.events import RunFailed, RunFinished, StepFailed, StepFinished, StepStarted
from headway.results import RunOptions
from servers import AT_WORK_UNTIL_GO, create_role

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def ledger(url: str) -> list[tuple[object, ...]]:
    return query(url, "SELECT revision, outcome FROM migration_history ORDER BY id")


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # a listener only appends to a list
            await asyncio.sleep(0.02)


@pytest.fixture
def role_with_two_connections(database_url: str) -> Iterator[str]:
    """A URL of a role that may connect twice: enough for a run, not for what it would do beside."""
    url = DatabaseURL.parse(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        create_role(connection, url)
        connection.execute(f'ALTER ROLE "{url.name}" CONNECTION LIMIT 2'.encode())
        connection.execute(f'GRANT ALL ON SCHEMA public TO "{url.name}"'.encode())
    yield dataclasses.replace(url, user=url.name).render()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f'DROP OWNED BY "{url.name}"'.encode())
        connection.execute(f'DROP ROLE "{url.name}"'.encode())


async def test_a_step_succeeds_although_its_blockers_cannot_be_cancelled(
    project: ProjectFolder, database_url: str, role_with_two_connections: str
) -> None:
    query(database_url, "CREATE TABLE go (at int); GRANT SELECT ON go TO public")
    project.revision("r1", upgrade=f"op.execute('CREATE TABLE t()')\nop.execute({AT_WORK_UNTIL_GO!r})")
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=role_with_two_connections, listeners=[heard.append])
    upgrading = asyncio.create_task(migrator.upgrade(options=RunOptions(cancel_blockers=CancelBlockers.ALL)))
    await until(lambda: any(isinstance(event, Warned) for event in heard) or upgrading.done())
    query(database_url, "INSERT INTO go VALUES (1)")
    assert [step.revision for step in (await upgrading).steps] == ["r1"]
    assert ledger(database_url) == [("r1", "succeeded")]
    [warned] = [event for event in heard if isinstance(event, Warned)]
    assert "cannot be cancelled" in warned.message
    assert "too many connections" in warned.message


async def test_a_cancellation_that_comes_when_a_step_is_over_ends_the_run_after_it(
    project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def cancelled_behind(*_: object) -> AsyncIterator[None]:
        yield
        upgrading.cancel()
        await asyncio.sleep(0)

    monkeypatch.setattr("headway.server_run.cancelling", cancelled_behind)
    project.tables("a", "b")
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=database_url, listeners=[heard.append])
    upgrading = asyncio.create_task(migrator.upgrade())
    with pytest.raises(asyncio.CancelledError):
        await upgrading
    # The message of the first has opened the entry of the second.
    assert ledger(database_url) == [("r1", "succeeded"), ("r2", "interrupted")]
    assert [type(event) for event in heard[-2:]] == [StepFinished, RunFailed]
    assert isinstance(heard[-1], RunFailed)
    assert heard[-1].steps == 1


@pytest.mark.parametrize("deaf_to", [StepStarted, StepFailed, RunFailed])
async def test_a_listener_that_raises_changes_nothing_of_a_failure(
    project: ProjectFolder, database_url: str, caplog: pytest.LogCaptureFixture, deaf_to: type[Event]
) -> None:
    project.revision("r1", upgrade="op.execute('SELECT 1/0')")
    heard: list[type[Event]] = []

    def listen(event: Event) -> None:
        if type(event) is deaf_to:
            raise LookupError("posted to https://hooks.example/s3cret")

    migrator = Migrator(project.ini, url=database_url, listeners=[listen, lambda it: heard.append(type(it))])
    with caplog.at_level(logging.WARNING), pytest.raises(StepFailedError, match="division by zero"):
        await migrator.upgrade()
    assert ledger(database_url) == [("r1", "failed")]
    assert deaf_to in heard
    [line] = [record.getMessage() for record in caplog.records if record.name == "headway"]
    assert "LookupError at test_beside_a_step.py:" in line
    assert deaf_to.__name__ in line
    assert "s3cret" not in line


async def test_a_failure_is_on_record_before_anybody_is_told(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1", upgrade="op.execute('SELECT 1/0')")
    seen: list[object] = []

    def look(event: Event) -> None:
        if isinstance(event, StepFailed):
            seen.extend(ledger(database_url))

    with pytest.raises(StepFailedError):
        await Migrator(project.ini, url=database_url, listeners=[look]).upgrade()
    assert seen == [("r1", "failed")]


async def test_a_listener_that_always_raises_does_not_keep_revisions_from_being_applied(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    stepwise = project.revision("r2", "r1", upgrade="op.execute('CREATE TABLE b()')")
    text = stepwise.read_text(encoding="utf-8").replace("down_", "transactional = False\ndown_", 1)
    stepwise.write_text(text, encoding="utf-8")
    heard: list[Event] = []

    def listen(event: Event) -> None:
        heard.append(event)
        raise RuntimeError

    report = await Migrator(project.ini, url=database_url, listeners=[listen]).upgrade()
    assert [step.revision for step in report.steps] == ["r1", "r2"]
    assert ledger(database_url) == [("r1", "succeeded"), ("r2", "succeeded")]
    assert isinstance(heard[-1], RunFinished)
