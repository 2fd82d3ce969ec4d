"""``headway revision``: what it prints, what it asks, and what answers beforehand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from commandline import CommandLine

if TYPE_CHECKING:
    from conftest import ProjectFolder

MODELS = """
import sqlalchemy as sa
metadata = sa.MetaData()
columns = sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.Text, index=True)
sa.Table("users", metadata, *columns)
"""
RENAME = "users.mail=users.email"
WRITE = ("revision", "--autogenerate", "-m", "new name")


@pytest.fixture
def tool(project: ProjectFolder, database_url: str) -> CommandLine:
    """The database has users.mail; the models have users.email."""
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE users (id serial PRIMARY KEY, mail text)")
        connection.execute("CREATE INDEX ix_users_mail ON users (mail)")
    project.env("metadata", MODELS)
    return CommandLine(project.root, database_url)


def _forget(project: ProjectFolder) -> str:
    """The text of the files that were written last, which are deleted."""
    text = ""
    for path in project.versions.glob("*_new_name*.py"):
        text += path.read_text(encoding="utf-8")
        path.unlink()
    return text


def test_a_probable_rename_is_flagged_where_nobody_can_be_asked_and_options_decide(
    tool: CommandLine, project: ProjectFolder
) -> None:
    done = tool(*WRITE)
    assert len(done.stdout.splitlines()) == 3
    assert f"pass --rename {RENAME}" in done.stderr
    assert RENAME in " ".join(_forget(project).split())
    done = tool(*WRITE, "--no-renames", "--json")
    document = json.loads(done.stdout)
    assert (len(document["paths"]), document["renames"], "--rename" in _forget(project)) == (3, [], False)
    done = tool(*WRITE, "--rename", RENAME)
    assert "new_column_name='email'" in _forget(project)
    done = tool(*WRITE, "--rename", "users.nail=users.email")
    assert (done.returncode, done.stdout) == (2, "")
    assert RENAME in done.stderr


def test_several_heads_are_refused_with_the_command_that_merges_them(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1")
    project.revision("a1", "r1")
    project.revision("b1", "r1")
    done = CommandLine(project.root, database_url)(*WRITE)
    assert done.returncode == 2
    assert "headway merge" in done.stderr
    assert "a1 b1" in done.stderr
