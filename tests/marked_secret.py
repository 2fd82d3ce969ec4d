"""A marked password that every database URL of a test carries, and a watch that finds it out of place.

Watched are log records (of every logger, at every level), headway's errors and what they were caused by, its
events, what this process and those it starts print, ledgers and version tables, what the sessions of a test
database told the server about themselves, files in a test's folder, and the test server's own log.
A test may hold the password, in a URL that it renders for one; those channels may not.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
import os
import re
import secrets
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from headway import DatabaseURL, Event, HeadwayError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator
    from pathlib import Path

SECRET_FILES = {".env"}
"""Names of files in which people keep secrets: headway reads them and never writes them, so tests may."""

_SHORTEST = 12  # characters; a shorter password is a word that is in other places by right
_LARGEST = 1 << 18  # bytes of a file that is looked into
_AROUND = 200  # characters shown on either side of what was found
_TEST_TOOLS = ("psycopg", "hypothesis", "xdist", "execnet")  # they may log what they like
_PLAIN_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

# The relations of a ledger and of versions, whatever they are called, are known by their columns.
_RELATIONS = """
    SELECT DISTINCT n.nspname, c.relname
    FROM pg_attribute AS a
    JOIN pg_class AS c ON c.oid = a.attrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE a.attname IN ('version_num', 'applied_at', 'ledger_layout') AND c.relkind IN ('r', 'p', 'v')
"""
_SESSIONS = """
    SELECT application_name || ': ' || query FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name !~ '^test'
"""


def password_of_this_run() -> str:
    """A password that all workers of a run know, with characters that look otherwise in a URL."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or secrets.token_hex()
    digest = hashlib.sha256(run.encode()).hexdigest()
    return f"m{digest[:12]}%/@ {digest[12:24]}k"


class Watch:
    """Finds a password in text, and remembers where until it is asked.

    Args:
        password: what to look for, as it is, quoted for a URL, or in part where a special character
            could have split it; ``None`` or a short one is not looked for.
    """

    def __init__(self, password: str | None) -> None:
        self.password = password if password and len(password) >= _SHORTEST else None
        parts = re.findall(rf"\w{{{_SHORTEST},}}", self.password or "")
        known = [self.password or "", quote(self.password or "", safe="")]
        self._sought = [*dict.fromkeys(filter(None, parts or known))]
        self._forms = [*filter(None, [*known, *parts])]
        self._found: list[str] = []

    def marked(self, url: str) -> str:
        """The URL with the password; for a server that asks for none."""
        secret = SecretStr(self.password) if self.password else None
        return dataclasses.replace(DatabaseURL.parse(url), password=secret).render()

    def look(self, where: str, text: str | bytes | None) -> None:
        """Look for the password in a text."""
        text = text.decode(errors="replace") if isinstance(text, bytes) else text or ""
        at = min((text.find(part) for part in self._sought if part in text), default=-1)
        if at >= 0:
            self._found.append(self.masked(f"{where}: {text[max(at - _AROUND, 0) : at + _AROUND]}"))

    def masked(self, text: str) -> str:
        """The text with ``[the marked password]`` in place of it."""
        for form in self._forms:
            text = text.replace(form, "[the marked password]")
        return text

    def findings(self) -> list[str]:
        """What was found since this was asked last."""
        found, self._found = self._found, []
        return [*dict.fromkeys(found)]

    # -- what lies somewhere ---------------------------------------------------------------------------

    def look_into_error(self, error: BaseException) -> None:
        """Look at an error as it is shown with a traceback, and at its attributes."""
        for link in _chain(error):
            name = type(link).__name__
            self.look(f"message of {name}", "".join(traceback.format_exception_only(link)))
            if isinstance(link, HeadwayError):
                self.look(f"attributes of {name}", f"{link!r} {link.args} {vars(link)}")

    def look_into_file(self, path: Path) -> None:
        """Look into a file, unless it is there to hold secrets."""
        try:
            if path.name not in SECRET_FILES and path.is_file() and path.stat().st_size <= _LARGEST:
                self.look(f"file {path.name}", path.read_bytes())
        except OSError:  # gone meanwhile, or closed to us on purpose
            return

    def look_into_folder(self, folder: Path) -> None:
        """Look into every file below."""
        for path in folder.rglob("*") if self.password else ():
            self.look_into_file(path)

    def look_into_database(self, url: str) -> None:
        """Look into every row of ledger and version tables, and at what other sessions say of themselves."""
        if not self.password:
            return
        with psycopg.connect(url, autocommit=True, application_name="test: watch") as connection:
            for (activity,) in connection.execute(_SESSIONS):
                self.look("pg_stat_activity", activity)
            for schema, name in connection.execute(_RELATIONS).fetchall():
                rows = sql.SQL("SELECT whole_row::text FROM {} AS whole_row").format(
                    sql.Identifier(schema, name)
                )
                for (row,) in connection.execute(rows):
                    self.look(f"row of {name}", row)

    # -- what passes by --------------------------------------------------------------------------------

    def listen(self, patch: pytest.MonkeyPatch) -> None:
        """From now on look at all that passes by, until the patch is undone."""
        if self.password:
            self._listen_to_logging(patch)
            self._listen_to_errors(patch)
            self._listen_to_events(patch)
            self._listen_to_output(patch)

    def _listen_to_logging(self, patch: pytest.MonkeyPatch) -> None:
        is_enabled, handle = logging.Logger.isEnabledFor, logging.Logger.handle

        def is_watched(logger: logging.Logger, level: int) -> bool:
            return is_enabled(logger, level) or not logger.name.startswith(_TEST_TOOLS)

        def look_and_handle(logger: logging.Logger, record: logging.LogRecord) -> None:
            if not logger.name.startswith(_TEST_TOOLS):
                self.look(f"log record of {record.name}", _formatted(record))
            if is_enabled(logger, record.levelno):
                handle(logger, record)

        patch.setattr(logging.Logger, "isEnabledFor", is_watched)
        patch.setattr(logging.Logger, "handle", look_and_handle)

    def _listen_to_errors(self, patch: pytest.MonkeyPatch) -> None:
        def look(error: HeadwayError) -> None:
            self.look_into_error(error)
            self.look_into_error(sys.exc_info()[1] or error)  # it will be the context

        for kind in _family(HeadwayError):
            if "__init__" in vars(kind):
                patch.setattr(kind, "__init__", _followed(kind.__init__, look))

        def prepare(kind: type[HeadwayError]) -> None:
            if "__init__" in vars(kind):
                kind.__init__ = _followed(kind.__init__, look)  # type: ignore[method-assign]  # that is the point

        patch.setattr(HeadwayError, "__init_subclass__", classmethod(prepare))
        caught = pytest.RaisesExc.__exit__

        def look_at_caught(self_: Any, kind: Any, error: BaseException | None, trace: Any) -> bool:
            if isinstance(error, HeadwayError):
                self.look_into_error(error)
            return caught(self_, kind, error, trace)

        patch.setattr(pytest.RaisesExc, "__exit__", look_at_caught)

    def _listen_to_events(self, patch: pytest.MonkeyPatch) -> None:
        for kind in get_args(Event):
            look = functools.partial(self._look_at_event, kind.__name__)
            patch.setattr(kind, "__init__", _followed(kind.__init__, look))

    def _look_at_event(self, name: str, event: object) -> None:
        self.look(f"event {name}", repr(event))

    def _listen_to_output(self, patch: pytest.MonkeyPatch) -> None:
        """What pytest captured is in its reports; this is what a test takes from it, or from a process."""
        os_read, communicate = os.read, subprocess.Popen.communicate
        readouterr, popen = pytest.CaptureFixture.readouterr, subprocess.Popen.__init__
        tails: dict[int, bytes] = {}

        def read(descriptor: int, length: int, /) -> bytes:
            data = os_read(descriptor, length)
            text = tails.get(descriptor, b"") + data  # the password may come in two pieces
            self.look("output read from a descriptor", text)
            tails[descriptor] = text[-_AROUND:] if data else b""
            return data

        def communicate_and_look(process: Any, *args: Any, **options: Any) -> tuple[Any, Any]:
            result = communicate(process, *args, **options)
            for name, text in zip(("stdout", "stderr"), result, strict=True):
                self.look(f"{name} of {_command(process)}", text)
            return result

        def start(process: Any, *args: Any, **options: Any) -> None:
            popen(process, *args, **options)
            self.look("arguments of a process", _command(process))
            for stream in filter(None, (process.stdout, process.stderr)):
                stream.readline = self._looked_at(stream.readline, "line of a process")
                stream.read = self._looked_at(stream.read, "output of a process")

        def read_captured(fixture: Any) -> Any:
            captured = readouterr(fixture)
            self.look("captured stdout", captured.out)
            self.look("captured stderr", captured.err)
            return captured

        patch.setattr(os, "read", read)
        patch.setattr(subprocess.Popen, "communicate", communicate_and_look)
        patch.setattr(subprocess.Popen, "__init__", start)
        patch.setattr(pytest.CaptureFixture, "readouterr", read_captured)

    def _looked_at(self, read: Callable[..., Any], where: str) -> Callable[..., Any]:
        def read_and_look(*args: Any) -> Any:
            text = read(*args)
            self.look(where, text)
            return text

        return read_and_look


class MarkedSecret:
    """The pytest plugin: listens for as long as the session lasts, and fails the test that leaked."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._patch = pytest.MonkeyPatch()

    def pytest_configure(self) -> None:
        self._watch.listen(self._patch)

    def pytest_unconfigure(self) -> None:
        self._patch.undo()

    def pytest_report_header(self) -> str:
        watched = "is watched" if self._watch.password else "is not watched, for it is absent or short"
        return f"marked secret: the password of the test server {watched}"

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when != "teardown":
            return report
        for name, text in report.sections:
            self._watch.look(name, text)
        folder = getattr(item, "funcargs", {}).get("tmp_path")
        if folder is not None:
            self._watch.look_into_folder(folder)
        if found := self._watch.findings():
            report.sections = [(name, self._watch.masked(text)) for name, text in report.sections]
            said = "\n".join([f"{item.nodeid} let the marked password out:", *found])
            report.longrepr = f"{report.longreprtext}\n{said}" if report.failed else said
            report.outcome = "failed"
        return report


def _family(kind: type[HeadwayError]) -> Collection[type[HeadwayError]]:
    return {kind}.union(*map(_family, kind.__subclasses__()))


def _followed(construct: Callable[..., None], look: Callable[[Any], None]) -> Callable[..., None]:
    """A constructor after which the complete object is looked at."""

    @functools.wraps(construct)
    def construct_and_look(self: object, *args: Any, **options: Any) -> None:
        construct(self, *args, **options)
        if type(self).__init__ is construct_and_look:  # and not its parent's
            look(self)

    return construct_and_look


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that a traceback shows with it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _formatted(record: logging.LogRecord) -> str:
    extra = [value for name, value in vars(record).items() if name not in _PLAIN_RECORD]
    trace = traceback.format_exception(record.exc_info[1]) if record.exc_info else ()
    return "\n".join([record.getMessage(), *map(repr, extra), *trace])


def _command(process: subprocess.Popen[Any]) -> str:
    """How it was called, without the URL that a user chose to give that way."""
    words = [*map(str, process.args)] if isinstance(process.args, list | tuple) else [str(process.args)]
    return " ".join(word for before, word in zip(["", *words], words, strict=False) if before != "--url")
