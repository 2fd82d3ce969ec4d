"""The last answer of a probe, for as long as nothing that it was made of has changed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool, QueuePool

from headway.errors import DatabaseError
from headway.lockfile import lock_path
from headway.revisions.sighting import Sighting
from headway.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from headway.ledger import Glimpse
    from headway.project import Project
    from headway.results import PendingReport

_NO_ANSWER = (SQLAlchemyError, DatabaseError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


@dataclass(frozen=True, slots=True)
class Glimpsed:
    """What a database said of its revisions, and the question."""

    answer: Glimpse
    ask: Callable[[Connection], Glimpse | None]


@dataclass(frozen=True, slots=True)
class _Kept:
    report: PendingReport
    sighting: Sighting
    seen: Glimpsed


class Recollection:
    """Asks a database that the application has an engine for whether it still says the same.

    Where it does, and all files look as they did, the last report is the answer: one round trip on a
    connection of the engine's pool, in no transaction, and no file is opened. Where anything else comes back,
    an error too, whoever asks makes the report anew.

    Args:
        engine: the caller's, with a pool of its own kind or none; see :func:`recollection_on`.
        project: whose files count.
    """

    def __init__(self, engine: AsyncEngine, project: Project) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._sight = partial(
            Sighting, project.version_locations, recursive=project.recursive, beside=[lock_path(project)]
        )
        self._kept: _Kept | None = None

    async def report(self) -> PendingReport | None:
        """The last report, if it still holds; else ``None``."""
        kept = self._kept
        if kept is None or not await in_thread(kept.sighting.still_holds):
            return None
        return kept.report if await self._answer(kept.seen.ask) == kept.seen.answer else None

    async def sight(self) -> Sighting | None:
        """How the files look, to be asked before they are read; ``None`` where they cannot be listed."""
        try:
            return await in_thread(self._sight)
        except OSError:
            return None

    async def keep(self, report: PendingReport, sighting: Sighting | None, seen: Glimpsed | None) -> None:
        """Keep a report, if it is sure to be of the state that was seen before it and is there after it.

        Args:
            report: made of what was read.
            sighting: from before files were read.
            seen: from before the database was asked; ``None`` where it has no such answer.
        """
        self._kept = None
        if sighting is None or seen is None or not sighting.settled:
            return
        if (
            seen.answer.versions == tuple(sorted(report.current))
            and await self._answer(seen.ask) == seen.answer
        ):
            self._kept = _Kept(report, sighting, seen)

    async def _answer(self, ask: Callable[[Connection], Glimpse | None]) -> Glimpse | None:
        """``None`` for an error, and where the application would have to wait for a connection with us."""
        pool = self._engine.pool
        if isinstance(pool, QueuePool) and pool.checkedout() and not pool.checkedin():
            return None
        try:
            async with self._engine.connect() as connection:
                return await connection.run_sync(ask)
        except _NO_ANSWER:
            return None


def recollection_on(source: AsyncEngine | AsyncConnection | None, project: Project) -> Recollection | None:
    """For an engine that can be asked so; ``None`` for everything else.

    A connection is the caller's own and may be in use; a pool that hands out one connection to several at a
    time could put our question into somebody's transaction. What only bytecode is left of is always read.
    """
    if not isinstance(source, AsyncEngine) or source.dialect.driver != "asyncpg" or project.sourceless:
        return None
    return Recollection(source, project) if isinstance(source.pool, QueuePool | NullPool) else None
