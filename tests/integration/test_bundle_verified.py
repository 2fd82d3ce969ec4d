"""`verify`: whether a database is what a run would have left."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from bundles import psql
from commandline import CommandLine
from headway import Migrator
from servers import sibling

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import ProjectFolder
    from headway import VerifyReport


@pytest.fixture
def applied(project: ProjectFolder, database_url: str) -> Path:
    """A bundle that psql has applied."""
    project.tables("first", "second")
    folder = project.root / "bundle"
    asyncio.run(Migrator(project.ini, url=database_url).bundle(folder, scratch=None))
    assert psql(database_url, "-f", folder / "upgrade.sql").returncode == 0
    return folder


def verify(project: ProjectFolder, url: str, server: str, folder: Path | None = None) -> VerifyReport:
    return asyncio.run(Migrator(project.ini, url=url).verify(folder, scratch=server))


def test_a_bundle_applied_by_psql_is_what_a_run_would_have_left(
    project: ProjectFolder, applied: Path, database_url: str, server_url: str
) -> None:
    report = verify(project, database_url, server_url, applied)
    assert report.differences == ()
    assert (report.current, report.expected) == (("r2",), ("r2",))


TAMPERED = [
    (
        "ALTER TABLE first ADD COLUMN extra int",
        "column public.first.extra: is there, and no revision makes it",
    ),
    ("DROP TABLE second", "table public.second: missing"),
    ("CREATE VIEW seen AS SELECT 1 AS one", "view public.seen: is there"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "function public.f(): is there"),
    ("ALTER TABLE first ALTER id DROP DEFAULT", "column public.first.id: type integer"),
    ("ALTER TABLE first ENABLE ROW LEVEL SECURITY", "row security public.first: is there"),
    ("CREATE DOMAIN d AS int CHECK (VALUE > 0)", "domain public.d: is there"),
    ("UPDATE alembic_version SET version_num = 'r1'", "version: the database is at r1, and should be at r2"),
    ("UPDATE migration_history SET description = 'x' WHERE id = 1", "entry 1 (upgrade r1) was changed"),
    ("DELETE FROM migration_history WHERE id = 2", "ledger: r2 is not on record as applied"),
]


def test_what_a_run_would_not_have_left_is_told(
    project: ProjectFolder, applied: Path, database_url: str, server_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        for change, _ in TAMPERED:
            connection.execute(change.encode())
    lines = verify(project, database_url, server_url, applied).differences
    for _, told in TAMPERED:
        assert sum(told in line for line in lines) == 1, (told, lines)


def test_a_stamp_is_no_upgrade(project: ProjectFolder, database_url: str, server_url: str) -> None:
    project.tables("first")
    asyncio.run(Migrator(project.ini, url=database_url).stamp("head"))
    report = verify(project, database_url, server_url)
    assert any("ledger: r1: operation stamp" in line for line in report.differences)
    assert "table public.first: missing" in report.differences


def test_a_bundle_that_was_edited_is_told(
    project: ProjectFolder, applied: Path, database_url: str, server_url: str
) -> None:
    (applied / "upgrade.sql").write_text("SELECT 1;")
    report = verify(project, database_url, server_url, applied)
    assert report.differences == ("bundle: upgrade.sql was changed since the bundle was made",)


def test_a_revision_edited_since_the_bundle_was_made_is_told(
    project: ProjectFolder, applied: Path, database_url: str, server_url: str
) -> None:
    project.revision("r2", "r1", upgrade="op.execute('CREATE TABLE third ()')")
    report = verify(project, database_url, server_url, applied)
    assert "r2: its file is not the one that the bundle was made of" in report.differences
    assert "table public.third: missing" in report.differences


def test_the_command_line_says_it_with_its_exit_code(
    project: ProjectFolder, applied: Path, database_url: str, server_url: str
) -> None:
    headway = CommandLine(project.root, database_url)
    # Arguments are for all to see; where the server wants a password, libpq's file has it.
    scratch = sibling(server_url, password=None)
    whole = headway("verify", "--bundle", str(applied), "--scratch-url", scratch)
    assert (whole.returncode, whole.stdout) == (0, "")
    assert "what a run of headway would have left" in whole.stderr
    with psycopg.connect(database_url) as connection:
        connection.execute("DROP TABLE second")
    done = headway("verify", "--json", "--scratch-url", scratch)
    assert done.returncode == 5
    document = json.loads(done.stdout)
    assert document["clean"] is False
    assert "table public.second: missing" in document["differences"]
