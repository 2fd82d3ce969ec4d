"""Settings: the one reader of environment variables and of ``.env``.

A stronger source wins: an explicit argument, then the environment, then ``.env``, then the ini file. An
empty value counts as unset. ``.env.example`` explains every variable.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from headway.errors import ConfigurationError
from headway.results import RunOptions
from headway.settings.limits import LIMITS, read_limits
from headway.url import DatabaseURL, read_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from headway.project import Project
    from headway.url import AnyURL, SQLiteURL

DOTENV = ".env"
GROUP = "APP_DATABASE__"
NESTED = tuple(f"{GROUP}{name}" for name in ("HOST", "PORT", "USER", "PASSWORD", "DATABASE"))
VARIABLES = (
    "DATABASE_URL",
    *NESTED,
    "MIGRATION_DATABASE_URL",
    "APP_ENVIRONMENT",
    *LIMITS,
    "HEADWAY_PROTECTED",
    "HEADWAY_POSTGRES_BIN",
    "HEADWAY_TEST_DATABASE_URL",
)
_OURS = (GROUP, "HEADWAY_")
_SAID = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}
_STOCK_URL = "driver://user:pass@localhost/dbname"  # what `alembic init` writes


class Environment(StrEnum):
    """What kind of place this is (``APP_ENVIRONMENT``)."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was configured.

    Attributes:
        environment: development unless said otherwise.
        database: the database to migrate; ``None`` when none is configured anywhere.
        application: the application's own: ``database``, unless ``MIGRATION_DATABASE_URL`` leads migrations
            elsewhere; ``None`` when none is configured.
        source: where ``database`` was configured, such as ``DATABASE_URL`` or ``.env: DATABASE_URL``.
        notes: what was not followed as written, one sentence each, to be said aloud; the URL's included.
        postgres_binaries: where the embedded server's programs are; ``None`` to look for them.
        limits: how long a run may wait, where its caller does not say.
        marked: whether ``HEADWAY_PROTECTED`` asks for the care that production gets; see ``protected``.
        sources: where ``environment``, ``marked``, ``postgres_binaries`` and the limits (by their variables)
            were set; no defaults.
    """

    environment: Environment = Environment.DEVELOPMENT
    database: AnyURL | None = None
    application: AnyURL | None = None
    source: str | None = None
    notes: tuple[str, ...] = ()
    postgres_binaries: Path | None = None
    limits: RunOptions = field(default_factory=RunOptions)
    marked: bool = False
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def protected(self) -> bool:
        """Whether a command that destroys data asks for the database's name; production always is."""
        return self.marked or self.environment is Environment.PRODUCTION


# No dataclasses: every command makes these, and a probe is over in less time than it takes to generate a few.
class _Layer:
    """One source. ``values`` may hold secrets; ``folder`` is what relative paths in it begin at."""

    __slots__ = ("folder", "prefix", "values")

    def __init__(self, prefix: str, folder: Path, values: Mapping[str, str]) -> None:
        self.prefix = prefix
        self.folder = folder
        self.values = values


class _Candidate:
    """One place where a database is configured; ``rank`` 0 is the strongest source, ``url`` may be secret."""

    __slots__ = ("rank", "source", "url")

    def __init__(self, rank: int, source: str, url: str | AnyURL) -> None:
        self.rank = rank
        self.source = source
        self.url = url

    def read(self) -> AnyURL:
        return read_url(self.url, variable=self.source) if isinstance(self.url, str) else self.url


def load_settings(
    project: Project | None = None,
    *,
    url: str | None = None,
    environment: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read the settings.

    Args:
        project: whose ``.env`` and ini file are read; without one, ``.env`` of the working directory.
        url: the database, given outright; every other source is then left unread for it.
        environment: the environment, given outright.
        environ: environment variables; the process's own by default.

    Returns:
        ``database`` is ``None`` when no source configures one.

    Raises:
        ConfigurationError: a setting is wrong; the first one found is named.
    """
    notes: list[str] = []
    layers = _layers(project, environ, notes)
    application: _Candidate | None
    chosen: _Candidate | None
    if url and url.strip():
        chosen = application = _Candidate(0, "--url", url)
    else:
        application = _application(layers, project, notes)
        chosen = _for_migrations(layers, application, notes)
    database = chosen.read() if chosen is not None else None
    where = _environment(layers, environment)
    if database is not None and not isinstance(database, DatabaseURL):
        notes += _notes_on_file(database, project, where)
    return Settings(
        environment=where,
        database=database,
        application=_own(application, chosen, database),
        source=chosen.source if chosen else None,
        notes=(*notes, *(database.notes if database else ())),
        postgres_binaries=_postgres_binaries(layers),
        limits=_limits(layers),
        marked=_marked(layers),
        sources=_sources(layers, environment),
    )


def load_limits(project: Project | None = None) -> RunOptions:
    """How long a run may wait, for a run on a connection that its caller brings: nothing else is read.

    Raises:
        ConfigurationError: one of these variables is wrong, or ``.env`` cannot be read.
    """
    return _limits(_layers(project, None, []))


def read_from_dotenv(folder: Path, name: str) -> tuple[str, str] | None:
    """One variable of a folder's ``.env``, and what its source is called; ``None`` when it is not set there.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    layer = _Layer(f"{DOTENV}: ", folder, _known(_read_dotenv(folder / DOTENV, [])))
    found = _strongest((layer,), name)
    return (str(found.url), found.source) if found is not None else None


def variables_for(url: str) -> dict[str, str]:
    """The environment for a program that is to find its database at a URL, as ``DATABASE_URL``."""
    return {**os.environ, "DATABASE_URL": url}


def _layers(
    project: Project | None, environ: Mapping[str, str] | None, notes: list[str]
) -> tuple[_Layer, _Layer]:
    folder = project.root if project else Path.cwd()
    return (
        _Layer("", Path.cwd(), _known(os.environ if environ is None else environ)),
        _Layer(f"{DOTENV}: ", folder, _known(_read_dotenv(folder / DOTENV, notes))),
    )


def _limits(layers: Sequence[_Layer]) -> RunOptions:
    found = {name: _strongest(layers, name) for name in LIMITS}
    return read_limits({name: (it.source, str(it.url)) for name, it in found.items() if it is not None})


def _sources(layers: Sequence[_Layer], environment: str | None) -> dict[str, str]:
    found = {
        "environment": _strongest(layers, "APP_ENVIRONMENT"),
        "marked": _strongest(layers, "HEADWAY_PROTECTED"),
        "postgres_binaries": _strongest(layers, "HEADWAY_POSTGRES_BIN"),
        **{name: _strongest(layers, name) for name in LIMITS},
    }
    sources = {name: candidate.source for name, candidate in found.items() if candidate is not None}
    return sources | ({"environment": "--environment"} if environment and environment.strip() else {})


def _own(application: _Candidate | None, chosen: _Candidate | None, database: AnyURL | None) -> AnyURL | None:
    if application is chosen:
        return database
    return application.read() if application is not None else None


def _notes_on_file(database: SQLiteURL, project: Project | None, environment: Environment) -> Iterator[str]:
    """What an SQLite URL leaves open: which file it means, and whether a file is what was meant."""
    if database.relative and project is not None and project.root != Path.cwd():
        yield (
            f"{database.variable}: the path is relative, and so begins at the working directory, as in "
            f"SQLAlchemy: {database.path}"
        )
    if environment is not Environment.DEVELOPMENT:
        yield (
            f"{database.variable} names an SQLite file, and APP_ENVIRONMENT is {environment.value}; SQLite "
            "is meant for development, and is used because it was configured"
        )


def _known(values: Mapping[str, str | None]) -> dict[str, str]:
    """The variables of ours that are set, and those that begin like ours.

    Case is ignored, as pydantic-settings does in the application itself; the exact name wins.
    """
    upper = {name.upper(): value for name, value in values.items() if value and value.strip()}
    upper |= {name: value for name, value in values.items() if name in VARIABLES and value and value.strip()}
    return {name: value for name, value in upper.items() if name in VARIABLES or name.startswith(_OURS)}


def _read_dotenv(path: Path, notes: list[str]) -> dict[str, str | None]:
    """The file's variables; empty when there is no file.

    A line that cannot be read is passed over with a note when it is none of ours; else it is an error,
    because the command would go on to another database.
    """
    if not path.is_file():
        return {}
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
    else:
        readable = []
        for binding in parse_stream(io.StringIO(text)):
            written = binding.original.string
            if not binding.error:
                readable.append(written)
                continue
            line = binding.original.line + len(written) - len(written.lstrip("\n"))
            if any(name in written.upper() for name in VARIABLES):
                raise ConfigurationError(
                    str(path),
                    f"line {line} cannot be read; is a quote left open?",
                    example="DATABASE_URL='…'",
                )
            notes.append(f"{path}: line {line} is passed over, for it is not NAME=value")
        # python-dotenv would log what it cannot read, in words of its own, so it does not get to see it.
        return dict(dotenv_values(stream=io.StringIO("".join(readable))))
    raise ConfigurationError(
        str(path), f"cannot be read ({problem})", example="DATABASE_URL='…', saved as UTF-8"
    )


def _for_migrations(
    layers: Sequence[_Layer], application: _Candidate | None, notes: list[str]
) -> _Candidate | None:
    """The database to migrate; what is to be said about the choice is added to ``notes``."""
    migration = _strongest(layers, "MIGRATION_DATABASE_URL")
    if migration is None or application is None or migration.rank <= application.rank:
        return migration or application
    # A test run sets DATABASE_URL; the production URL that lies in .env must not then be migrated.
    notes.append(
        f"{migration.source} is left alone: {application.source} comes from a stronger source; "
        "set MIGRATION_DATABASE_URL there too, or remove the other"
    )
    return application


def _application(layers: Sequence[_Layer], project: Project | None, notes: list[str]) -> _Candidate | None:
    url = _strongest(layers, "DATABASE_URL")
    group = next(
        (rank for rank, layer in enumerate(layers) if any(name in layer.values for name in NESTED)), None
    )
    notes += [note for layer in layers for note in _misspelt(layer)]
    if url is not None and (group is None or url.rank <= group):
        if group == url.rank:
            notes.append(f"{url.source} is used, and {layers[group].prefix}{GROUP}* is not: both are set")
        return url
    if group is not None:
        return _Candidate(group, f"{layers[group].prefix}{GROUP}*", _from_group(layers))
    if project is None or project.config_file is None or project.url in {None, _STOCK_URL}:
        return None
    return _Candidate(len(layers), f"{project.config_file.name}: sqlalchemy.url", project.url or "")


def _strongest(layers: Sequence[_Layer], name: str) -> _Candidate | None:
    for rank, layer in enumerate(layers):
        if name in layer.values:
            return _Candidate(rank, f"{layer.prefix}{name}", layer.values[name])
    return None


def _misspelt(layer: _Layer) -> list[str]:
    """Notes on names that begin like ours and are almost one; an application may have others."""
    unknown = [name for name in layer.values if name not in VARIABLES]
    if not unknown:
        return []
    from difflib import get_close_matches

    close = {name: get_close_matches(name, VARIABLES, n=1, cutoff=0.9) for name in unknown}
    return [
        f"{layer.prefix}{name} is not read; did you mean {match[0]}?"
        for name, match in close.items()
        if match
    ]


def _from_group(layers: Sequence[_Layer]) -> AnyURL:
    """``APP_DATABASE__*``, each variable from its strongest source."""
    # Imported only when used: pydantic-settings takes longer to load than a short command takes.
    from headway.settings.database_group import read_group

    merged = {name: value for layer in reversed(layers) for name, value in layer.values.items()}
    prefixes = {name: layer.prefix for layer in reversed(layers) for name in layer.values}
    return read_group({name: merged[name] for name in NESTED if name in merged}, prefixes)


def _environment(layers: Sequence[_Layer], given: str | None) -> Environment:
    found = _strongest(layers, "APP_ENVIRONMENT")
    source, value = ("--environment", given) if given and given.strip() else ("", None)
    if value is None:
        if found is None:
            return Environment.DEVELOPMENT
        source, value = found.source, str(found.url)
    try:
        return Environment(value.strip().lower())
    except ValueError:
        problem = f"{value.strip()!r} is not one of {', '.join(Environment)}"
    raise ConfigurationError(source, problem, example=f"APP_ENVIRONMENT={Environment.PRODUCTION}")


def _marked(layers: Sequence[_Layer]) -> bool:
    found = _strongest(layers, "HEADWAY_PROTECTED")
    if found is None:
        return False
    said = _SAID.get(str(found.url).strip().lower())
    if said is None:
        raise ConfigurationError(
            found.source, f"{found.url!r} is neither true nor false", example="HEADWAY_PROTECTED=true"
        )
    return said


def _postgres_binaries(layers: Sequence[_Layer]) -> Path | None:
    found = _strongest(layers, "HEADWAY_POSTGRES_BIN")
    if found is None:
        return None
    path = layers[found.rank].folder / Path(str(found.url).strip()).expanduser()
    if not path.is_dir():
        raise ConfigurationError(
            found.source, f"there is no folder {path}", example="/usr/lib/postgresql/18/bin"
        )
    return path
