"""Deciding what a suite asks for, and what one test does, from pytest's configuration."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from headway.errors import ConfigurationError
from headway.settings import load_test_server
from headway.testing.wishes import Isolation, Provider, Wishes
from headway.url.sqlite_url import is_sqlite

if TYPE_CHECKING:
    import pytest

IMAGE = "pgvector/pgvector:pg18"
"""The container's image unless one is pinned."""
_Choice = TypeVar("_Choice", Provider, Isolation)
_NO_FILE = re.compile(r"sqlite(\+\w+)?:(//)?", re.IGNORECASE)
_MARKS = ("revision", "isolation")


@dataclass(frozen=True, slots=True)
class Wish:
    """What one test asks for."""

    isolation: Isolation
    revision: str


def made(config: pytest.Config) -> Wishes:
    """What was decided: by xdist's controller where this is a worker of its, else here and now.

    A container is started at once and ends with this process, for workers could not agree on one.

    Raises:
        ConfigurationError: an option or ini value is wrong, or the container does not start.
    """
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        return Wishes.unpacked(worker["headway"], worker=worker["workerid"])
    wishes = decide(config)
    if wishes.provider is Provider.DOCKER and wishes.image is not None:
        from headway.testing.docker import start

        url, stop = start(wishes.image, wishes.source)
        config.add_cleanup(stop)
        return replace(wishes, url=url)
    return wishes


def decide(config: pytest.Config) -> Wishes:
    """Choose a rung of the ladder: an explicit URL, Docker when it is asked for, else the embedded server.

    Raises:
        ConfigurationError: an option or ini value is none of those there are, or they contradict each other.
    """
    said = _Said(config)
    url = said.get("database_url") or load_test_server(Path(config.rootpath))
    image = said.get("image")
    forced = said.get("provider")
    if forced is not None:
        provider, source = said.one_of("provider", Provider), f"{forced[1]}={forced[0]}"
    elif url is not None:
        provider, source = Provider.URL, url[1]
    elif image is not None:
        provider, source = Provider.DOCKER, image[1]
    else:
        provider, source = Provider.EMBEDDED, "the embedded server"
    if provider is Provider.URL and url is None:
        raise ConfigurationError(
            source,
            "a server is to be given by its URL, and none is",
            example="--headway-database-url=postgresql://…",
        )
    if provider is Provider.URL and url is not None and is_sqlite(url[0]):
        provider = _on_sqlite(*url)
    return Wishes(
        run_id=secrets.token_hex(8),
        worker="main",
        root=str(config.rootpath),
        config=_configuration(config),
        provider=provider,
        source=url[1] if url is not None and provider is Provider.URL else source,
        url=url[0] if url is not None and provider is Provider.URL else None,
        image=(image[0] if image else IMAGE) if provider is Provider.DOCKER else None,
        isolation=_isolation(said, provider),
        keep=bool(config.getoption("headway_keep")),
        drop_kept=bool(config.getoption("headway_drop_kept")),
        rebuild=bool(config.getoption("headway_rebuild")),
    )


def _on_sqlite(url: str, source: str) -> Provider:
    """Each test has a file of its own, so the URL names none."""
    if not _NO_FILE.fullmatch(url.strip()):
        raise ConfigurationError(
            source,
            "names a file, and each test is given one of its own, which the migrations have made",
            example="sqlite+aiosqlite://",
        )
    return Provider.SQLITE


def _isolation(said: _Said, provider: Provider) -> Isolation:
    isolation = said.one_of("isolation", Isolation)
    if provider is not Provider.SQLITE:
        return isolation
    if isolation is Isolation.SAVEPOINT:
        raise _no_savepoints((said.get("isolation") or ("", "isolation"))[1])
    return Isolation.CLONE


def _no_savepoints(source: str) -> ConfigurationError:
    return ConfigurationError(
        source,
        "savepoint is for PostgreSQL; on SQLite each test has a copy of a migrated file",
        example="no isolation, or clone",
    )


class _Said:
    """Options, and where they are not given ini values."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def get(self, name: str) -> tuple[str, str] | None:
        """A value and what its source is called."""
        option = self._config.getoption(f"headway_{name}")
        if option:
            return str(option), f"--headway-{name.replace('_', '-')}"
        written = self._config.getini(f"headway_{name}")
        return (str(written), f"headway_{name}") if written else None

    def one_of(self, name: str, choices: type[_Choice]) -> _Choice:
        """A value that must be one of these; the first of them when nothing is said."""
        found = self.get(name)
        if found is None:
            return next(iter(choices))
        try:
            return choices(found[0])
        except ValueError:
            problem = f"{found[0]!r} is not one of {', '.join(str(choice) for choice in choices)}"
        raise ConfigurationError(found[1], problem, example=f"{found[1]}={next(iter(choices))}")


def _configuration(config: pytest.Config) -> str | None:
    """The project's configuration, relative to pytest's own file."""
    written = config.getini("headway_config")
    folder = config.inipath.parent if config.inipath else config.rootpath
    return str(folder / str(written)) if written else None


def wish_of(node: pytest.Item | pytest.Collector, wishes: Wishes, *, shared: bool = False) -> Wish:
    """What a test's marker says, or the suite where it says nothing.

    A test of migrations gets a database to itself, which is empty unless the marker names a revision.

    Args:
        node: the test; the module or session that shares a database.
        wishes: the suite's.
        shared: whether it does, which takes a database of its own.

    Raises:
        ConfigurationError: the marker says something that is nothing.
    """
    said: dict[str, object] = {}
    for marker in reversed([*node.iter_markers("headway")]):
        if marker.args or not {*_MARKS}.issuperset(marker.kwargs):
            raise ConfigurationError(
                "@pytest.mark.headway",
                "takes revision= and isolation= and nothing else",
                example='@pytest.mark.headway(revision="1f0c", isolation="clone")',
            )
        said |= marker.kwargs
    migrating = "headway_migrator" in getattr(node, "fixturenames", ())
    isolation = said.get("isolation", Isolation.CLONE if migrating else wishes.isolation)
    if isolation not in {*Isolation}:
        raise ConfigurationError(
            "@pytest.mark.headway",
            f"isolation={isolation!r} is not one of {', '.join(Isolation)}",
            example='@pytest.mark.headway(isolation="clone")',
        )
    on_sqlite = wishes.provider is Provider.SQLITE
    if on_sqlite and isolation == Isolation.SAVEPOINT:
        raise _no_savepoints("@pytest.mark.headway")
    return Wish(
        Isolation.CLONE if migrating or shared or on_sqlite else Isolation(str(isolation)),
        str(said.get("revision", "base" if migrating else "heads")),
    )


def wants_clone(item: pytest.Item, wishes: Wishes) -> bool:
    """Whether a test is going to ask for a clone; no for one whose marker is wrong."""
    try:
        return wish_of(item, wishes).isolation is Isolation.CLONE
    except ConfigurationError:
        return False
