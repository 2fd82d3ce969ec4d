"""Look over a step's shoulder: who keeps it waiting, and how far a long statement is.

A watcher asks the server on another connection than the step's, so a statement that takes hours is watched
while it runs. What it sees goes to the listeners; what it cannot see disturbs nobody.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from headway.alone import singly
from headway.errors import HeadwayError
from headway.events import StepBlocked, StepProgress
from headway.peers import COLUMNS, read_peer
from headway.shield import shielded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from sqlalchemy.engine import Connection, Row

    from headway.events import Event
    from headway.results import Peer

T = TypeVar("T")

INTERVAL_S = 0.2
"""How often is looked, in seconds; a step that is done before the first look costs no query at all."""

_SAY_AGAIN_S = 5.0
"""How often the same blockers are named again, in seconds."""

_SHORTEST_INTERVAL_S = 0.02
"""However short a lock timeout is, looks are as far apart, in seconds: each costs the server work."""

_LAST_LOOK_S = 2.0
"""How long a look that is under way may keep a finished step, in seconds; a live server needs 0.01."""

# One branch for each view of "Progress Reporting" (PostgreSQL manual, section 28.4) that DDL can show up in,
# with the first server version that has it. Version 19 keeps pg_stat_progress_cluster beside its new view.
# A backend runs one such command at a time. Waiting for lockers comes first: counts of the phase before stay.
_VIEWS: tuple[tuple[int, str], ...] = (
    (
        12,
        """
        SELECT pid, command,
               CASE WHEN partitions_total > 0
                    THEN pg_catalog.format('partition %s of %s: ',
                                least(partitions_done + 1, partitions_total), partitions_total)
                    ELSE '' END || phase,
               CASE WHEN phase LIKE 'waiting%' THEN lockers_done
                    WHEN blocks_total > 0 THEN blocks_done ELSE tuples_done END,
               CASE WHEN phase LIKE 'waiting%' THEN lockers_total
                    WHEN blocks_total > 0 THEN blocks_total ELSE tuples_total END,
               CASE WHEN phase LIKE 'waiting%' THEN 'lockers'
                    WHEN blocks_total > 0 THEN 'blocks' ELSE 'tuples' END
        FROM pg_catalog.pg_stat_progress_create_index""",
    ),
    (
        12,
        """
        SELECT pid, command, phase,
               CASE phase WHEN 'seq scanning heap' THEN heap_blks_scanned
                          WHEN 'writing new heap' THEN heap_tuples_written ELSE heap_tuples_scanned END,
               CASE phase WHEN 'seq scanning heap' THEN heap_blks_total
                          WHEN 'writing new heap' THEN heap_tuples_scanned ELSE 0 END,
               CASE phase WHEN 'seq scanning heap' THEN 'blocks' ELSE 'tuples' END
        FROM pg_catalog.pg_stat_progress_cluster""",
    ),
    (
        12,
        """
        SELECT pid, 'VACUUM', phase,
               CASE phase WHEN 'vacuuming heap' THEN heap_blks_vacuumed ELSE heap_blks_scanned END,
               heap_blks_total, 'blocks'
        FROM pg_catalog.pg_stat_progress_vacuum""",
    ),
    (
        13,
        """
        SELECT pid, 'ANALYZE', phase, sample_blks_scanned, sample_blks_total, 'blocks'
        FROM pg_catalog.pg_stat_progress_analyze""",
    ),
    (
        14,
        """
        SELECT pid, command, 'copying',
               CASE WHEN bytes_total > 0 THEN bytes_processed ELSE tuples_processed END,
               bytes_total,
               CASE WHEN bytes_total > 0 THEN 'bytes' ELSE 'tuples' END
        FROM pg_catalog.pg_stat_progress_copy""",
    ),
)

# pg_blocking_pids takes the lock manager's locks for itself, so it is asked only about a session that waits
# for one (PostgreSQL manual, section 9.27). Its 0 stands for a prepared transaction.
_LOOK = """
    WITH watched AS MATERIALIZED (
        SELECT pid, state,
               CASE WHEN wait_event_type = 'Lock' THEN pg_catalog.pg_blocking_pids(pid) ELSE '{{}}' END
                   AS blockers
        FROM pg_catalog.pg_stat_activity WHERE pid = :pid
    )
    SELECT watched.state AS watched_state,
           progress.command, progress.phase, progress.done, progress.total, progress.unit,
           blocker.pid, {columns}, coalesce(activity.xact_start, activity.query_start) AS since
    FROM watched
    LEFT JOIN ({progress}) AS progress (pid, command, phase, done, total, unit) USING (pid)
    LEFT JOIN LATERAL (SELECT DISTINCT pg_catalog.unnest(watched.blockers)) AS blocker (pid) ON true
    LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = blocker.pid
    ORDER BY since, blocker.pid
"""


class Runs(Protocol):
    """What runs synchronous work on a connection, one piece at a time; a Session is one."""

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Call ``work`` with the synchronous connection."""
        ...


class Watcher:
    """Watches one backend while one step runs in it.

    Args:
        run_id: for the events.
        revision: for the events.
        emit: called with :class:`StepBlocked` at once when locks of others keep the backend waiting, again
            when these are others, every 5 s, and when it goes on; and with :class:`StepProgress` whenever
            that changes.
        interval_s: how often to look, in seconds, and how long before the first time; see
            :func:`interval_within`.
    """

    def __init__(
        self,
        run_id: str,
        revision: str,
        emit: Callable[[Event], None],
        *,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._run_id = run_id
        self._revision = revision
        self._emit = emit
        self.interval_s = interval_s
        self._stop = asyncio.Event()
        self._blocked_since: float | None = None
        self._said_at = 0.0
        self._said: frozenset[int] = frozenset()
        self._seen_free = False
        self._progress: StepProgress | None = None
        self.blockers: tuple[Peer, ...] = ()
        """Who kept the backend's last wait for a lock waiting; empty when it had none, or got it."""

    async def watch(self, control: Runs, pid: int) -> None:
        """Look until stopped or cancelled, until the backend is gone, or the connection fails.

        The failure of a watcher is no failure of the step: it only becomes silent.

        Args:
            control: the connection to ask on; not the one that is watched.
            pid: the backend that is watched.
        """
        if not await self._stopped_within(self.interval_s):
            await self._look(control, pid)

    def watch_later(self, control: Runs, pid: int, begun: list[asyncio.Task[None]]) -> asyncio.TimerHandle:
        """The same, as a task that is made, and put among those begun, when the first look is due."""

        def begin() -> None:
            begun.append(asyncio.create_task(self._look(control, pid)))

        return asyncio.get_running_loop().call_later(self.interval_s, begin)

    async def _look(self, control: Runs, pid: int) -> None:
        with suppress(HeadwayError, SQLAlchemyError, OSError):
            while rows := await control.run(partial(_look_at, pid=pid)):
                self._hear(rows)
                if await self._stopped_within(self.interval_s):
                    return

    def stop(self) -> None:
        """Let ``watch`` end after the look that is under way."""
        self._stop.set()

    def _hear(self, rows: Sequence[Row[Any]]) -> None:
        blockers = tuple(read_peer(row) for row in rows if row.pid is not None)
        free = not blockers and rows[0].watched_state == "active"
        if blockers:
            self._hear_blocked(blockers)
        elif not free:
            # It is not at work: it has just given up waiting, and the blockers are whom it gave up for.
            self._blocked_since = None
        elif self._seen_free:
            self._hear_free()
        # One that gives up is at work for a moment too, rolling back: two looks in a row make it free.
        self._seen_free = free
        progress = _progress(rows[0], self._run_id, self._revision)
        if progress is not None and progress != self._progress:
            self._emit(progress)
        self._progress = progress

    def _hear_blocked(self, blockers: tuple[Peer, ...]) -> None:
        now = time.monotonic()
        self.blockers = blockers
        pids = frozenset(peer.pid for peer in blockers)
        first = self._blocked_since is None
        since = now if self._blocked_since is None else self._blocked_since
        self._blocked_since = since
        if first or pids != self._said or now - self._said_at >= _SAY_AGAIN_S:
            self._said, self._said_at = pids, now
            self._emit(StepBlocked(self._run_id, self._revision, blockers, round(now - since, 3)))

    def _hear_free(self) -> None:
        self.blockers = ()
        if self._blocked_since is not None:
            waited = round(time.monotonic() - self._blocked_since, 3)
            self._blocked_since = None
            self._emit(StepBlocked(self._run_id, self._revision, (), waited))

    async def _stopped_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
        return self._stop.is_set()


@asynccontextmanager
async def watching(watcher: Watcher, control: Runs, pid: int) -> AsyncIterator[Watcher]:
    """Watch for the length of the block, beside it; whatever ends the block, the watcher has ended after it.

    A look that is under way is waited for rather than cancelled, for the connection's sake; but not for long.
    Most steps are over before the first one is due, and cost no task.
    """
    begun: list[asyncio.Task[None]] = []
    due = watcher.watch_later(control, pid, begun)
    try:
        yield watcher
    finally:
        due.cancel()
        watcher.stop()
        for task in begun:
            await shielded(_end(task), grace_s=2 * _LAST_LOOK_S)


def interval_within(lock_timeout_ms: int) -> float:
    """How often to look, in seconds, so that those who make a lock timeout run out are seen before it does.

    Args:
        lock_timeout_ms: of the step, in milliseconds; 0 is none.
    """
    if not lock_timeout_ms:
        return INTERVAL_S
    return min(max(lock_timeout_ms / 2000, _SHORTEST_INTERVAL_S), INTERVAL_S)


def progress_of(
    connection: Connection, pid: int, *, run_id: str = "", revision: str = ""
) -> StepProgress | None:
    """How far the statement is that a backend runs; ``None`` when it runs none that reports progress.

    Opens a transaction of its own. Partitions of an index are counted in the phase's words.
    """
    rows = _look_at(connection, pid)
    return _progress(rows[0], run_id, revision) if rows else None


async def _end(task: asyncio.Task[None]) -> None:
    _, late = await asyncio.wait([task], timeout=_LAST_LOOK_S)
    if late:
        task.cancel()
        await asyncio.wait(late, timeout=_LAST_LOOK_S)


def _look_at(connection: Connection, pid: int) -> Sequence[Row[Any]]:
    version = connection.dialect.server_version_info or ()
    views = " UNION ALL ".join(view for since, view in _VIEWS if version >= (since,))
    with singly(connection):
        return connection.execute(text(_LOOK.format(columns=COLUMNS, progress=views)), {"pid": pid}).all()


def _progress(row: Row[Any], run_id: str, revision: str) -> StepProgress | None:
    if row.command is None:
        return None
    return StepProgress(
        run_id, revision, row.command, row.phase or "", row.done or 0, row.total or 0, row.unit
    )
