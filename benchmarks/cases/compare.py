"""Compare models with their database, inside the connection: headway's comparison beside stock Alembic's.

Models of 50, 200 and 1,000 tables on asyncpg, once as the database has them, and once with a column more in
every tenth table. Alembic compares types and server defaults, as headway does; it does not look at enums,
checks, conditions of indexes, operator classes or options. In headway's time is alembic-postgresql-enum's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from measurement import Measurement, Tally, goal
from modelled_tables import models
from processes import run
from progress import rounds, say
from server import connected
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from measurement import Goal
    from server import Server
    from sqlalchemy import Connection, MetaData, Table

    from headway import DatabaseURL

TABLES, QUICK_TABLES = (50, 200, 1000), (12,)
ROUNDS, WITHIN_S = 5, 90.0
EVERY = 10
"""Of so many tables one differs, where differences are compared."""
MANY = 200
"""From so many tables on the goal is to be much faster where nothing differs."""
_AT_ONCE = 100
"""Tables made in one transaction: each holds locks to its end."""
CONTENDERS = {"stock Alembic": "alembic", "headway": "headway"}
NOTHING, SOMETHING = "nothing differs", f"one in {EVERY} differs"
_PROGRAM = Path(__file__).parents[1] / "one_comparison.py"


async def measure(server: Server, *, quick: bool) -> Measurement:
    tally = Tally()
    counts = QUICK_TABLES if quick else TABLES
    for count in counts:
        say(f"compare: making {count:,} tables")
        async with server.database() as url:
            await create(url, count)
            for _ in rounds(f"compare, {count:,} tables", 1 if quick else ROUNDS, within_s=WITHIN_S):
                for what, differing in ((NOTHING, 0), (SOMETHING, EVERY)):
                    for name, contender in CONTENDERS.items():
                        taken = await compare(contender, url, count, differing)
                        tally.add(name, taken, f"{count:,} tables, {what}")
    goals = [each for count in counts for each in goals_of(count, tally)]
    return Measurement("comparing models", "ms", tally.series(), goals=tuple(goals))


def goals_of(count: int, tally: Tally) -> tuple[Goal, ...]:
    stock, ours = CONTENDERS
    return tuple(
        each
        for what, at_most in ((NOTHING, 0.15 if count >= MANY else 1.0), (SOMETHING, 1.0))
        for group in [f"{count:,} tables, {what}"]
        for each in goal(
            f"{ours} to {stock}, {group}", at_most, tally.get(ours, group), tally.get(stock, group)
        )
    )


async def create(url: DatabaseURL, count: int) -> None:
    """Make the database of so many tables."""
    async with connected(url) as connection:
        await connection.execute("CREATE EXTENSION vector")
    metadata = models(count)
    tables = metadata.sorted_tables
    engine = create_async_engine(_on_asyncpg(url), poolclass=NullPool)
    for start in range(0, count, _AT_ONCE):
        async with engine.begin() as making:
            await making.run_sync(_make, metadata, tables[start : start + _AT_ONCE])
    await engine.dispose()
    async with connected(url) as connection:
        await connection.execute("VACUUM ANALYZE")


def _make(connection: Connection, metadata: MetaData, tables: Sequence[Table]) -> None:
    metadata.create_all(connection, tables=tables)


async def compare(contender: str, url: DatabaseURL, count: int, differing: int) -> float:
    """The time of one comparison, in milliseconds.

    Raises:
        RuntimeError: it failed, or found something else than what differs.
    """
    words: list[str | Path] = [sys.executable, _PROGRAM, contender, str(count), str(differing)]
    ran = await run(words, env={"BENCH_URL": _on_asyncpg(url)})
    took, found = json.loads(ran.told.splitlines()[-1])
    expected = len(range(0, count, differing)) if differing else 0
    if found != expected:
        raise RuntimeError(f"{contender} found {found} tables that differ, not {expected}")
    return float(took)


def _on_asyncpg(url: DatabaseURL) -> str:
    return url.render().replace("postgresql:", "postgresql+asyncpg:", 1)
