"""The fixtures' cheap mode: each test has a copy of one SQLite file that the migrations made."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from headway.errors import HeadwayError
from headway.migrator import Migrator
from headway.testing.engines import sqlalchemy_url
from headway.testing.lent import Database
from headway.testing.loop_guards import LoopGuards
from headway.testing.naming import digest
from headway.testing.private_loop import PrivateLoop
from headway.testing.template import EMPTY, TemplateFailedError
from headway.testing.wishes import Isolation
from headway.url import SQLiteURL

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Sequence

    from headway.project import Project
    from headway.testing.wishes import Wishes

LABEL = "SQLite, a file for each test"
_BESIDE = ("-journal", "-wal", "-shm")


class FileSuite:
    """What stands behind the fixtures of one process on SQLite.

    The migrations run once in each process, for each revision that a test asks for.

    Attributes:
        wishes: what was asked for.
        project: whose migrations they are.
        label: what the databases are, for people.
        kept: files that this run and earlier ones kept; known once the suite is closed.
    """

    def __init__(self, wishes: Wishes, project: Project, folder: Path, loop: PrivateLoop) -> None:
        self.wishes = wishes
        self.project = project
        self.label = LABEL
        self.kept: Sequence[str] = ()
        self._folder = folder
        self._loop = loop
        self._templates: dict[str, Path] = {}
        self._failed: dict[str, str] = {}
        self._numbers = count(1)

    @contextlib.contextmanager
    def database(
        self,
        test: str,
        isolation: Isolation,  # noqa: ARG002  # as of a suite on PostgreSQL; here all are copies
        revision: str = "heads",
        *,
        more: bool = False,  # noqa: ARG002  # likewise: nothing is worth preparing
        keep: Callable[[], bool] = lambda: False,
    ) -> Iterator[Database]:
        """A file for the length of a test.

        Args:
            test: the test's node id.
            isolation: how it is come by; there is one way.
            revision: what it holds: ``heads``, ``base`` for an empty one, or any identifier of a revision.
            more: of no meaning here.
            keep: asked at the end whether the file is to be kept for somebody to look at.

        Raises:
            HeadwayError: the migrations failed.
        """
        number = next(self._numbers)
        path = self._folder / f"{number}.db"
        if revision != EMPTY:
            shutil.copyfile(self._template(revision), path)
        unique = digest(f"{self.wishes.run_id} {self.wishes.worker} {number}")
        kept_as = kept_folder(self.project) / f"{unique}_{_short(test)}.db"
        try:
            yield Database(path.name, SQLiteURL(path), Isolation.CLONE, str(kept_as))
        finally:
            if keep() and path.exists():
                kept_as.parent.mkdir(mode=0o700, exist_ok=True)
                for end in ("", *_BESIDE):
                    if (beside := Path(f"{path}{end}")).exists():
                        shutil.move(beside, f"{kept_as}{end}")
            for end in ("", *_BESIDE):
                Path(f"{path}{end}").unlink(missing_ok=True)

    def handouts(self, database: Database) -> FileHandouts:
        """What makes engines and sessions on a file."""
        return FileHandouts(sqlalchemy_url(database.location))

    def migrator(self, database: Database) -> Migrator:
        """A ``Migrator`` on a file."""
        return Migrator(self.project, url=database.url, environment="development")

    def _template(self, revision: str) -> Path:
        if revision in self._failed:
            raise TemplateFailedError(self._failed[revision])
        if revision not in self._templates:
            path = self._folder / f"template_{len(self._templates)}.db"
            try:
                self._loop.run(self._build(path, revision))
            except HeadwayError as error:
                self._failed[revision] = error.message.partition("\n")[0]
                raise
            self._templates[revision] = path
        return self._templates[revision]

    async def _build(self, path: Path, revision: str) -> None:
        draft = path.with_suffix(".draft")
        url = sqlalchemy_url(SQLiteURL(draft))
        async with Migrator(self.project, url=url, environment="development") as migrator:
            await migrator.upgrade(revision)
        # Whole also where the migrations chose a write-ahead log, part of which may lie beside the file.
        with (
            contextlib.closing(sqlite3.connect(draft)) as source,
            contextlib.closing(sqlite3.connect(path)) as target,
        ):
            source.backup(target)


@contextlib.contextmanager
def open_files(wishes: Wishes, project: Project) -> Iterator[FileSuite]:
    """A folder of files, gone when the block ends but for those that are kept."""
    kept = kept_folder(project)
    if wishes.drop_kept:
        shutil.rmtree(kept, ignore_errors=True)
    with (
        tempfile.TemporaryDirectory(prefix="headway-tests-") as folder,
        contextlib.closing(PrivateLoop()) as loop,
    ):
        suite = FileSuite(wishes, project, Path(folder), loop)
        try:
            yield suite
        finally:
            suite.kept = sorted(map(str, kept.glob("*.db")))


def kept_folder(project: Project) -> Path:
    """Where the files of failing tests go; of this user, for this checkout."""
    of_project = hashlib.sha256(os.fsencode(project.root.resolve())).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"headway-tests-{os.geteuid()}-{of_project}-kept"


class FileHandouts:
    """The engine and the sessions of one test on a file, and the way to take them back.

    The engine has no pool, so it connects anew wherever it is used and works on any loop.

    Args:
        url: of the file, as SQLAlchemy takes it.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: AsyncEngine | None = None
        self._sessions: list[AsyncSession] = []
        self._guards = LoopGuards(self._finish, self._cut)

    @property
    def engine(self) -> AsyncEngine:
        """The engine; always the same."""
        if self._engine is None:
            self._engine = create_async_engine(self._url, poolclass=NullPool)
            event.listen(self._engine.sync_engine, "connect", self._watch)
        return self._engine

    def session(self) -> AsyncSession:
        """A new session on the engine."""
        session = AsyncSession(self.engine, expire_on_commit=False)
        self._sessions.append(session)
        return session

    def close(self) -> None:
        """Close the sessions that are open, unless their loop has ended and done so."""
        self._guards.close()

    def _watch(self, connection: Any, _: object) -> None:
        connection.run_async(lambda _: self._guards.watch())

    async def _finish(self, _: asyncio.AbstractEventLoop) -> None:
        for session in self._sessions:
            with contextlib.suppress(SQLAlchemyError):
                await session.close()

    def _cut(self, _: asyncio.AbstractEventLoop) -> None:
        """The file is deleted under it; its thread ends with the process."""


def _short(test: str) -> str:
    name = test.rpartition("::")[2].removeprefix("test_")
    return "".join(letter if letter.isalnum() else "_" for letter in name)[:60]
