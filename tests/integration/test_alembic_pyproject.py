"""The `alembic` command in a project that has no alembic.ini, only ``[tool.alembic]``."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from conftest import ProjectFolder

MODELS = """
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("a", metadata, sa.Column("id", sa.Integer, primary_key=True))
sa.Table("b", metadata, sa.Column("id", sa.Integer, primary_key=True))
"""


@pytest.fixture
def pyproject(project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    project.tables("a", "b")
    project.env("metadata", MODELS)
    project.ini.unlink()
    (project.root / "pyproject.toml").write_text(
        '[tool.alembic]\nscript_location = "%(here)s/alembic"\nprepend_sys_path = ["."]\n', encoding="utf-8"
    )
    monkeypatch.setenv("DATABASE_URL", database_url)
    return project


def alembic(project: ProjectFolder, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *words],
        cwd=project.root,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_project_with_only_pyproject_toml_is_migrated_by_plain_alembic(
    pyproject: ProjectFolder, database_url: str
) -> None:
    assert alembic(pyproject, "current") == ""
    alembic(pyproject, "upgrade", "head")
    assert alembic(pyproject, "current").strip() == "r2 (head)"
    alembic(pyproject, "check")
    pyproject.env(
        "metadata", MODELS + '\nsa.Table("c", metadata, sa.Column("id", sa.Integer, primary_key=True))\n'
    )
    alembic(pyproject, "revision", "--autogenerate", "-m", "add c")
    [made] = [path for path in pyproject.versions.glob("*.py") if path.stem not in {"r1", "r2"}]
    assert "op.create_table('c'" in made.read_text()
    made.unlink()
    alembic(pyproject, "downgrade", "-1")
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("r1",)]
