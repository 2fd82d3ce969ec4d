"""One process's share of a test run: a server, templates, and a database for each test that asks."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from headway.project import load_project
from headway.settings import load_settings
from headway.testing.cluster import Cluster
from headway.testing.engines import sqlalchemy_url
from headway.testing.naming import Names
from headway.testing.private_loop import PrivateLoop
from headway.testing.server import served
from headway.testing.template import Templates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway.project import Project
    from headway.testing.server import Server
    from headway.testing.wishes import Isolation, Wishes
    from headway.url import DatabaseURL


@dataclass(frozen=True, slots=True)
class Database:
    """A database for a test.

    Attributes:
        name: what the server calls it.
        location: where it is; its ``str`` shows no password.
        isolation: how it was come by.
    """

    name: str
    location: DatabaseURL
    isolation: Isolation

    @property
    def url(self) -> str:
        """For SQLAlchemy's ``create_async_engine``; **secret, when it holds a password**."""
        return sqlalchemy_url(self.location)

    @property
    def dsn(self) -> str:
        """For libpq, psql and asyncpg; **secret, when it holds a password**."""
        return self.location.render()


class Suite:
    """What stands behind the fixtures of one process; closed at its end."""

    def __init__(self, wishes: Wishes, project: Project, loop: PrivateLoop, cluster: Cluster) -> None:
        self.wishes = wishes
        self.project = project
        self._loop = loop
        self._cluster = cluster
        self._templates = Templates(cluster, project, wishes)
        self._numbers = count(1)

    @property
    def label(self) -> str:
        """What server this is, for people."""
        return self._cluster.server.label

    @contextlib.contextmanager
    def database(self, test: str, isolation: Isolation, revision: str = "heads") -> Iterator[Database]:
        """A database for the length of a test."""
        template = self._loop.run(self._templates.of(revision))
        name = self._cluster.names.of_run(
            self.wishes.run_id, self.wishes.worker, f"{next(self._numbers)}_{test.rpartition('::')[2]}"
        )
        self._loop.run(self._cluster.create(name, template))
        try:
            yield Database(name, self._cluster.server.database(name), isolation)
        finally:
            self._loop.run(self._cluster.drop(name))


@contextlib.contextmanager
def open_suite(wishes: Wishes) -> Iterator[Suite]:
    """Find the project and the server, and connect."""
    project = load_project(wishes.config, start=Path(wishes.root))
    settings = load_settings(project, url="postgresql://unused", environment="development")
    with served(wishes, settings) as server, contextlib.closing(PrivateLoop()) as loop:
        names = Names.of(_title(server, project), f"{os.geteuid()} {project.root.resolve()}")
        cluster = loop.run(Cluster.open(server, names))
        try:
            yield Suite(wishes, project, loop, cluster)
        finally:
            loop.run(cluster.close())


def _title(server: Server, project: Project) -> str:
    return project.root.name if server.ours else server.url.name
