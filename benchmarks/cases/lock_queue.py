"""Worst latency of a live query beside a 3 s reader of the table that an upgrade alters.

The reader ends 3 s after the upgrade began to wait behind it. Without a lock timeout, whoever asks for the
table meanwhile queues behind the upgrade, and so waits as long as the reader reads.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from chain import Chain
from contenders import ALEMBIC_ASYNCPG, HEADWAY, Projects
from measurement import Measurement, Tally
from progress import rounds
from server import connected, scratch

if TYPE_CHECKING:
    from collections.abc import Coroutine

    import asyncpg
    from processes import Ran
    from server import Server

    from headway import DatabaseURL

READ_S = 3.0
QUICK_READ_S = 0.3
ROUNDS = 5
WITHIN_S = 60.0
CONTENDERS = (HEADWAY, ALEMBIC_ASYNCPG)
PAUSE_S = 0.002  # between two live queries
REVISIONS = {
    "r1.py": "revision = 'r1'\ndown_revision = None\n\n\ndef upgrade():\n    pass\n",
    "r2.py": "from alembic import op\n\nrevision = 'r2'\ndown_revision = 'r1'\n\n\n"
    "def upgrade():\n    op.execute('ALTER TABLE orders ADD COLUMN note text')\n",
}
AT_R1 = """
    CREATE TABLE orders AS SELECT n AS id FROM generate_series(1, 1000) AS n;
    CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
    INSERT INTO alembic_version VALUES ('r1');
"""
WAITING = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'orders'::regclass AND NOT granted)"


async def measure(server: Server, *, quick: bool) -> Measurement:
    most, read_s = (1, QUICK_READ_S) if quick else (ROUNDS, READ_S)
    tally = Tally()
    with scratch() as root:
        projects = Projects(root, Chain(REVISIONS), CONTENDERS)
        for _ in rounds("lock-queue", most, within_s=WITHIN_S):
            for contender in CONTENDERS:
                async with server.database() as url:
                    worst = await worst_latency(projects.upgrade(contender, url), url, read_s)
                    tally.add(contender.name, worst * 1000)
    return Measurement(f"worst query beside a {read_s:g} s reader", "ms", tally.series())


async def worst_latency(upgrading: Coroutine[Any, Any, Ran], url: DatabaseURL, read_s: float) -> float:
    """Upgrade beside a reader and a live client; the longest that a query of the latter took, in seconds."""
    async with connected(url) as reader, connected(url) as live, connected(url) as observer:
        await reader.execute(AT_R1)
        reading = reader.transaction()
        await reading.start()
        await reader.execute("SELECT count(*) FROM orders")
        done = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            latencies = tasks.create_task(latencies_of(live, done))
            upgrade = tasks.create_task(upgrading)
            while not upgrade.done() and not await observer.fetchval(WAITING):  # noqa: ASYNC110  # no event tells it
                await asyncio.sleep(PAUSE_S)
            await asyncio.sleep(read_s)
            await reading.rollback()
            await upgrade
            done.set()
        assert await observer.fetchval("SELECT version_num FROM alembic_version") == "r2"
        return max(latencies.result())


async def latencies_of(live: asyncpg.Connection, done: asyncio.Event) -> list[float]:
    taken: list[float] = []
    while not done.is_set():
        started = time.perf_counter()
        await live.fetchval("SELECT id FROM orders LIMIT 1")
        taken.append(time.perf_counter() - started)
        await asyncio.sleep(PAUSE_S)
    return taken
