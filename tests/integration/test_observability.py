"""What a run on a real database leaves in traces, metrics and logs."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

import psycopg
import pytest
from opentelemetry.trace import StatusCode

from commandline import CommandLine
from headway import (
    DatabaseURL,
    DirtyError,
    LockBusyError,
    LockWaiting,
    Migrator,
    NotAtHeadError,
    RunOptions,
    StepFailedError,
    StepRetrying,
)
from headway.lock import lock_key
from headway.project import VersionTable
from headway.telemetry import LogListener
from recorded_telemetry import Recorded, attributes, parent, span_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from conftest import ProjectFolder
    from headway import Event, Listener

PRIVATE = "ada@example.org"


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    made = Recorded()
    yield made
    made.close()


def stepwise(path: Path) -> None:
    """Run a revision statement by statement."""
    path.write_text(f"{path.read_text(encoding='utf-8')}\ntransactional = False\n", encoding="utf-8")


def name_of(url: str) -> str:
    return str(DatabaseURL.parse(url).database)


@pytest.mark.asyncio
async def test_an_upgrade_is_one_span_with_its_steps_inside_the_callers(
    project: ProjectFolder, database_url: str, recorded: Recorded
) -> None:
    project.tables("a", "b")
    with recorded.tracer.start_as_current_span("deploy"):
        report = await Migrator(project.ini, url=database_url, listeners=[recorded.listener]).upgrade()
    first, second, run, deploy = recorded.spans()
    assert [span.name for span in (first, second, run)] == ["headway step", "headway step", "headway upgrade"]
    assert parent(run) == span_id(deploy)
    assert [parent(step) for step in (first, second)] == [span_id(run)] * 2
    assert [attributes(step)["headway.revision"] for step in (first, second)] == ["r1", "r2"]
    for span in (first, second, run):
        assert attributes(span)["db.system.name"] == "postgresql"
        assert attributes(span)["db.namespace"] == name_of(database_url)
        assert attributes(span)["server.address"]
        assert attributes(span)["headway.run_id"] == report.run_id
        assert attributes(span)["headway.outcome"] == "succeeded"
    (point,) = recorded.points("headway.step.duration")
    assert point.count == 2
    assert 0 < point.sum <= report.duration_ms / 1000


@pytest.mark.asyncio
async def test_downgrade_stamp_and_nothing_to_do_are_spans_too(
    project: ProjectFolder, database_url: str, recorded: Recorded
) -> None:
    project.tables("a")
    migrator = Migrator(project.ini, url=database_url, listeners=[recorded.listener])
    await migrator.upgrade()
    await migrator.upgrade()
    await migrator.downgrade("base")
    await migrator.stamp("head")
    names = [span.name for span in recorded.spans() if span.name != "headway step"]
    assert names == ["headway upgrade", "headway upgrade", "headway downgrade", "headway stamp"]
    assert [attributes(step)["headway.direction"] for step in recorded.spans("headway step")] == [
        "upgrade",
        "downgrade",
    ]


@pytest.mark.asyncio
async def test_a_revision_that_fails_is_an_error_with_its_sqlstate(
    project: ProjectFolder, database_url: str, recorded: Recorded
) -> None:
    project.tables("a")
    project.revision("r2", "r1", upgrade="op.execute('SELECT 1/0')")
    with pytest.raises(StepFailedError):
        await Migrator(project.ini, url=database_url, listeners=[recorded.listener]).upgrade()
    _, step, run = recorded.spans()
    assert (attributes(step)["error.type"], attributes(run)["error.type"]) == ("22012", "StepFailedError")
    assert attributes(step)["db.response.status_code"] == "22012"
    for span in (step, run):
        assert span.status.status_code is StatusCode.ERROR
        assert "division by zero" in str(span.status.description)
    assert attributes(run)["headway.run.steps_done"] == 1


@pytest.mark.asyncio
async def test_a_cancelled_run_is_an_error_of_its_own_kind(
    project: ProjectFolder, database_url: str, recorded: Recorded
) -> None:
    project.revision("r1", upgrade="op.execute('SELECT pg_sleep(600)')")
    migrator = Migrator(project.ini, url=database_url, listeners=[recorded.listener])
    task = asyncio.create_task(migrator.upgrade())
    at_work = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    async with asyncio.timeout(60):
        with psycopg.connect(database_url, autocommit=True) as looker:
            while looker.execute(at_work).fetchone() is None:  # noqa: ASYNC110  # PostgreSQL sends no event for it
                await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [attributes(span)["error.type"] for span in recorded.spans()] == ["CancelledError"] * 2


@pytest.mark.asyncio
async def test_waiting_for_the_migrator_lock_is_part_of_the_runs_span_and_measured(
    project: ProjectFolder, database_url: str, recorded: Recorded
) -> None:
    project.tables("a")
    key = lock_key(name_of(database_url), VersionTable("alembic_version", "public"))
    with psycopg.connect(database_url, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [key])

        def let_go(event: Event) -> None:
            if isinstance(event, LockWaiting):
                holder.execute("SELECT pg_advisory_unlock(%s)", [key])

        await Migrator(project.ini, url=database_url, listeners=[recorded.listener, let_go]).upgrade()
    run, step = recorded.span("headway upgrade"), recorded.span("headway step")
    assert run.start_time is not None
    assert step.start_time is not None
    waited = attributes(run)["headway.lock.waited"]
    assert 0 < waited * 1e9 <= step.start_time - run.start_time
    (point,) = recorded.points("headway.lock.wait.duration")
    assert (point.count, point.sum) == (1, waited)


@pytest.mark.asyncio
async def test_a_run_that_never_got_the_lock_has_no_span(
    project: ProjectFolder, database_url: str, recorded: Recorded
) -> None:
    project.tables("a")
    key = lock_key(name_of(database_url), VersionTable("alembic_version", "public"))
    with psycopg.connect(database_url, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [key])
        migrator = Migrator(project.ini, url=database_url, listeners=[recorded.listener])
        with pytest.raises(LockBusyError):
            await migrator.upgrade(options=RunOptions(lock_wait_s=0))
    assert recorded.spans() == []


@pytest.mark.asyncio
async def test_a_retry_is_an_event_of_its_step_and_counted(
    project: ProjectFolder, database_url: str, recorded: Recorded
) -> None:
    project.tables("a")
    project.revision("r2", "r1", upgrade="op.execute('ALTER TABLE a ADD COLUMN x int')")
    migrator = Migrator(project.ini, url=database_url, listeners=[recorded.listener])
    await migrator.upgrade("r1")
    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT FROM a")
        pid = reader.info.backend_pid

        def let_go(event: Event) -> None:
            if isinstance(event, StepRetrying):
                reader.rollback()

        migrator.listen(let_go)
        await migrator.upgrade()
    retries = [event for event in recorded.spans("headway step")[1].events if event.name == "headway.retry"]
    assert retries
    facts = retries[0].attributes or {}
    assert (facts["db.response.status_code"], facts["headway.attempt"]) == ("55P03", 1)
    assert facts["headway.blocker.pids"] in {(pid,), ()}
    (point,) = recorded.points("headway.step.retries")
    assert point.value == len(retries)


@pytest.mark.asyncio
async def test_many_migrators_with_one_listener_in_one_loop_do_not_mix(
    project: ProjectFolder, database_urls: Sequence[str], recorded: Recorded
) -> None:
    project.tables(*(f"t{number}" for number in range(5)))

    async def deploy(url: str) -> None:
        with recorded.tracer.start_as_current_span(name_of(url)):
            await Migrator(project.ini, url=url, listeners=[recorded.listener]).upgrade()

    await asyncio.gather(*map(deploy, database_urls))
    for url in database_urls:
        (run,) = (
            span
            for span in recorded.spans("headway upgrade")
            if attributes(span)["db.namespace"] == name_of(url)
        )
        assert parent(run) == span_id(recorded.span(name_of(url)))
        steps = [span for span in recorded.spans("headway step") if parent(span) == span_id(run)]
        assert [attributes(step)["headway.revision"] for step in steps] == ["r1", "r2", "r3", "r4", "r5"]
        assert {attributes(step)["db.namespace"] for step in steps} == {name_of(url)}
    assert len(recorded.spans("headway upgrade")) == len(database_urls)


@pytest.mark.asyncio
async def test_no_statement_and_no_password_is_in_a_span_a_measurement_or_a_record(
    project: ProjectFolder, database_url: str, recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="headway")
    project.tables("a")
    stepwise(project.revision("r2", "r1", upgrade=f"op.execute(\"CREATE TABLE c () /* '{PRIVATE}' */\")"))
    project.revision("r3", "r2", upgrade=f"op.execute(\"SELECT 1/0 /* '{PRIVATE}' */\")")
    listeners: list[Listener] = [recorded.listener, LogListener()]
    with pytest.raises(StepFailedError) as caught:
        await Migrator(project.ini, url=database_url, listeners=listeners).upgrade()
    assert PRIVATE in str(caught.value), "the error itself says which statement it was"
    records = [json.dumps(vars(record), default=str) for record in caplog.records if record.name == "headway"]
    assert any("statement_finished" in record for record in records)
    assert "headway.statement" in recorded.texts()
    password = DatabaseURL.parse(database_url).password
    for told in (recorded.texts(), "\n".join(records)):
        assert PRIVATE not in told
        assert password is None or password.get_secret_value() not in told


@pytest.mark.asyncio
@pytest.mark.parametrize("changed", ["pass", "op.execute('CREATE TABLE other ()')"])
async def test_a_revision_that_was_changed_half_way_shows_its_statements_in_the_error_alone(
    project: ProjectFolder,
    database_url: str,
    recorded: Recorded,
    caplog: pytest.LogCaptureFixture,
    changed: str,
) -> None:
    interrupted = f"op.execute(\"CREATE TABLE c () /* '{PRIVATE}' */\")\nop.execute('SELECT nothing')"
    stepwise(project.revision("r1", upgrade=interrupted))
    listeners: list[Listener] = [recorded.listener, LogListener()]
    migrator = Migrator(project.ini, url=database_url, listeners=listeners)
    with pytest.raises(StepFailedError):
        await migrator.upgrade()
    stepwise(project.revision("r1", upgrade=changed))
    with pytest.raises(DirtyError, match=PRIVATE):
        await migrator.upgrade()
    assert PRIVATE not in recorded.texts() + caplog.text
    assert "DirtyError" in recorded.texts()


@pytest.mark.asyncio
async def test_the_upgrade_of_an_application_that_starts_is_inside_its_start_up(
    project: ProjectFolder, database_url: str, recorded: Recorded
) -> None:
    project.tables("a")
    migrator = Migrator(project.ini, url=database_url, listeners=[recorded.listener])
    async with migrator.startup("upgrade"):
        await migrator.stamp("head")
    startup = recorded.span("headway startup")
    assert attributes(startup)["headway.startup.mode"] == "upgrade"
    assert attributes(startup)["headway.state"] == "at_head"
    assert parent(recorded.span("headway upgrade")) == span_id(startup)
    assert parent(recorded.span("headway stamp")) is None


@pytest.mark.asyncio
async def test_a_start_up_that_is_refused_says_why(
    project: ProjectFolder, database_url: str, recorded: Recorded
) -> None:
    project.tables("a")
    migrator = Migrator(project.ini, url=database_url, listeners=[recorded.listener])
    with pytest.raises(NotAtHeadError):
        async with migrator.startup("check"):
            pass
    (startup,) = recorded.spans()
    assert attributes(startup)["error.type"] == "NotAtHeadError"
    assert "r1" in str(startup.status.description)


SITECUSTOMIZE = """
import sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(
    out=sys.stderr, formatter=lambda span: "span: " + span.to_json(indent=None) + "\\n"
)))
trace.set_tracer_provider(provider)
"""


def test_the_command_makes_spans_where_its_process_has_opentelemetry(
    project: ProjectFolder, database_url: str
) -> None:
    """What `opentelemetry-instrument headway upgrade` comes to: providers are set before headway begins."""
    project.tables("a")
    (project.root / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
    tool = CommandLine(project.root, database_url)
    plain = tool("upgrade", "head")
    assert (plain.returncode, "span: " in plain.stderr) == (0, False)
    import headway

    source = str(headway.__file__).removesuffix("/headway/__init__.py")
    done = tool("downgrade", "base", "--yes", variables={"PYTHONPATH": f"{project.root}:{source}"})
    assert done.returncode == 0, done.stderr
    lines = [line.removeprefix("span: ") for line in done.stderr.splitlines() if line.startswith("span: ")]
    spans = [json.loads(line) for line in lines]
    assert [span["name"] for span in spans] == ["headway step", "headway downgrade"]
    assert spans[0]["parent_id"] == spans[1]["context"]["span_id"]
