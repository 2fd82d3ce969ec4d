"""What only a terminal or a signal brings about: questions, spinners, orderly ends."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

import headway
from headway import DatabaseURL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import ProjectFolder

_DEADLINE = 60.0


def _environment(database_url: str, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(headway.__file__).parent.parent),
        "PYTHONUTF8": "1",
        "TERM": "xterm",
        "DATABASE_URL": database_url,
    } | more


class _Screen:
    """A program on a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.text = ""
        self._master = master

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + _DEADLINE
        while text not in self.text:
            assert time.monotonic() < deadline, self.text
            assert self._read(), self.text

    def finish(self) -> int:
        while self._read():
            pass
        return self.process.wait(_DEADLINE)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], _DEADLINE)
        assert ready, self.text
        try:
            chunk = os.read(self._master, 4096)
        except OSError:  # Linux says so when the last user of the terminal has gone
            return False
        self.text += chunk.decode(errors="replace")
        return bool(chunk)


@contextmanager
def _screen(project: ProjectFolder, environment: dict[str, str], *words: str) -> Iterator[_Screen]:
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "headway", *words],
        cwd=project.root,
        env=environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    ) as process:
        os.close(slave)
        try:
            yield _Screen(process, master)
        finally:
            process.kill()
            os.close(master)


def _versions(database_url: str) -> list[str]:
    with psycopg.connect(database_url) as connection:
        return [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")]


def _upgrade(project: ProjectFolder, database_url: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "headway", "-q", "upgrade"],
        cwd=project.root,
        env=_environment(database_url),
        check=True,
        timeout=60,
    )


def test_a_terminal_gets_a_spinner_and_colour(project: ProjectFolder, database_url: str) -> None:
    project.tables("users")
    with _screen(project, _environment(database_url), "upgrade") as screen:
        assert screen.finish() == 0
    assert "applying r1" in screen.text
    assert "\x1b[32m✓" in screen.text


@pytest.mark.parametrize(("answer", "renamed"), [("y\n", True), ("\n", False)])
def test_a_terminal_is_asked_whether_a_column_was_renamed(
    project: ProjectFolder, database_url: str, answer: str, renamed: object
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE users (id serial PRIMARY KEY, mail text)")
    columns = 'sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.Text)'
    models = f'import sqlalchemy as sa\nmetadata = sa.MetaData()\nsa.Table("users", metadata, {columns})\n'
    project.env("metadata", models)
    words = ("revision", "--autogenerate", "-m", "new name")
    with _screen(project, _environment(database_url), *words) as screen:
        screen.wait_for("Was users.mail renamed to users.email? [y/N]")
        screen.type(answer)
        assert screen.finish() == 0
    [path] = project.versions.glob("*_new_name.py")
    text = path.read_text(encoding="utf-8")
    assert ("new_column_name" in text) is renamed
    assert "--rename" not in text


@pytest.mark.parametrize("right", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_in_production_a_terminal_is_asked_for_the_databases_name(
    project: ProjectFolder, database_url: str, *, right: bool
) -> None:
    project.tables("users")
    _upgrade(project, database_url)
    production = _environment(database_url, APP_ENVIRONMENT="production")
    with _screen(project, production, "downgrade", "base", "--yes") as screen:
        screen.wait_for("Undo 1 revision? Type the database's name to go ahead:")
        screen.type(f"{DatabaseURL.parse(database_url).name if right else 'yes'}\n")
        assert screen.finish() == (0 if right else 3)
    assert "table users" in screen.text
    assert _versions(database_url) == ([] if right else ["r1"])
    assert right or "Declined: that is not its name. Nothing was changed." in screen.text


def test_ci_gets_plain_lines_even_on_a_terminal(project: ProjectFolder, database_url: str) -> None:
    project.tables("users")
    with _screen(project, _environment(database_url, CI="true"), "upgrade") as screen:
        assert screen.finish() == 0
    assert "applying r1" not in screen.text
    assert "✓ r1 create users" in screen.text
    assert "\x1b" not in screen.text


@pytest.mark.parametrize(
    ("answer", "code", "left"),
    [("y\n", 0, ["r1"]), ("n\n", 3, ["r2"]), pytest.param("\x04", 3, ["r2"], marks=pytest.mark.slow)],
)
def test_downgrade_asks_on_a_terminal(
    project: ProjectFolder, database_url: str, answer: str, code: int, left: list[str]
) -> None:
    project.tables("users", "notes")
    _upgrade(project, database_url)
    with _screen(project, _environment(database_url), "downgrade", "-1") as screen:
        screen.wait_for("[y/N]")
        assert "table notes" in screen.text
        screen.type(answer)
        assert screen.finish() == code
    assert _versions(database_url) == left


def test_ctrl_c_at_the_question_is_an_interruption(project: ProjectFolder, database_url: str) -> None:
    project.tables("users")
    _upgrade(project, database_url)
    with _screen(project, _environment(database_url), "downgrade", "base") as screen:
        screen.wait_for("[y/N]")
        screen.process.send_signal(signal.SIGINT)
        assert screen.finish() == 130
    assert _versions(database_url) == ["r1"]


def _wait_until_asleep(database_url: str) -> None:
    deadline = time.monotonic() + _DEADLINE
    with psycopg.connect(database_url, autocommit=True) as connection:
        query = (  # other tests sleep on the same server
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event = 'PgSleep' AND state = 'active'"
        )
        while connection.execute(query).fetchone() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def _wait_until_alone(database_url: str) -> None:
    """A session whose client has gone is there for a moment more."""
    deadline = time.monotonic() + _DEADLINE
    with psycopg.connect(database_url, autocommit=True) as connection:
        query = (
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        while connection.execute(query).fetchone() is not None:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_rolls_the_running_revision_back_and_closes_the_connection(
    project: ProjectFolder, database_url: str, number: signal.Signals, code: int
) -> None:
    project.tables("users")
    body = "op.execute('CREATE TABLE t ()')\nop.execute('SELECT pg_sleep(600)')"
    project.revision("r2", "r1", upgrade=body)
    with subprocess.Popen(
        [sys.executable, "-m", "headway", "upgrade"],
        cwd=project.root,
        env=_environment(database_url),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            _wait_until_asleep(database_url)
            process.send_signal(number)
            process.send_signal(number)
            _, said = process.communicate(timeout=_DEADLINE)
        finally:
            process.kill()
    assert process.returncode == code
    assert "error: interrupted" in said
    assert "Traceback" not in said
    assert _versions(database_url) == ["r1"]
    _wait_until_alone(database_url)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT to_regclass('t')").fetchone() == (None,)


def test_a_reader_that_leaves_ends_the_command_without_a_word(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables(*(f"t{number}" for number in range(5)))
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "headway", "history"],
            cwd=project.root,
            env=_environment(database_url),
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_run_goes_on_when_nobody_listens_to_its_progress(project: ProjectFolder, database_url: str) -> None:
    project.tables("users", "notes")
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "headway", "upgrade"],
            cwd=project.root,
            env=_environment(database_url),
            stderr=writing,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writing)
    assert done.returncode == 0
    assert _versions(database_url) == ["r2"]
