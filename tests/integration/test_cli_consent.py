"""Consent in production: the database's own name, from the flag or a terminal, and nothing less."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from commandline import CommandLine
from headway import DatabaseURL

if TYPE_CHECKING:
    from conftest import ProjectFolder

_PRODUCTION = {"APP_ENVIRONMENT": "production"}


@pytest.fixture
def tool(project: ProjectFolder, database_url: str) -> CommandLine:
    """In a project whose r1 creates a table and whose r2 drops it, on an empty database."""
    project.tables("users")
    project.revision(
        "r2", "r1", upgrade="op.drop_table('users')", downgrade="op.execute('CREATE TABLE users (id int)')"
    )
    return CommandLine(project.root, database_url)


@pytest.fixture
def name(database_url: str) -> str:
    """The database's name."""
    return DatabaseURL.parse(database_url).name


def _versions(database_url: str) -> list[str]:
    with psycopg.connect(database_url) as connection:
        if connection.execute("SELECT to_regclass('alembic_version')").fetchall() == [(None,)]:
            return []
        return [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")]


def test_what_destroys_nothing_needs_no_consent_and_names_the_database(
    tool: CommandLine, database_url: str
) -> None:
    done = tool("-q", "upgrade", "r1", variables=_PRODUCTION)
    assert done.returncode == 0
    shown = DatabaseURL.parse(tool.url).masked
    assert done.stderr == f"warning: about to change {shown} (production)\n"
    assert _versions(database_url) == ["r1"]


def test_without_a_terminal_only_the_name_is_consent(tool: CommandLine, database_url: str, name: str) -> None:
    tool("upgrade", "r1")
    for words in (
        ["upgrade"],
        ["downgrade", "base", "--yes"],
        ["stamp", "--purge", "r1"],
        ["repair", "--action", "forget", "--reason", "why", "--yes", "gone"],
    ):
        done = tool(*words, variables=_PRODUCTION)
        assert done.returncode == 3
        assert f"Pass --confirm {name} to go ahead" in done.stderr
    assert _versions(database_url) == ["r1"]


def test_what_is_marked_as_protected_is_looked_after_like_production(
    tool: CommandLine, database_url: str
) -> None:
    marked = {"APP_ENVIRONMENT": "staging", "HEADWAY_PROTECTED": "true"}
    done = tool("upgrade", variables=marked)
    assert done.returncode == 3
    assert "(staging, protected)" in done.stderr
    assert "r1  cannot be told" not in done.stderr
    assert _versions(database_url) == []


def test_the_name_is_consent_to_what_was_named(tool: CommandLine, database_url: str, name: str) -> None:
    tool("upgrade", "r1")
    done = tool("upgrade", "--confirm", name, variables=_PRODUCTION)
    assert done.returncode == 0, done.stderr
    assert "this destroys data:\n  r2  table users (no rows" in done.stderr
    assert _versions(database_url) == ["r2"]
    assert tool("stamp", "--purge", "r2", "--confirm", name, variables=_PRODUCTION).returncode == 0
    assert tool("downgrade", "base", "--confirm", name, variables=_PRODUCTION).returncode == 0
    assert _versions(database_url) == []


def test_another_databases_name_is_refused_wherever_it_is_passed(
    tool: CommandLine, database_url: str
) -> None:
    done = tool("upgrade", "--confirm", "other")
    assert done.returncode == 3
    assert "--confirm names 'other', and this database is called" in done.stderr
    assert _versions(database_url) == []


def test_elsewhere_a_yes_will_do_and_the_name_as_well(
    tool: CommandLine, database_url: str, name: str
) -> None:
    staging = {"APP_ENVIRONMENT": "staging"}
    assert tool("upgrade", variables=staging).returncode == 0
    assert tool("downgrade", "r1", variables=staging).returncode == 3
    assert tool("downgrade", "r1", "--yes", variables=staging).returncode == 0
    assert tool("downgrade", "base", "--confirm", name, variables=staging).returncode == 0
    assert _versions(database_url) == []


def test_nothing_to_do_needs_no_consent(tool: CommandLine) -> None:
    tool("upgrade")
    for words in (["upgrade"], ["downgrade", "r2"]):
        done = tool(*words, variables=_PRODUCTION)
        assert done.returncode == 0, done.stderr
        assert "about to change" not in done.stderr


@pytest.mark.parametrize("words", [["upgrade"], ["stamp", "r1"]])
def test_a_command_that_changes_says_first_which_database_masked(tool: CommandLine, words: list[str]) -> None:
    shown = DatabaseURL.parse(tool.url).masked
    assert tool(*words).stderr.splitlines()[0] == f"database: {shown}"
