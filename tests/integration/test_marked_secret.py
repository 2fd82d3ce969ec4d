"""The watch over the marked password finds a leak by every way out, names the test, and repeats no secret."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from headway import DatabaseURL
from marked_secret import Watch
from servers import sibling

if TYPE_CHECKING:
    from collections.abc import Mapping

TESTS = Path(__file__).parents[1]
PASSWORD = "correct%horse/battery@staple"
LEAKY = """
import contextlib, logging, os, pty, subprocess, sys
import psycopg, pytest
from urllib.parse import quote
from headway import ConfigurationError, DatabaseURL, RefusedError, Warned

@pytest.fixture
def secret(server_url):
    return DatabaseURL.parse(server_url).password.get_secret_value()

def execute(url, *statements):
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)

def started(secret, **options):
    return subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)

def test_holding_it_is_no_leak(secret, database_url, tmp_path):
    assert quote(secret, safe="") in database_url
    (tmp_path / ".env").write_text(f"DATABASE_URL={database_url}")

def test_log_record_of_a_quiet_logger(secret):
    logger = logging.getLogger("quiet")
    logger.setLevel(logging.CRITICAL)
    logger.propagate = False
    logger.debug("%s", secret)

def test_log_record_with_a_traceback(secret):
    try:
        raise ValueError(secret)
    except ValueError:
        logging.getLogger("quiet").exception("failed")

def test_log_record_with_an_extra(secret):
    logging.getLogger("quiet").info("connected", extra={"url": secret})

def test_message_of_an_error(secret):
    ConfigurationError("DATABASE_URL", secret)

def test_attributes_of_an_error(secret):
    ConfigurationError("DATABASE_URL", "is wrong").args += (secret,)
    error = RefusedError("no")
    error.secret = secret
    with pytest.raises(RefusedError):
        raise error

def test_message_of_a_cause(secret):
    with pytest.raises(RefusedError):
        raise RefusedError("no") from ValueError(secret)

def test_message_of_the_context_of_an_error_that_nobody_caught_here(secret):
    with contextlib.suppress(RefusedError):
        try:
            raise ValueError(secret)
        except ValueError:
            raise RefusedError("no")

def test_event(secret):
    Warned("run", None, secret)

def test_stdout(secret):
    print(secret)

def test_stderr_in_part_of_what_was_split_at_a_special_character(secret):
    print(max(secret.replace("/", "@").split("@"), key=len) + secret[14:27], file=sys.stderr)

def test_captured_stdout(secret, capsys):
    print(quote(secret, safe=""))
    capsys.readouterr()

def test_stdout_inherited_by_a_process(secret):
    subprocess.run(["cat"], input=secret.encode(), check=True)

def test_stdout_of_a_process(secret):
    subprocess.run(["cat"], input=secret, text=True, capture_output=True, check=True)

def test_line_of_a_process(secret):
    with started(secret, text=True) as process:
        process.stdin.write(secret)
        process.stdin.close()
        process.stdout.readline()

def test_arguments_of_a_process(secret):
    subprocess.run(["true", secret], check=True)

def test_output_read_from_a_descriptor_in_two_pieces(secret):
    reader, writer = os.pipe()
    for piece in (secret[:9], secret[9:]):
        os.write(writer, piece.encode())
        os.read(reader, 100)
    os.close(writer)
    os.close(reader)

def test_row_of_a_ledger_by_any_name(secret, database_url):
    execute(database_url, "CREATE TABLE book (ledger_layout int, error text)")
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO book VALUES (1, %s)", [secret])

def test_pg_stat_activity(secret, database_url, request):
    connection = psycopg.connect(database_url, application_name=secret)
    connection.execute("SELECT 1")
    globals()["kept"] = connection

def test_file(secret, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "run.json").write_text(secret)
"""
CHANNELS = {
    "log_record_of_a_quiet_logger": "log record of quiet",
    "log_record_with_a_traceback": "log record of quiet",
    "log_record_with_an_extra": "log record of quiet",
    "message_of_an_error": "message of ConfigurationError",
    "attributes_of_an_error": "attributes of RefusedError",
    "message_of_a_cause": "message of ValueError",
    "message_of_the_context_of_an_error_that_nobody_caught_here": "message of ValueError",
    "event": "event Warned",
    "stdout": "Captured stdout call",
    "stderr_in_part_of_what_was_split_at_a_special_character": "Captured stderr call",
    "captured_stdout": "captured stdout",
    "stdout_inherited_by_a_process": "Captured stdout call",
    "stdout_of_a_process": "stdout of cat",
    "line_of_a_process": "line of a process",
    "arguments_of_a_process": "arguments of a process",
    "output_read_from_a_descriptor_in_two_pieces": "output read from a descriptor",
    "row_of_a_ledger_by_any_name": "row of book",
    "pg_stat_activity": "pg_stat_activity",
    "file": "file run.json",
}


@pytest.fixture(scope="module")
def told(server_url: str, watch: Watch, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What a session of its own says of each of the tests above, by its name."""
    secret = DatabaseURL.parse(server_url).password
    if secret is None:
        secret = SecretStr(PASSWORD)
    elif watch.password is None:
        pytest.skip("needs a test server whose password is long, or that asks for none")
    folder = tmp_path_factory.mktemp("leaky")
    (folder / "test_leaky.py").write_text(LEAKY, encoding="utf-8")
    (folder / "pytest.ini").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {
        "HEADWAY_TEST_SERVER_URL": sibling(server_url, password=secret),
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent / "src")]),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-rN", str(folder)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert secret.get_secret_value() not in done.stdout + done.stderr
    assert done.returncode == 1, done.stdout
    sections = re.split(r"^_+ ERROR at teardown of test_(\w+) _+$", done.stdout, flags=re.MULTILINE)
    return dict(zip(sections[1::2], sections[2::2], strict=True))


@pytest.mark.parametrize(("name", "channel"), CHANNELS.items())
@pytest.mark.sampled(2)
def test_a_leak_fails_the_test_that_let_it_out(told: Mapping[str, str], name: str, channel: str) -> None:
    assert f"::test_{name} let the marked password out:" in told[name]
    assert re.search(rf"^{channel}[^\n]*: .*\[the marked password\]", told[name], re.MULTILINE | re.DOTALL)


def test_only_tests_that_leaked_fail(told: Mapping[str, str]) -> None:
    assert set(told) == set(CHANNELS)


def test_a_short_password_is_a_word_that_may_be_anywhere_and_is_not_looked_for() -> None:
    for password in ("postgres", "", None):
        watch = Watch(password)
        watch.look("text", "postgres")
        assert (watch.password, watch.findings()) == (None, [])


def test_a_log_file_is_looked_into_and_a_finding_is_told_once(tmp_path: Path) -> None:
    watch = Watch(PASSWORD)
    (tmp_path / "server.log").write_text(f"ERROR: {PASSWORD}\n" * 2, encoding="utf-8")
    watch.look_into_folder(tmp_path)
    masked = "ERROR: [the marked password]\n" * 2
    assert watch.findings() == [f"file server.log: {masked}"]
    assert watch.findings() == []


def test_urls_of_every_fixture_carry_it(
    watch: Watch, server_url: str, database_url: str, database_urls: list[str]
) -> None:
    for url in (server_url, database_url, *database_urls):
        assert watch.password is None or sibling(url, password=SecretStr(watch.password)) == url
