"""Enum types: compared with alembic-postgresql-enum, and never passed over without it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import psycopg
import pytest

from headway import Migrator

if TYPE_CHECKING:
    from conftest import ProjectFolder

MODELS = """
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

metadata = sa.MetaData()
sa.Table(
    "people", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("mood", sa.Enum({labels}, name="mood"), server_default="good"),
    sa.Column("moods", sa.ARRAY(sa.Enum({labels}, name="mood")), server_default="{{}}"),
    {more}
)
"""
KIND = 'sa.Column("kind", sa.Enum("a", "b", name="kind")),'
DDL = """
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TYPE forgotten AS ENUM ('x');
    CREATE TYPE used AS ENUM ('y');
    CREATE TABLE people (id serial PRIMARY KEY, mood mood DEFAULT 'good', moods mood[] DEFAULT '{}');
    CREATE TABLE not_compared (used used[]);
    INSERT INTO people DEFAULT VALUES;
"""


def _labels(url: str) -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        query = (
            'SELECT enumtypid::regtype::text COLLATE "C", enumlabel FROM pg_enum ORDER BY 1, enumsortorder'
        )
        return [(row[0], row[1]) for row in connection.execute(query)]


def _project(project: ProjectFolder, labels: str, more: str = "") -> None:
    leave_out = "include_object=lambda item, name, kind, *_: (kind, name) != ('table', 'not_compared')"
    project.env(f"metadata, {leave_out}", MODELS.format(labels=labels, more=more))


@pytest.mark.asyncio
@pytest.mark.parametrize("labels", ["'good', 'fine', 'bad', 'worst'", "'good', 'sad'"])
async def test_labels_and_types_come_and_go_with_the_package(
    project: ProjectFolder, database_url: str, labels: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(DDL)
    before = _labels(database_url)
    migrator = Migrator(project.ini, url=database_url)
    _project(project, labels, KIND)
    assert (await migrator.revision("moods", autogenerate=True)).paths
    await migrator.upgrade()
    wanted = [label.strip("' ") for label in labels.split(",")]
    after = [*(("kind", label) for label in "ab"), *(("mood", label) for label in wanted), ("used", "y")]
    assert _labels(database_url) == after
    assert (await migrator.check()).clean
    await migrator.downgrade("base")
    assert sorted(_labels(database_url)) == sorted(before)


WITHOUT = """
    import asyncio, logging, sys
    sys.modules["alembic_postgresql_enum"] = None
    logging.basicConfig(format="%(message)s")
    from pathlib import Path
    from headway import Migrator

    async def main():
        migrator = Migrator(Path(sys.argv[1]))
        print(*(await migrator.check()).differences, sep="\\n")
        report = await migrator.revision("moods", autogenerate=True)
        print(report.paths[0].read_text())

    asyncio.run(main())
"""


def test_without_the_package_what_differs_is_reported_and_the_package_named(
    project: ProjectFolder, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(DDL)
    _project(project, "'good', 'sad'", KIND)
    command = [sys.executable, "-c", textwrap.dedent(WITHOUT), str(project.ini)]
    environment = {**os.environ, "DATABASE_URL": database_url}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "enum mood: 'good', 'bad' to 'good', 'sad'. Install alembic-postgresql-enum" in done.stderr
    assert "enum kind: none to 'a', 'b'. Install alembic-postgresql-enum" in done.stderr
    assert done.stdout.count("raise NotImplementedError(") >= 2
    assert "DROP TYPE forgotten" in done.stdout
    assert "DROP TYPE used" not in done.stdout
    assert "change enum difference mood" in done.stdout.split('"""')[0]
