"""The migrator lock: one migrator at a time on one version table.

It is a session-level advisory lock of PostgreSQL, taken by polling. A session that waits inside
``pg_advisory_lock`` keeps a snapshot open, CREATE INDEX CONCURRENTLY in the session that holds the lock waits
for that snapshot, and both wait for ever (design.md, fact 5); between two polls there is none.
"""

from __future__ import annotations

import asyncio
import functools
import random
import time
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from headway.alone import singly
from headway.commit import is_connection_lost
from headway.errors import HeadwayError, LockBusyError
from headway.events import LockWaiting, Warned
from headway.narration.peers import name
from headway.peers import COLUMNS, read_peer
from headway.placement import version_schema
from headway.project import VersionTable
from headway.shield import shielded
from headway.sqltext import filled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sqlalchemy.engine import Connection

    from headway.events import Event
    from headway.results import Peer

T = TypeVar("T")

DEFAULT_LOCK_WAIT_S = 240.0
"""How long a run waits for another migrator, in seconds.

Many replicas start at once and one of them migrates; the others should wait for it rather than fail. They
must give up, and say who holds the lock, before the tool that deploys them loses patience and hides the
reason: by default ``helm --timeout`` is 5 minutes, a Kubernetes Deployment's progress deadline 10 minutes.
"""

FIRST_PAUSE_S = 0.05
"""Pause after the first try, in seconds; most migrations that find somebody at work are over soon."""
LONGEST_PAUSE_S = 1.0
"""Longest pause, in seconds: so late may a waiter come; a hundred waiters send a hundred queries a second."""
NOTICE_EVERY_S = 5.0
"""How often a waiter says that it still waits, in seconds."""
RELEASE_WITHIN_S = 5.0
"""How long letting go may take, in seconds, before the connection is taken for dead."""

_PAUSE_GROWTH = 1.5
# So that waiters which began together do not ask together for ever.
_JITTER = (0.75, 1.25)

_TRY = text("SELECT pg_catalog.pg_try_advisory_lock(CAST(:key AS bigint))")
_UNLOCK = text("SELECT pg_catalog.pg_advisory_unlock(CAST(:key AS bigint))")

# A bigint key shows its high half as classid, its low half as objid, and 1 as objsubid (PostgreSQL manual,
# section 54.12, pg_locks). Advisory locks belong to a database; the view shows those of all.
_OF_KEY = """
    lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1
    AND (CAST(lock.classid AS bigint) << 32 | CAST(lock.objid AS bigint)) = CAST(:key AS bigint)
    AND lock.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
"""
_HOLDER = text(f"""
    SELECT lock.pid, {COLUMNS}, activity.backend_start AS since
    FROM pg_catalog.pg_locks AS lock
    LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = lock.pid
    WHERE {_OF_KEY} AND lock.pid IS NOT NULL
    ORDER BY lock.mode LIMIT 1
""")  # noqa: S608  # constants
_HOLDS = text(f"""
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_locks AS lock
        WHERE {_OF_KEY} AND lock.mode = 'ExclusiveLock' AND lock.pid = pg_catalog.pg_backend_pid()
    )
""")  # noqa: S608  # constants

_STANDING = text(f"SELECT CAST(pg_catalog.pg_current_xact_id() AS text), ({_HOLDS.text})")

_WHERE = text(f"SELECT pg_catalog.current_database(), {version_schema()}")  # constants


class Latch(Protocol):
    """The migrator lock of one kind of database, as one migrator sees it.

    Attributes:
        held: whether we have it: known even where a cancellation ate the answer.
    """

    held: bool

    async def knock(self) -> bool:
        """Take it unless another has it; never waits."""
        ...

    async def holder(self) -> Peer | None:
        """Who has it; ``None`` when nobody does, or it cannot be seen."""
        ...

    async def leave(self) -> str | None:
        """Let go; returns what was wrong with it in a sentence."""
        ...

    def eviction(self, peer: Peer | None) -> str:
        """How to end who has it, should it be stuck; the end of a sentence."""
        ...


class Runs(Protocol):
    """What runs synchronous work on one connection; ``Session`` is one."""

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Call ``work`` with the synchronous connection, without blocking the event loop."""
        ...


def lock_key(database: str, table: VersionTable) -> int:
    """The advisory lock's key for one version table: a signed 64-bit number, the same in every release.

    It is the first eight bytes, big-endian, of BLAKE2b (digest size 8) over ``headway``, the database, the
    schema (empty when ``None``) and the table's name, in UTF-8 with a zero byte between. PostgreSQL keeps the
    advisory locks of different databases apart anyway; the rest keeps version tables apart.

    Args:
        database: as the server calls it (``current_database()``), not as a pooler does.
        table: with the schema the server finds it in; :func:`lock_key_on` asks for it.
    """
    name = "\0".join(["headway", database, table.schema or "", table.name])
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


def lock_key_on(connection: Connection, table: VersionTable) -> int:
    """The key for a version table on this connection, which finds out database and schema.

    A table without a schema is looked for on the search path, and expected in its first schema when it is not
    there yet. So whoever names the schema and whoever leaves it out wait for each other.
    """
    with singly(connection):
        database, schema = connection.execute(_WHERE, {"schema": table.schema, "table": table.name}).one()
    return lock_key(database, VersionTable(table.name, schema))


def try_lock(connection: Connection, key: int) -> bool:
    """Take the lock for this session unless another has it; never waits."""
    with singly(connection):
        return bool(connection.scalar(_TRY, {"key": key}))


def holder(connection: Connection, key: int) -> Peer | None:
    """Who holds the lock; ``since`` is when that session connected.

    Returns:
        ``None`` when nobody does. Without the role ``pg_read_all_stats`` only the process, user and
        application of other roles' sessions can be seen.
    """
    with singly(connection):
        row = connection.execute(_HOLDER, {"key": key}).one_or_none()
    return None if row is None else read_peer(row)


def holds(connection: Connection, key: int) -> bool:
    """Whether this very session holds the lock; runs inside the caller's transaction.

    Asked before each version is written: ``DISCARD ALL`` and ``pg_advisory_unlock_all()`` in a revision drop
    the lock in silence. A ``COMMIT`` does not; that shows in :func:`headway.commit.transaction_id`.
    """
    return bool(connection.scalar(_HOLDS, {"key": key}))


@functools.cache
def held_in_sql(key: int) -> str:
    """The condition that :func:`holds` asks for, to be part of a statement."""
    return filled(_HOLDS.text.partition("SELECT")[2], {"key": key})


def standing(connection: Connection, key: int) -> tuple[str, bool]:
    """The id of the transaction that the caller has open, and :func:`holds`; one statement."""
    transaction, held = connection.execute(_STANDING, {"key": key}).one()
    return str(transaction), bool(held)


def unlock(connection: Connection, key: int) -> bool:
    """Let go of the lock.

    Returns:
        ``False`` when this session did not hold it.
    """
    with singly(connection):
        return bool(connection.scalar(_UNLOCK, {"key": key}))


def migrator_lock(  # one argument for each thing that an event or the deadline needs
    session: Runs,
    key: int,
    *,
    wait_s: float,
    run_id: str,
    database: str,
    emit: Callable[[Event], None],
) -> AbstractAsyncContextManager[float]:
    """Hold a server's migrator lock for the length of the block; see :func:`latched`.

    Args:
        session: the connection that holds the lock and will run the DDL; no transaction is open on it.
        key: from :func:`lock_key`.
        wait_s: how long to wait, in seconds; 0 tries once.
        run_id: the run, for the events.
        database: what to call the database, masked, in events and errors.
        emit: takes the events.
    """
    latch = _Door(session, key)
    return latched(latch, wait_s=wait_s, run_id=run_id, database=database, emit=emit)


@asynccontextmanager
async def latched(
    latch: Latch,
    *,
    wait_s: float,
    run_id: str,
    database: str,
    emit: Callable[[Event], None],
) -> AsyncIterator[float]:
    """Hold the migrator lock for the length of the block; yields the seconds that were waited for it.

    While another holds it a ``LockWaiting`` event is emitted at once and then every 5 s. Cancelling is safe
    at any moment: each try runs to its end, and what was taken is let go of. Letting go is shielded; when it
    turns out that the lock was gone, or cannot be let go of, a ``Warned`` event says so. A connection that
    died has taken the lock with it, which needs no word.

    Args:
        latch: the lock.
        wait_s: how long to wait, in seconds; 0 tries once.
        run_id: the run, for the events.
        database: what to call the database, masked, in events and errors.
        emit: takes the events.

    Raises:
        LockBusyError: another held it until the deadline; says who.
    """
    try:
        yield await _enter(latch, wait_s, run_id, database, emit)
    finally:
        if latch.held:
            problem = await shielded(latch.leave(), grace_s=2 * RELEASE_WITHIN_S)
            if problem:
                emit(Warned(run_id, None, problem))


class _Door:
    """The lock on one connection, and whether we have it: known even where a cancellation ate the answer."""

    def __init__(self, session: Runs, key: int) -> None:
        self._session = session
        self._key = key
        self.held = False

    async def knock(self) -> bool:
        self.held = await self._session.run(lambda connection: try_lock(connection, self._key))
        return self.held

    async def holder(self) -> Peer | None:
        return await self._session.run(lambda connection: holder(connection, self._key))

    async def leave(self) -> str | None:
        """Let go; returns what was wrong with it in a sentence."""
        try:
            async with asyncio.timeout(RELEASE_WITHIN_S):
                released = await self._session.run(self._release)
        except TimeoutError:
            return "the migrator lock could not be let go of in time; its connection was dropped instead"
        except (HeadwayError, DBAPIError) as error:
            if is_connection_lost(error):
                return None
            problem = error.message if isinstance(error, HeadwayError) else type(error).__name__
            return f"the migrator lock goes only when its connection closes: {problem}"
        if released:
            return None
        return (
            "the migrator lock was gone before it was let go of: a revision has run DISCARD ALL, "
            "pg_advisory_unlock_all() or the like, so another migrator could have come in"
        )

    def eviction(self, peer: Peer | None) -> str:
        return f"SELECT pg_terminate_backend({peer.pid})" if peer else "see pg_locks"

    def _release(self, connection: Connection) -> bool:
        if connection.closed or connection.invalidated:
            return True  # gone with its connection; SQLAlchemy would open a new one to ask
        if connection.in_transaction():
            connection.rollback()  # a failed transaction would refuse the unlock
        return unlock(connection, self._key)


async def _enter(
    latch: Latch, wait_s: float, run_id: str, database: str, emit: Callable[[Event], None]
) -> float:
    started = time.monotonic()
    pause = FIRST_PAUSE_S
    notice_at = 0.0
    while not await shielded(latch.knock(), grace_s=RELEASE_WITHIN_S):
        waited = time.monotonic() - started
        if waited >= wait_s:
            peer = await latch.holder()
            raise _busy(peer, waited, database, latch.eviction(peer))
        if waited >= notice_at:
            emit(LockWaiting(run_id, database, await latch.holder(), waited))
            notice_at = waited + NOTICE_EVERY_S
        jittered = pause * random.uniform(*_JITTER)  # noqa: S311  # spreads load; nobody must not guess it
        await asyncio.sleep(max(min(jittered, wait_s - waited), 0))
        pause = min(pause * _PAUSE_GROWTH, LONGEST_PAUSE_S)
    return time.monotonic() - started


def _busy(peer: Peer | None, waited: float, database: str, eviction: str) -> LockBusyError:
    who = "by a session that let go just now" if peer is None else f"by {name(peer)}"
    how_long = f"after {waited:.1f} s" if waited >= 1 else "and there was no time to wait"
    return LockBusyError(
        f"{database}: another migrator is at work; the migrator lock is held {who}; gave up {how_long}",
        peer,
        round(waited, 3),
        hint="Wait until it is done and run the command again (it will then find less to do, or nothing), or "
        "wait longer with --lock-wait (HEADWAY_LOCK_WAIT for `alembic`). If that session is stuck, end it: "
        f"{eviction}",
    )
