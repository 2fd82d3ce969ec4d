"""One process's share of a test run: a server, and a database for each test that asks."""

from __future__ import annotations

import contextlib
import os
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

from headway.migrator import Migrator
from headway.settings import load_settings
from headway.testing.bench import Bench
from headway.testing.cluster import Cluster
from headway.testing.engines import Handouts, introduce
from headway.testing.files import FileHandouts, FileSuite, open_files
from headway.testing.lent import Database
from headway.testing.naming import Names, digest
from headway.testing.private_loop import PrivateLoop
from headway.testing.server import Server, project_of, served
from headway.testing.wishes import Isolation, Provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Dialect

    from headway.project import Project
    from headway.testing.wishes import Wishes


__all__ = ["AnyHandouts", "AnySuite", "Database", "Suite", "open_any", "open_suite"]


class Suite:
    """What stands behind the fixtures of one process.

    Attributes:
        wishes: what was asked for.
        project: whose migrations they are.
        server: where the databases are.
        label: what and where the server is, for people.
        kept: names of the databases that this run and earlier ones kept; known once the suite is closed.
    """

    def __init__(self, wishes: Wishes, project: Project, server: Server, loop: PrivateLoop) -> None:
        self.wishes = wishes
        self.project = project
        self.server = server
        self.label = server.label
        self._loop = loop
        # Other users' tests, other checkouts' and those of another role, who may not copy what this one owns,
        # go by other names.
        identity = f"{os.geteuid()} {project.root.resolve()} {server.url.user}"
        self._names = Names.of(_title(server, project), identity)
        self.kept: Sequence[str] = ()
        self._bench: Bench | None = None
        self._dialect: Dialect | None = None
        self._numbers = count(1)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Suite]:
        """Connected for the length of the block; what is left of this process's databases is then dropped."""
        cluster = self._loop.run(Cluster.open(self.server, self._names))
        bench = self._bench = Bench(cluster, self.project, self.wishes)
        try:
            self._loop.run(bench.open())
            yield self
        finally:
            self.kept = self._loop.run(bench.close())

    @contextlib.contextmanager
    def database(
        self,
        test: str,
        isolation: Isolation,
        revision: str = "heads",
        *,
        more: bool = False,
        keep: Callable[[], bool] = lambda: False,
    ) -> Iterator[Database]:
        """A database for the length of a test.

        Args:
            test: the test's node id.
            isolation: how it is to be come by.
            revision: what it holds: ``heads``, ``base`` for an empty one, or any identifier of a revision.
            more: whether other tests are going to ask for a clone, which is then prepared.
            keep: asked at the end whether the database is to be kept for somebody to look at.

        Raises:
            HeadwayError: the migrations failed, or the server refused.
            LeftOpenError: the test left a transaction open.
        """
        bench = self._bench
        if bench is None:
            raise AssertionError("the suite is not open")
        loan = self._loop.run(bench.lend(test, isolation, revision, more=more))
        unique = digest(f"{self.wishes.run_id} {self.wishes.worker} {next(self._numbers)}")
        kept_as = self._names.kept(unique, test.rpartition("::")[2])
        database = Database(loan.name, self.server.database(loan.name), isolation, kept_as)
        try:
            yield database
        finally:
            # Of a savepoint nothing is left to look at.
            kept = kept_as if isolation is not Isolation.SAVEPOINT and keep() else None
            self._loop.run(bench.take_back(loan, kept_as=kept, test=test, handed_out=database.handed_out))

    def handouts(self, database: Database) -> Handouts:
        """What makes engines and sessions on a database."""
        location = self.server.database(database.name)
        if self._dialect is None:
            self._dialect = self._loop.run(introduce(location))
        return Handouts(location, self._dialect, database.isolation)

    def migrator(self, database: Database) -> Migrator:
        """A ``Migrator`` on a database."""
        return Migrator(self.project, url=database.dsn, environment="development")


AnySuite: TypeAlias = Suite | FileSuite
AnyHandouts: TypeAlias = Handouts | FileHandouts


@contextlib.contextmanager
def open_suite(wishes: Wishes) -> Iterator[Suite]:
    """Find the project and the server, and connect.

    Raises:
        HeadwayError: there is no project, the server does not answer or start, or may not be used.
    """
    project = project_of(wishes)
    settings = load_settings(project, url="postgresql://unused", environment="development")
    with (
        served(wishes, project, settings) as server,
        contextlib.closing(PrivateLoop()) as loop,
        Suite(wishes, project, server, loop).opened() as suite,
    ):
        yield suite


@contextlib.contextmanager
def open_any(wishes: Wishes) -> Iterator[AnySuite]:
    """The same, or on SQLite a folder for its files.

    Raises:
        HeadwayError: as :func:`open_suite`.
    """
    if wishes.provider is Provider.SQLITE:
        with open_files(wishes, project_of(wishes)) as files:
            yield files
    else:
        with open_suite(wishes) as suite:
            yield suite


def _title(server: Server, project: Project) -> str:
    return project.root.name if server.ours else server.url.name
