"""The server that a suite's databases lie on: given by URL, in a container, or our own."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from headway import embedded
from headway.errors import ConfigurationError, RefusedError
from headway.project import load_project
from headway.project.configuration import INI
from headway.testing.wishes import Provider
from headway.url import DatabaseURL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway.project import Project
    from headway.settings import Settings
    from headway.testing.wishes import Wishes

_MEMORY = Path("/dev/shm")  # noqa: S108  # the folder that we make there is ours
_ROOM = 2 * 1024**3  # bytes; a cluster takes 60 MB, each database some 10 MB, its log up to 1 GB
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        url: of the database that we stay connected to and leave as it is; **may hold a password**.
        ours: whether its settings and all that lies on it are ours to change.
        label: what it is and where, for people.
        source: the setting it comes from, for hints.
        forgettable: whether a crash of the machine is noticed, and the data then made anew.
    """

    url: DatabaseURL
    ours: bool
    label: str
    source: str
    forgettable: bool = False

    def database(self, name: str) -> DatabaseURL:
        """The URL of a database on it."""
        return replace(self.url, database=name)


def project_of(wishes: Wishes) -> Project:
    """The project whose migrations a suite runs on.

    Raises:
        ConfigurationError: there is none where it was looked for, or its configuration cannot be read.
    """
    if wishes.config is not None:
        return load_project(wishes.config)
    try:
        return load_project(start=Path(wishes.root))
    except ConfigurationError as error:
        if error.variable != INI:
            raise
        problem = error.problem
    raise ConfigurationError("headway_config", problem, example="headway_config = backend/alembic.ini")


@contextlib.contextmanager
def served(wishes: Wishes, project: Project, settings: Settings) -> Iterator[Server]:
    """The server that was decided on, for the length of the block.

    Raises:
        ConfigurationError: the URL is wrong.
        EmbeddedServerError: there are no programs, or the server does not start.
    """
    if wishes.provider is Provider.EMBEDDED:
        with _embedded(project.root, settings) as server:
            yield server
    else:
        url = DatabaseURL.parse(wishes.url or "", variable=wishes.source)
        ours = wishes.provider is Provider.DOCKER
        yield Server(url, ours=ours, label=url.masked, source=wishes.source, forgettable=ours)


@contextlib.contextmanager
def _embedded(root: Path, settings: Settings) -> Iterator[Server]:
    binaries = embedded.locate(settings.postgres_binaries)
    directory = cluster_directory(root, binaries.major)
    forgettable = _survived_no_crash(directory)
    with embedded.acquire(directory, binaries=settings.postgres_binaries, database="postgres") as lease:
        url = DatabaseURL.parse(lease.url, variable="the embedded server")
        yield Server(
            url,
            ours=True,
            label=f"the embedded PostgreSQL {binaries.major} in {directory}",
            source="the embedded server",
            forgettable=forgettable,
        )


def cluster_of_tests(project: Project, settings: Settings) -> Path:
    """Where the embedded server of a project's tests has its data, whether it is there or not.

    Raises:
        EmbeddedServerError: there are no programs to run it with.
    """
    return cluster_directory(project.root, embedded.locate(settings.postgres_binaries).major)


def cluster_directory(root: Path, major: int) -> Path:
    """Where the test server of a project has its data: of this user, for this major version.

    In memory where there is room: a database is cloned there in 15 ms, on a disk in 212 (design.md, fact 17).
    """
    of_project = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:12]
    name = f"headway-tests-{os.geteuid()}-{of_project}-pg{major}"
    in_memory = _MEMORY / name
    if in_memory.is_dir() or _has_room(_MEMORY):
        return in_memory
    return Path(tempfile.gettempdir()) / name


def _survived_no_crash(directory: Path) -> bool:
    """Delete data that lay on a disk when the machine went down, for nothing had been flushed to it.

    Returns:
        Whether the next time can be told; the data must be flushed where it cannot.
    """
    if directory.is_relative_to(_MEMORY):
        return True
    if not _BOOT.is_file():
        return False
    note, boot = directory.with_name(f"{directory.name}.boot"), _BOOT.read_text(encoding="ascii")
    if not note.is_file() or note.read_text(encoding="ascii") != boot:
        with contextlib.suppress(RefusedError):  # another process of this run was faster
            embedded.reset(directory)
        note.write_text(boot, encoding="ascii")
    return True


def _has_room(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > _ROOM
