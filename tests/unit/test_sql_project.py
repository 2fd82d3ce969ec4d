"""A folder of SQL revisions is a project by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headway import load_project
from headway.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_named_migrations_is_found_from_anywhere_in_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="no folder migrations of SQL revisions"):
        load_project()
    (folder / "20260101000000_a.up.sql").write_text("")
    monkeypatch.chdir(folder)
    project = load_project()
    assert project.plain_sql
    assert (project.root, project.version_locations) == (tmp_path, (folder,))
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = .\n")
    assert not load_project().plain_sql


def test_any_other_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "db" / "sql"
    assert load_project(directory="db/sql").version_locations == (folder,)
    folder.mkdir(parents=True)
    with pytest.raises(ConfigurationError):
        load_project("db/sql")  # an empty one is as likely a slip
    (folder / "20260101000000_a.up.sql").write_text("")
    assert load_project("db/sql").plain_sql
    assert load_project(folder).root == tmp_path / "db"
    (tmp_path / ".env").write_text("")
    assert load_project(directory="db/sql").root == tmp_path
    monkeypatch.chdir("/")
    assert load_project(directory=folder).root == tmp_path
    with pytest.raises(ConfigurationError, match="name one of the two"):
        load_project("alembic.ini", directory="db/sql")
