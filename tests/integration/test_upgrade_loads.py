"""What a process that only upgrades loads: what a run needs, and nothing that compares, writes or draws."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    import pytest

    from conftest import ProjectFolder

_PROGRAM = """
import gc, json, sys
from headway.cli import main

usual = gc.get_threshold()
sys.argv = ["headway", "upgrade"]
assert main() == 0
loaded = sorted(sys.modules)
answer = {"loaded": loaded, "kept": gc.get_freeze_count(), "usual": gc.get_threshold() == usual}
from mako.ext import pygmentplugin
print(json.dumps(answer))
"""
_UNNEEDED = frozenset(
    {
        *("alembic_postgresql_enum", "anyio", "difflib", "pydantic", "pygments", "rich", "sqlite3"),
        *("headway.alembic_bridge.authoring", "headway.alembic_bridge.destruction"),
        *("headway.alembic_bridge.drafting", "headway.alembic_bridge.scripting"),
        *("headway.cli.commands.preview", "headway.cli.outlook"),
        *("headway.autogenerate.directives", "headway.autogenerate.enums", "headway.autogenerate.rendering"),
        *("headway.planning.sealing", "headway.sqlfiles.script", "headway.statements"),
        *(
            "headway.results.authoring",
            "headway.results.history",
            "headway.results.review",
            "headway.results.standing",
        ),
        *("headway.sqlite.attempt", "headway.sqlite.book", "headway.sqlite.files"),
    }
)


def _upgrade(project: ProjectFolder, url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", url)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        cwd=project.root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_upgrade_loads_only_what_a_run_needs_and_keeps_it_from_the_search_for_garbage(
    project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.tables("users")
    told = json.loads(_upgrade(project, database_url, monkeypatch))
    assert {"headway.batch", "sqlalchemy", "alembic.op"} <= {*told["loaded"]}
    assert not _UNNEEDED & {*told["loaded"]}
    assert told["kept"] > 100_000
    assert told["usual"]


_CALLS_OP = """
import sqlalchemy as sa
assert not hasattr(op, "no_operation_of_anybody_s")
op.sync_enum_values(
    enum_schema="public", enum_name="mood", new_values=["good", "bad"], affected_columns=[]
)
"""


def test_an_operation_of_the_package_for_enums_is_there_for_a_revision_that_does_not_import_it(
    project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.revision("r1", upgrade="op.execute(\"CREATE TYPE mood AS ENUM ('good', 'sad')\")")
    project.revision("r2", "r1", upgrade=textwrap.dedent(_CALLS_OP))
    told = json.loads(_upgrade(project, database_url, monkeypatch))
    assert "alembic_postgresql_enum" in told["loaded"]
    with psycopg.connect(database_url) as connection:
        labels = connection.execute("SELECT enum_range(NULL::mood)::text").fetchone()
    assert labels == ("{good,bad}",)
