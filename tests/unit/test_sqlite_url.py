"""SQLite URLs: which file is meant, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from headway.errors import ConfigurationError
from headway.ledger import schema
from headway.ledger import statements as of_server
from headway.project import load_project
from headway.settings import load_settings
from headway.sqlite import is_in_memory, statements
from headway.url import DatabaseURL, SQLiteURL, read_url

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("sqlite:///app.db", "{cwd}/app.db"),
        ("sqlite+aiosqlite:///data/app.db", "{cwd}/data/app.db"),
        ("sqlite+pysqlite:////srv/app.db", "/srv/app.db"),
        ("SQLITE:////srv/my%20app.db", "/srv/my app.db"),
        (' "sqlite:////srv/app.db" ', "/srv/app.db"),
        ("sqlite:///../app.db", "{parent}/app.db"),
    ],
)
def test_the_file_is_the_one_that_sqlalchemy_would_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = read_url(written)
    assert isinstance(found, SQLiteURL)
    assert str(found.path) == path.format(cwd=tmp_path, parent=tmp_path.parent)
    assert make_url(found.render()).database == str(found.path)
    assert found.redact("as it is") == "as it is"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("sqlite://", "in memory"),
        ("sqlite+aiosqlite:///:memory:", "in memory"),
        ("sqlite:///shared?mode=memory&cache=shared", "in memory"),
        ("sqlite:///file:app.db?uri=true", "URIs of SQLite's own"),
        ("sqlite://app.db", "three slashes"),
        ("sqlite+pysqlcipher:///app.db", "by aiosqlite, not by pysqlcipher"),
        ("sqlite:///app.db?timeout=soon", "no number of seconds"),
        ("sqlite:///app.db?timeout=-1", "no number of seconds"),
        ("sqlite:///a%00b", "NUL"),
    ],
)
def test_what_names_no_file_is_refused_with_the_setting_at_fault(written: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as failure:
        read_url(written, variable="MIGRATION_DATABASE_URL")
    assert failure.value.variable == "MIGRATION_DATABASE_URL"


def test_parameters_are_honoured_or_said_aloud() -> None:
    found = read_url("sqlite:////srv/app.db?timeout=1.5&isolation_level=EXCLUSIVE&mode=ro")
    assert isinstance(found, SQLiteURL)
    assert found.timeout_s == 1.5
    assert [note.split(" is ")[0] for note in found.notes] == [
        "DATABASE_URL: isolation_level",
        "DATABASE_URL: mode",
    ]


def test_a_postgresql_url_is_read_as_before() -> None:
    assert isinstance(read_url("postgresql://ada@db/shop"), DatabaseURL)


@pytest.mark.parametrize(
    ("url", "in_memory"),
    [
        ("sqlite+aiosqlite://", True),
        ("sqlite+aiosqlite:///:memory:", True),
        ("sqlite+aiosqlite:///x?mode=memory", True),
        ("sqlite+aiosqlite:///x", False),
    ],
)
def test_an_engine_in_memory_is_known_by_its_url(url: str, *, in_memory: bool) -> None:
    assert is_in_memory(make_url(url)) is in_memory


def test_notes_say_which_file_and_that_it_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "alembic").mkdir()
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/alembic\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    project = load_project(tmp_path)
    environ = {"DATABASE_URL": "sqlite:///app.db"}

    monkeypatch.chdir(tmp_path)
    assert load_settings(project, environ=environ).notes == ()
    monkeypatch.chdir(elsewhere)
    (note,) = load_settings(project, environ=environ).notes
    assert str(elsewhere / "app.db") in note
    staging = environ | {"APP_ENVIRONMENT": "staging", "DATABASE_URL": f"sqlite:///{tmp_path}/app.db"}
    (note,) = load_settings(project, environ=staging).notes
    assert "APP_ENVIRONMENT is staging" in note


def test_the_ledger_of_a_file_has_the_layout_and_the_questions_of_a_servers() -> None:
    """A file has no revisions that are not transactional, so no journal, and no steps sent in one message."""
    asked = {name for name, value in vars(of_server).items() if name.isupper() and isinstance(value, str)}
    there = {name for name in vars(statements) if name.isupper()}
    assert {name for name in asked if not name.startswith(("_", "JOURNAL", "SUCCEED"))} <= there
    created = " ".join(statements.CREATE.split())
    assert f"ledger_layout integer NOT NULL DEFAULT {len(schema.LAYOUTS)}" in created
    layouts = SimpleNamespace(text=" ".join(" ".join(layout) for layout in schema.LAYOUTS))
    for column in statements.COLUMNS:
        assert column in layouts.text
        assert column in created
