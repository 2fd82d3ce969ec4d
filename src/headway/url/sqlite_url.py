"""An SQLite URL, as SQLAlchemy writes it: ``sqlite+aiosqlite:///relative.db`` or ``…:////absolute.db``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote

from headway.errors import ConfigurationError
from headway.url.database_url import DatabaseURL

EXAMPLE = "sqlite+aiosqlite:///app.db"
BUSY_TIMEOUT_S = 5.0
"""How long a statement waits for another writer, in seconds, unless the URL says ``timeout`` (as sqlite3)."""

_SCHEME = re.compile(r"\s*[\"']?sqlite(?:\+(\w+))?:(?=/|$)(?://)?", re.IGNORECASE)
_DRIVERS = frozenset({None, "aiosqlite", "pysqlite"})
_OURS = frozenset({"check_same_thread", "cached_statements", "detect_types", "isolation_level"})


@dataclass(frozen=True, slots=True)
class SQLiteURL:
    """An SQLite database: a file. It holds no secret.

    Attributes:
        path: absolute; a relative one was meant from the working directory, as SQLAlchemy means it.
        relative: the path was written relative.
        timeout_s: how long a statement waits for another writer, in seconds.
        notes: what cannot be honoured as written, one sentence each, to be said aloud.
        variable: the setting the URL came from, which errors name.
    """

    path: Path
    relative: bool = field(default=False, compare=False)
    timeout_s: float = BUSY_TIMEOUT_S
    notes: tuple[str, ...] = field(default=(), compare=False)
    variable: str = field(default="DATABASE_URL", compare=False)

    @classmethod
    def parse(cls, raw: str, *, variable: str = "DATABASE_URL") -> SQLiteURL:
        """Read a URL; whatever driver it names, headway uses aiosqlite.

        Args:
            raw: the URL, which :func:`is_sqlite` recognises.
            variable: the setting it came from, for the error.

        Raises:
            ConfigurationError: it names no file: a database in memory, a URI of SQLite's own, a host.
        """
        written, _, query = _without_scheme(raw, variable).partition("?")
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        name = unquote(written.removeprefix("/"))
        _refuse_what_is_no_file(name, parameters, variable, host=bool(written) and written[0] != "/")
        return cls(
            path=Path(os.path.abspath(name)),  # noqa: PTH100  # SQLAlchemy's own rule: links stay as they are
            relative=not os.path.isabs(name),  # noqa: PTH117  # of the text, beside it
            timeout_s=_timeout(parameters.pop("timeout", None), variable),
            notes=tuple(
                f"{variable}: {key} is not honoured; "
                + ("headway decides it itself" if key in _OURS else "SQLAlchemy does not, either")
                for key in parameters
            ),
            variable=variable,
        )

    @property
    def name(self) -> str:
        """The file's name, for prompts."""
        return self.path.name

    @property
    def masked(self) -> str:
        """The URL with the whole path; there is nothing to mask."""
        return f"sqlite+aiosqlite:///{self.path}"

    def render(self) -> str:
        """The URL as SQLAlchemy takes it."""
        return self.masked

    def redact(self, text: str) -> str:
        """The text as it is: an SQLite URL has no password."""
        return text

    def __str__(self) -> str:
        return self.masked


AnyURL: TypeAlias = DatabaseURL | SQLiteURL
"""Of whichever database system."""


def is_sqlite(raw: str) -> bool:
    """Whether a text is meant as an SQLite URL, well or badly written."""
    return _SCHEME.match(raw) is not None


def _without_scheme(raw: str, variable: str) -> str:
    text = raw.strip().strip("\"'").strip()
    match = _SCHEME.match(text)
    if match is None:
        raise ConfigurationError(variable, "is no SQLite URL", example=EXAMPLE)
    driver = match[1].lower() if match[1] else None
    if driver not in _DRIVERS:
        raise ConfigurationError(
            variable, f"headway reaches SQLite by aiosqlite, not by {driver}", example=EXAMPLE
        )
    return text[match.end() :]


def _refuse_what_is_no_file(name: str, parameters: dict[str, str], variable: str, *, host: bool) -> None:
    if host:
        problem = "an SQLite URL has three slashes before a relative path, and four before an absolute one"
    elif not name or name == ":memory:" or parameters.get("mode") == "memory":
        problem = (
            "a database in memory belongs to one connection and ends with it, so nothing would be left; "
            "name a file, or hand your own AsyncConnection to headway.Migrator(connection=...)"
        )
    elif name.startswith("file:") or "uri" in parameters:
        problem = "URIs of SQLite's own (file:...?uri=true) are not supported; name the file's path"
    elif "\0" in name:
        problem = "it holds a NUL character"
    else:
        return
    raise ConfigurationError(variable, problem, example=EXAMPLE)


def _timeout(written: str | None, variable: str) -> float:
    if written is None:
        return BUSY_TIMEOUT_S
    try:
        seconds = float(written)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ConfigurationError(
            variable, f"timeout={written} is no number of seconds", example=f"{EXAMPLE}?timeout=5"
        )
    return seconds
