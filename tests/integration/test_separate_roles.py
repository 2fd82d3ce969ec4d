"""The GRANTs of docs/security.md are enough for both roles, and no more than that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

import servers
from commandline import CommandLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import ProjectFolder

_PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
BEFORE, AFTER = re.findall(r"^```sql\n(.*?)^```$", _PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def server(server_url: str) -> Iterator[servers.Postgres]:
    """One of our own: roles belong to a whole server."""
    with servers.postgres(like=server_url) as it:
        with psycopg.connect(it.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE app")
        yield it


def test_the_migrator_migrates_and_the_application_only_works(
    server: servers.Postgres, project: ProjectFolder
) -> None:
    project.revision(
        "r1",
        upgrade="op.create_table('books', sa.Column('id', sa.Integer, primary_key=True))",
        downgrade="op.drop_table('books')",
    )
    admin = servers.sibling(server.url, database="app")
    migrator, application = (
        servers.sibling(server.url, database="app", user=role) for role in ("migrator", "application")
    )
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(BEFORE.encode())
    headway = CommandLine(project.root, migrator)
    done = headway("upgrade")
    assert done.returncode == 0, done.stderr
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(AFTER.encode())
    asked = CommandLine(project.root, application)("pending")
    assert asked.returncode == 0, asked.stderr
    with psycopg.connect(application, autocommit=True) as connection:
        connection.execute("INSERT INTO books DEFAULT VALUES RETURNING id")
        for refused in (
            "CREATE TABLE mine ()",
            "DROP TABLE books",
            "DELETE FROM alembic_version",
            "UPDATE migration_history SET error = ''",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(refused.encode())
    undone = headway("downgrade", "base", "--yes")
    assert undone.returncode == 0, undone.stderr
