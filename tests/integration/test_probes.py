"""The endpoints, asked as a web server asks them."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import httpx
import psycopg
import pytest
from fastapi import FastAPI
from litestar import Litestar
from litestar.testing import AsyncTestClient
from starlette.applications import Starlette

from headway import DatabaseURL, Migrator, NotAtHeadError, StepFailedError
from headway.asgi import Probes, lifespan
from headway.asgi.litestar import handlers, mounted
from servers import AT_WORK_UNTIL_GO, free_port
from tcpproxy import Fault, TcpProxy, Towards

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from conftest import ProjectFolder
    from headway.asgi.probes import Endpoint

pytestmark = pytest.mark.asyncio

DEADLINE_S = 60.0


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


async def ask(endpoint: Endpoint, method: str = "GET") -> httpx.Response:
    transport = httpx.ASGITransport(app=endpoint)
    async with httpx.AsyncClient(transport=transport, base_url="http://probe") as client:
        return await client.request(method, "/")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # nobody sends an event for it
            await asyncio.sleep(0.02)


@pytest.fixture
def migrator(project: ProjectFolder, database_url: str) -> Migrator:
    project.tables("users", "notes")
    return Migrator(project.ini, url=database_url, environment="production")


@pytest.fixture
def probes(migrator: Migrator) -> Probes:
    return Probes(migrator, cache_s=0)


# -- liveness ------------------------------------------------------------------------------------------


async def test_liveness_asks_no_database(project: ProjectFolder) -> None:
    probes = Probes(Migrator(project.ini, url=f"postgresql://postgres@127.0.0.1:{free_port()}/none"))
    answer = await ask(probes.livez)
    assert answer.status_code == 200
    assert answer.json() == {"format_version": 1, "status": "alive"}


async def test_no_document_is_kept_by_a_cache_on_the_way(probes: Probes) -> None:
    for endpoint in (probes.livez, probes.readyz, probes.migrations):
        answer = await ask(endpoint)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"


async def test_head_has_the_headers_of_get_and_no_body(probes: Probes) -> None:
    got, asked = await ask(probes.livez), await ask(probes.livez, "HEAD")
    assert (asked.status_code, asked.headers, asked.content) == (got.status_code, got.headers, b"")


async def test_what_is_not_http_is_said_to_be_unsupported(probes: Probes) -> None:
    async def nothing(*_: object) -> None: ...

    for kind in ("lifespan", "websocket"):
        with pytest.raises(NotImplementedError, match=kind):
            await probes.livez({"type": kind}, nothing, nothing)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_there_is_nothing_to_write(probes: Probes, method: str) -> None:
    for endpoint in (probes.livez, probes.readyz, probes.migrations):
        answer = await ask(endpoint, method)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD"


# -- readiness -----------------------------------------------------------------------------------------


async def test_a_database_that_is_behind_is_not_ready_and_says_what_is_missing(
    migrator: Migrator, probes: Probes
) -> None:
    await migrator.upgrade("r1")
    answer = await ask(probes.readyz)
    assert answer.status_code == 503
    assert answer.json() == {
        "format_version": 1,
        "status": "unready",
        "reason": "the database is behind: missing r2",
        "state": "behind",
        "pending": ["r2"],
        "unknown": [],
        "step": None,
    }


async def test_a_database_at_head_is_ready(migrator: Migrator, probes: Probes) -> None:
    await migrator.upgrade()
    answer = await ask(probes.readyz)
    assert answer.status_code == 200
    assert answer.json() == {
        "format_version": 1,
        "status": "ready",
        "reason": None,
        "state": "at_head",
        "pending": [],
        "unknown": [],
    }


async def test_a_database_that_is_ahead_is_ready_unless_told_to_be_strict(
    project: ProjectFolder, migrator: Migrator, probes: Probes
) -> None:
    await migrator.upgrade()
    (project.versions / "r2.py").unlink()
    answer = await ask(probes.readyz)
    assert (answer.status_code, answer.json()["state"]) == (200, "ahead")
    answer = await ask(Probes(migrator, strict=True).readyz)
    assert (answer.status_code, answer.json()["reason"]) == (503, "the database is ahead: unknown here r2")


async def test_a_revision_that_is_half_way_is_named(
    project: ProjectFolder, migrator: Migrator, probes: Probes
) -> None:
    path = project.revision("r2", "r1", upgrade="op.execute('CREATE TABLE n()')\nop.execute('SELECT 1/0')")
    path.write_text(path.read_text().replace("down_revision", "transactional = False\ndown_revision", 1))
    with pytest.raises(StepFailedError):
        await migrator.upgrade()
    answer = await ask(probes.readyz)
    assert (answer.status_code, answer.json()["reason"]) == (503, "revision r2 is half-way")


async def test_a_server_that_is_not_there_is_no_secret_and_neither_is_its_address_told(
    project: ProjectFolder,
) -> None:
    port = free_port()
    migrator = Migrator(project.ini, url=f"postgresql://postgres:s3cr3t@127.0.0.1:{port}/none")
    probes = Probes(migrator)
    for endpoint in (probes.readyz, probes.migrations):
        answer = await ask(endpoint)
        assert answer.status_code == 503
        assert answer.json()["reason"] == (
            "the database could not be asked (ConnectionFailedError); the log says more"
        )
        assert "s3cr3t" not in answer.text
        assert str(port) not in answer.text


async def test_why_the_database_cannot_be_asked_is_logged_once_and_again_after_it_could(
    project: ProjectFolder, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with TcpProxy(database_url) as proxy:
        probes = Probes(Migrator(project.ini, url=proxy.url), cache_s=0)
        for _ in range(2):
            caplog.clear()
            proxy.rule(b"SELECT", Towards.SERVER, Fault.CUT_BEFORE, down=True)
            for _ in range(3):
                assert (await ask(probes.readyz)).status_code == 503
            said = [record.getMessage() for record in caplog.records if record.name == "headway"]
            assert 1 <= len(said) <= 2  # the line that broke is one thing, a server that is gone another
            assert all("probe: " in line and "hint: " in line for line in said)
            proxy.up()
            assert (await ask(probes.readyz)).status_code == 200


async def test_a_server_that_does_not_answer_is_given_up_at_the_deadline(
    project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.asgi.probes.DEADLINE_S", 0.3)
    with TcpProxy(database_url) as proxy:
        probes = Probes(Migrator(project.ini, url=proxy.url), cache_s=0)
        proxy.rule(b"SELECT", Towards.SERVER, Fault.SWALLOW_BEFORE)
        async with asyncio.timeout(DEADLINE_S):
            answer = await ask(probes.readyz)
    assert answer.status_code == 503
    assert answer.json()["reason"] == "no answer within 0.3 s"


async def test_a_storm_of_probes_is_one_question(migrator: Migrator, database_url: str) -> None:
    await migrator.upgrade()
    asked = 0
    pending = migrator.pending

    async def counted() -> Any:
        nonlocal asked
        asked += 1
        return await pending()

    migrator.pending = counted  # type: ignore[method-assign]
    probes = Probes(migrator, cache_s=3600)
    answers = await asyncio.gather(*(ask(probes.readyz) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert asked == 1


# -- while the application starts ----------------------------------------------------------------------


async def test_while_a_revision_runs_in_the_background_readiness_names_it_and_becomes_true_at_head(
    project: ProjectFolder, migrator: Migrator, probes: Probes, database_url: str
) -> None:
    execute(database_url, "CREATE TABLE go (at int)")
    project.revision("r3", "r2", upgrade=f'op.execute("""{AT_WORK_UNTIL_GO}""")', doc="backfill")
    async with migrator.startup("upgrade", background=True) as startup:
        while True:
            answer = await ask(probes.readyz)
            document = answer.json()
            assert (answer.status_code, document["status"]) == (503, "starting")
            if document["step"] and document["step"]["revision"] == "r3":
                break
            await asyncio.sleep(0.01)
        assert document["reason"] == "migrating: revision 3 of 3"
        assert document["step"].pop("running_s") >= 0
        assert document["step"] == {
            "revision": "r3",
            "description": "backfill",
            "direction": "upgrade",
            "number": 3,
            "total": 3,
        }
        assert (await ask(probes.livez)).status_code == 200
        execute(database_url, "INSERT INTO go VALUES (1)")
        async with asyncio.timeout(DEADLINE_S):
            await startup.wait()
        assert (await ask(probes.readyz)).status_code == 200


async def test_after_a_migration_that_failed_readiness_says_why_and_recovers_when_the_database_does(
    project: ProjectFolder, migrator: Migrator, probes: Probes, database_url: str
) -> None:
    project.revision("r2", "r1", upgrade="op.execute('SELECT * FROM s3cr3t_table')")
    async with migrator.startup("upgrade", background=True) as startup:
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(StepFailedError):
                await startup.wait()
        answer = await ask(probes.readyz)
        document = answer.json()
        assert (answer.status_code, document["status"]) == (503, "unready")
        assert document["reason"] == "revision r2 failed (StepFailedError, SQLSTATE 42P01); the log says more"
        assert document["pending"] == ["r2"]
        assert "s3cr3t" not in answer.text
        assert (await ask(probes.livez)).status_code == 200
        project.tables("users", "notes")
        await Migrator(project.ini, url=database_url).upgrade()
        assert (await ask(probes.readyz)).status_code == 200


async def test_a_start_that_failed_before_any_revision_says_so(
    project: ProjectFolder, migrator: Migrator, probes: Probes
) -> None:
    async with migrator.startup("check", background=True) as startup:
        async with asyncio.timeout(DEADLINE_S):
            await until(lambda: startup.done)
        answer = await ask(probes.readyz)
    assert answer.json()["reason"] == "the start-up failed (NotAtHeadError); the log says more"


async def test_what_was_known_before_a_start_is_asked_anew_after_it(migrator: Migrator) -> None:
    probes = Probes(migrator, cache_s=3600)
    assert (await ask(probes.readyz)).status_code == 503
    async with migrator.startup("upgrade", background=True) as startup:
        assert (await ask(probes.readyz)).json()["status"] == "starting"
        await startup.wait()
        assert (await ask(probes.readyz)).status_code == 200


async def test_a_second_start_has_nothing_of_the_first_one_s_failure(
    project: ProjectFolder, migrator: Migrator, probes: Probes, database_url: str
) -> None:
    project.revision("r2", "r1", upgrade="op.execute('SELECT 1/0')")
    async with migrator.startup("upgrade", background=True) as startup:
        with pytest.raises(StepFailedError):
            await startup.wait()
    async with migrator.startup("check", background=True) as startup:
        with pytest.raises(NotAtHeadError):
            await startup.wait()
        reason = (await ask(probes.readyz)).json()["reason"]
    assert reason == "the start-up failed (NotAtHeadError); the log says more"
    project.tables("users", "notes")
    await Migrator(project.ini, url=database_url).upgrade()
    assert (await ask(probes.readyz)).status_code == 200
    await Migrator(project.ini, url=database_url).downgrade()
    assert (await ask(probes.readyz)).json()["reason"] == "the database is behind: missing r2"


async def test_a_start_that_was_broken_off_in_mid_step_runs_no_step_any_more(
    project: ProjectFolder, migrator: Migrator, probes: Probes, database_url: str
) -> None:
    execute(database_url, "CREATE TABLE go (at int)")
    project.revision("r3", "r2", upgrade=f'op.execute("""{AT_WORK_UNTIL_GO}""")')
    async with migrator.startup("upgrade", background=True):
        async with asyncio.timeout(DEADLINE_S):
            while (await ask(probes.readyz)).json()["reason"] != "migrating: revision 3 of 3":  # noqa: ASYNC110  # nobody sends an event for it
                await asyncio.sleep(0.02)
    assert (await ask(probes.readyz)).json()["step"] is None


async def test_readiness_does_not_depend_on_how_busy_the_applications_threads_are(
    migrator: Migrator, probes: Probes
) -> None:
    await migrator.upgrade()
    done = threading.Event()
    busy = [asyncio.create_task(anyio.to_thread.run_sync(done.wait)) for _ in range(60)]
    try:
        assert (await ask(probes.readyz)).status_code == 200
    finally:
        done.set()
        await asyncio.gather(*busy)


# -- the migrations ------------------------------------------------------------------------------------


async def test_the_migrations_document_has_every_revision_with_what_the_ledger_has_of_it(
    migrator: Migrator, probes: Probes, database_url: str
) -> None:
    await migrator.upgrade("r1")
    entry = (await migrator.log())[0]
    answer = await ask(probes.migrations)
    assert answer.status_code == 200
    document = answer.json()
    applied, missing = document.pop("revisions")
    assert document == {
        "format_version": 1,
        "state": "behind",
        "current": ["r1"],
        "heads": ["r2"],
        "pending": ["r2"],
        "unknown": [],
    }
    assert applied == {
        "revision": "r1",
        "description": "create users",
        "mark": "applied",
        "applied_at": applied["applied_at"],
        "duration_ms": entry.duration_ms,
        "checksum": entry.checksum,
    }
    assert missing == {
        "revision": "r2",
        "description": "create notes",
        "mark": "pending",
        "applied_at": None,
        "duration_ms": None,
        "checksum": None,
    }
    secret = DatabaseURL.parse(database_url).password
    assert secret is None or secret.get_secret_value() not in answer.text


async def test_a_revision_that_was_undone_has_no_facts_left_and_one_applied_again_the_latest(
    migrator: Migrator, probes: Probes
) -> None:
    await migrator.upgrade()
    await migrator.downgrade("base")
    await migrator.upgrade("r1")
    latest = (await migrator.log())[0]
    again, undone = (await ask(probes.migrations)).json()["revisions"]
    assert again["duration_ms"] == latest.duration_ms
    assert (undone["mark"], undone["duration_ms"], undone["checksum"]) == ("pending", None, None)


async def test_without_a_ledger_the_migrations_document_has_no_facts(
    migrator: Migrator, probes: Probes, database_url: str
) -> None:
    execute(database_url, "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    execute(database_url, "INSERT INTO alembic_version VALUES ('r2')")
    document = (await ask(probes.migrations)).json()
    assert [item["mark"] for item in document["revisions"]] == ["applied", "applied"]
    assert {item["checksum"] for item in document["revisions"]} == {None}


# -- in a framework ------------------------------------------------------------------------------------


def fastapi(around: Any, probes: Probes) -> FastAPI:
    app = FastAPI(lifespan=around)
    app.router.routes.extend(probes.routes(migrations="/internal/migrations"))
    return app


def starlette(around: Any, probes: Probes) -> Starlette:
    return Starlette(lifespan=around, routes=probes.routes())


@pytest.mark.parametrize("framework", [fastapi, starlette])
async def test_in_fastapi_and_starlette_the_lifespan_migrates_and_the_routes_answer(
    migrator: Migrator, framework: Callable[[Any, Probes], Starlette]
) -> None:
    async def own(_app: object) -> AsyncIterator[dict[str, str]]:
        assert (await migrator.pending()).at_head
        yield {"pool": "open"}

    probes = Probes(migrator)
    app = framework(lifespan(migrator, "upgrade", wraps=own), probes)
    life: AbstractAsyncContextManager[Any] = app.router.lifespan_context(app)
    async with life as state:
        assert state == {"pool": "open"}
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            assert (await client.get("/livez")).status_code == 200
            assert (await client.get("/readyz")).json()["status"] == "ready"
            assert (await client.post("/readyz")).status_code == 405
            mounted = await client.get("/internal/migrations")
            assert mounted.status_code == (200 if framework is fastapi else 404)  # off unless mounted


async def test_in_litestar_the_same_lifespan_and_handlers_do(migrator: Migrator) -> None:
    probes = Probes(migrator)
    app = Litestar(
        route_handlers=[*handlers(probes), mounted("/internal/migrations", probes.migrations)],
        lifespan=[lifespan(migrator, "upgrade")],
        openapi_config=None,
    )
    async with AsyncTestClient(app=app) as client:
        assert (await client.get("/livez")).status_code == 200
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (200, "ready")
        assert (await client.get("/internal/migrations")).json()["current"] == ["r2"]
        assert (await client.post("/readyz")).status_code == 405
