"""``headway doctor`` as a person and a script meet it, on real servers."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import servers
from commandline import CommandLine
from headway import DatabaseURL

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from conftest import ProjectFolder

    Doctor = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def doctor(project: ProjectFolder, database_url: str) -> Doctor:
    """``headway doctor`` in a project of two revisions, on an empty database unless told of another."""
    project.tables("users", "notes")
    return partial(CommandLine(project.root, database_url), "doctor")


def _document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["format_version"] == 1
    return document


def _relations(url: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT relname FROM pg_class ORDER BY 1").fetchall()


def test_a_healthy_database_is_told_in_full_and_exits_0(doctor: Doctor, database_url: str) -> None:
    before = _relations(database_url)
    done = doctor(variables={"APP_ENVIRONMENT": "staging"})
    assert done.returncode == 0, done.stderr
    assert "✗" not in done.stdout
    for word in ("DATABASE_URL", "staging", "APP_ENVIRONMENT", "***", "alembic.ini", "alembic_version"):
        assert word in done.stdout
    for word in ("sqlalchemy", "asyncpg", "python", "none pooling", "primary", "advisory key", "plpgsql"):
        assert word in done.stdout
    assert "unversioned" in done.stdout
    assert "this database can be migrated from here" in done.stdout
    assert _relations(database_url) == before


def test_json_is_one_document_with_everything(doctor: Doctor, database_url: str) -> None:
    document = _document(doctor("--json"))
    assert (document["migratable"], document["reached"], document["problems"]) == (True, True, [])
    assert document["capabilities"]["pooling"] == "none"
    assert document["versions"]["server"] == document["capabilities"]["server_version"]
    assert isinstance(document["lock_key"], int)
    assert (document["state"], document["heads"]) == ("unversioned", ["r2"])
    sources = {item["name"]: item["source"] for item in document["settings"]}
    assert sources["database"] == "DATABASE_URL"
    assert sources["environment"] == "default"
    assert {check["name"] for check in document["checks"]} == {
        *("revisions", "version", "primary", "session", "writable", "create")
    }


def test_a_setting_from_the_env_file_is_said_to_come_from_there(
    doctor: Doctor, project: ProjectFolder, database_url: str
) -> None:
    (project.root / ".env").write_text(
        f"APP_ENVIRONMENT=production\nMIGRATION_DATABASE_URL='{database_url}'\nDATABASE_URL='{database_url}'\n"
    )
    sources = {item["name"]: item["source"] for item in _document(doctor("--json", url=""))["settings"]}
    assert sources["environment"] == ".env: APP_ENVIRONMENT"
    assert sources["database"] == ".env: MIGRATION_DATABASE_URL"
    assert sources["application"] == ".env: DATABASE_URL"


def test_a_transaction_pooler_exits_3_with_the_way_out(doctor: Doctor, database_url: str) -> None:
    before = _relations(database_url)
    with servers.pgbouncer(database_url, mode="transaction") as pooler:
        done = doctor(url=pooler.url())
        document = _document(doctor("--json", url=pooler.url()))
    assert done.returncode == 3
    assert "✗ session" in done.stdout
    assert "way out: Set MIGRATION_DATABASE_URL" in done.stdout
    assert "✓ primary" in done.stdout
    assert "cannot be migrated from here: 1 problem" in done.stdout
    assert [check["name"] for check in document["problems"]] == ["session"]
    assert _relations(database_url) == before


def test_a_session_pooler_exits_0_and_is_named(doctor: Doctor, database_url: str) -> None:
    with servers.pgbouncer(database_url, mode="session") as pooler:
        done = doctor(url=pooler.url())
    assert done.returncode == 0, done.stdout
    assert "session pooling" in done.stdout


def test_a_statement_pooler_is_refused_with_the_way_out(doctor: Doctor, database_url: str) -> None:
    with servers.pgbouncer(database_url, mode="statement") as pooler:
        done = doctor(url=pooler.url())
    assert done.returncode == 1
    assert "✗ connection" in done.stdout
    assert "way out: This is what a pooler does" in done.stdout
    assert "MIGRATION_DATABASE_URL" in done.stdout


def test_a_server_that_does_not_answer_exits_1_and_the_settings_are_shown(
    doctor: Doctor, database_url: str
) -> None:
    nowhere = dataclasses.replace(
        DatabaseURL.parse(database_url), hosts=(("127.0.0.1", servers.free_port()),)
    )
    done = doctor(url=nowhere.render())
    assert done.returncode == 1
    assert "✗ connection" in done.stdout
    assert "Is PostgreSQL running there" in done.stdout
    assert "DATABASE_URL" in done.stdout
    assert "cannot be reached from here" in done.stdout
    document = _document(doctor("--json", url=nowhere.render()))
    assert (document["reached"], document["capabilities"], document["state"]) == (False, None, None)


def test_an_extension_that_the_server_lacks_is_a_problem_only_while_its_revision_is_pending(
    doctor: Doctor, project: ProjectFolder, database_url: str
) -> None:
    project.revision("r3", "r2", upgrade="op.execute('CREATE EXTENSION IF NOT EXISTS nobody_has_this')")
    done = doctor()
    assert done.returncode == 3
    assert "✗ extension nobody_has_this" in done.stdout
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES ('r3')")
    done = doctor()
    assert done.returncode == 0, done.stdout
    assert "nobody_has_this" not in done.stdout


def test_revision_files_that_form_no_graph_are_a_problem_beside_the_others(
    doctor: Doctor, project: ProjectFolder
) -> None:
    project.revision("r3", "missing")
    done = doctor()
    assert done.returncode == 3
    assert "✗ revisions" in done.stdout
    assert "✓ primary" in done.stdout
