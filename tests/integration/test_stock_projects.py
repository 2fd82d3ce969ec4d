"""Projects as ``alembic init`` makes them run under headway unchanged, and under plain Alembic again."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import Script

from commandline import CommandLine
from headway import DatabaseURL

_BODY = {
    "first": [
        "op.create_table('users', sa.Column('id', sa.Integer, primary_key=True))",
        "op.drop_table('users')",
    ],
    "second": ["op.add_column('users', sa.Column('name', sa.Text))", "op.drop_column('users', 'name')"],
    "third": [
        "op.get_bind().execute(sa.text(\"INSERT INTO users (name) VALUES ('a%%b')\"))",
        "op.execute('DELETE FROM users')",
    ],
}


class Stock:
    """A project that only Alembic made, with three revisions written by Alembic."""

    def __init__(self, folder: Path, template: str, driver: str, url: str) -> None:
        self.folder = folder
        folder.mkdir()
        config = Config(folder / "alembic.ini", stdout=io.StringIO())
        command.init(config, str(folder / "migrations"), template=template)
        plain = DatabaseURL.parse(url).render()
        self.url = re.sub(r"^postgres\w*(\+\w+)?", f"postgresql+{driver}", plain)
        self.set_url(self.url.replace("%", "%%"))
        for name, body in _BODY.items():
            script = command.revision(config, name)
            assert isinstance(script, Script)
            path = Path(script.path)
            text = path.read_text()
            for function in body:
                text = text.replace("    pass", f"    {function}", 1)
            path.write_text(text)
        self.before = self.files()

    def set_url(self, url: str) -> None:
        ini = self.folder / "alembic.ini"
        line = f"sqlalchemy.url = {url}"
        ini.write_text(re.sub("(?m)^sqlalchemy.url = .*$", lambda _: line, ini.read_text()))

    def alembic(self, *words: str) -> str:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        done = subprocess.run(
            [sys.executable, "-m", "alembic", *words],
            cwd=self.folder,
            env=kept,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def files(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }


@pytest.mark.parametrize(
    ("template", "driver"), [("async", "asyncpg"), pytest.param("generic", "psycopg", marks=pytest.mark.slow)]
)
def test_a_stock_project_runs_unchanged_under_headway_and_under_alembic_again(
    tmp_path: Path, database_url: str, template: str, driver: str
) -> None:
    stock = Stock(tmp_path / "stock", template, driver, database_url)
    stock.alembic("upgrade", "+1")
    tool = CommandLine(stock.folder, database_url)

    def headway(*words: str) -> subprocess.CompletedProcess[str]:
        return tool(*words, url="")

    done = headway("upgrade")
    assert done.returncode == 0, done.stderr
    assert "2 revisions applied" in done.stderr
    assert headway("downgrade", "-1", "--yes").returncode == 0
    stock.alembic("upgrade", "head")
    assert "(head)" in stock.alembic("current")
    stock.alembic("downgrade", "-2")
    done = headway("upgrade")
    assert done.returncode == 0, done.stderr
    assert headway("pending").returncode == 0
    assert stock.files() == stock.before
    stock.set_url("")  # where a password may stand, and nowhere else
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT name FROM users").fetchall() != []


def test_without_a_url_that_headway_can_see_the_embedded_server_is_not_taken_for_it(
    tmp_path: Path, database_url: str
) -> None:
    stock = Stock(tmp_path / "stock", "generic", "psycopg", database_url)
    stock.set_url("")
    done = CommandLine(stock.folder, database_url)("status", url="")
    assert done.returncode == 2
    assert "connects to one of its own" in done.stderr
    assert not (stock.folder / ".headway").exists()
