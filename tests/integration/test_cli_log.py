"""`headway log` on a real ledger."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from commandline import CommandLine

if TYPE_CHECKING:
    from conftest import ProjectFolder


@pytest.fixture
def tool(project: ProjectFolder, database_url: str) -> CommandLine:
    """In a project whose second revision fails."""
    project.tables("a")
    project.revision("r2", "r1", upgrade="op.execute('SELECT 1/0')")
    return CommandLine(project.root, database_url)


def test_without_a_ledger_there_is_nothing_on_record_and_no_error(tool: CommandLine) -> None:
    done = tool("log")
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing on record: the ledger begins with the first run" in done.stderr
    assert json.loads(tool("log", "--json").stdout)["entries"] == []


def test_steps_of_both_directions_and_failures_are_shown_newest_first(tool: CommandLine) -> None:
    assert tool("upgrade").returncode == 1
    assert tool("downgrade", "base", "--yes").returncode == 0
    lines = tool("log").stdout.splitlines()
    assert [line[lines[0].index("operation") :].split()[:3] for line in lines[1:]] == [
        ["downgrade", "r1", "succeeded"],
        ["upgrade", "r2", "failed"],
        ["upgrade", "r1", "succeeded"],
    ]
    # Grouped by run: its id stands before its newest step only.
    assert [line.startswith(" ") for line in lines[1:]] == [False, False, True]
    assert "division by zero" in lines[2]
    entries = json.loads(tool("log", "--outcome", "failed", "--json").stdout)["entries"]
    assert [(entry["revision"], entry["sqlstate"]) for entry in entries] == [("r2", "22012")]
    assert len(json.loads(tool("log", "--limit", "1", "--json").stdout)["entries"]) == 1
    done = tool("log", "--revision", "r9")
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing on record matches" in done.stderr


def test_revisions_that_plain_alembic_applied_show_as_before_the_ledger(
    tool: CommandLine, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES ('r1')")
    assert tool("upgrade").returncode == 1
    done = tool("log", "--operation", "baseline")
    assert done.returncode == 0
    assert [line.split()[3:8] for line in done.stdout.splitlines()[1:]] == [
        ["baseline", "r1", "before", "the", "ledger"]
    ]


def test_verify_takes_no_filter_for_it_checks_the_whole_ledger(tool: CommandLine) -> None:
    done = tool("log", "--verify", "--revision", "r1")
    assert done.returncode == 2
    assert "leave the filters out" in done.stderr


def test_verify_warns_when_the_newest_entries_were_taken_away(tool: CommandLine, database_url: str) -> None:
    tool("upgrade", "r1")
    assert "warning" not in tool("log", "--verify").stderr
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE kept AS TABLE migration_history")
        connection.execute("DELETE FROM migration_history WHERE id = (SELECT max(id) FROM migration_history)")
    done = tool("log", "--verify")
    assert done.returncode == 0
    assert "warning: r1 is applied, and the ledger does not say so" in done.stderr
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO migration_history TABLE kept")
    assert json.loads(tool("log", "--verify", "--json").stdout)["unrecorded"] == []
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM alembic_version")
    [line] = json.loads(tool("log", "--verify", "--json").stdout)["unrecorded"]
    assert line == "r1 is not applied, and the ledger says that it is"


def test_verify_of_a_database_without_a_ledger_warns_of_nothing(tool: CommandLine, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)")
        connection.execute("INSERT INTO alembic_version VALUES ('r1')")
    done = tool("log", "--verify")
    assert done.returncode == 0
    assert "warning" not in done.stderr


def test_a_changed_entry_is_found_by_verify_with_exit_7(tool: CommandLine, database_url: str) -> None:
    tool("upgrade", "r1")
    tool("downgrade", "base", "--yes")
    assert tool("log", "--verify").returncode == 0
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE migration_history SET os_user = 'nobody' WHERE id = 1")
    done = tool("log", "--verify", "--json")
    assert done.returncode == 7
    assert json.loads(done.stdout)["whole"] is False
