"""Compare models with their database, inside the connection: headway's comparison beside stock Alembic's.

Models of 50, 200 and 1,000 tables on asyncpg, once as the database has them, and once with a column more in
every tenth table. Alembic compares types and server defaults, as headway does; it does not look at enums,
checks, conditions of indexes, operator classes or options. In headway's time is alembic-postgresql-enum's.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from measurement import Measurement, Series
from modelled_tables import models
from server import connected
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server import Server
    from sqlalchemy import Connection, MetaData, Table

    from headway import DatabaseURL

TABLES, QUICK_TABLES = (50, 200, 1000), (12,)
ROUNDS = 5
EVERY = 10
"""Of so many tables one differs, where differences are compared."""
_AT_ONCE = 100
"""Tables made in one transaction: each holds locks to its end."""
_OURS, _STOCK = "headway", "alembic"
_NOTHING, _SOMETHING = "nothing differs", f"one in {EVERY} differs"
_PROGRAM = Path(__file__).parents[1] / "one_comparison.py"
_GOAL = 0.15


async def measure(server: Server, *, quick: bool) -> Measurement:
    taken: dict[str, list[float]] = {}
    counts = QUICK_TABLES if quick else TABLES
    for count in counts:
        async with server.database() as url:
            await create(url, count)
            for _ in range(1 if quick else ROUNDS):
                for what, differing in ((_NOTHING, 0), (_SOMETHING, EVERY)):
                    for contender in (_OURS, _STOCK):
                        took = await compare(contender, url, count, differing)
                        taken.setdefault(f"{contender}, {count}, {what}", []).append(took)
    series = tuple(Series(name, tuple(values)) for name, values in taken.items())
    return Measurement("comparing models, by tables", "ms", series, notes=_verdicts(series, counts))


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
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, str(_PROGRAM), contender, str(count), str(differing)],
        env=os.environ | {"BENCH_URL": _on_asyncpg(url), "PYTHONDONTWRITEBYTECODE": ""},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, told = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{contender} exited {process.returncode}: {told.decode(errors='replace')}")
    took, found = json.loads(said)
    expected = len(range(0, count, differing)) if differing else 0
    if found != expected:
        raise RuntimeError(f"{contender} found {found} tables that differ, not {expected}")
    return float(took)


def _on_asyncpg(url: DatabaseURL) -> str:
    return url.render().replace("postgresql:", "postgresql+asyncpg:", 1)


def _verdicts(series: Sequence[Series], counts: Sequence[int]) -> tuple[str, ...]:
    found = {entry.contender: entry.median for entry in series}
    notes = []
    for count in counts:
        none, some = (
            found[f"{_OURS}, {count}, {what}"] / found[f"{_STOCK}, {count}, {what}"]
            for what in (_NOTHING, _SOMETHING)
        )
        notes.append(
            f"{count} tables: {none:.2f} of stock Alembic's time where nothing differs (goal: {_GOAL} at "
            f"most, from 200 on), {some:.2f} where one table in {EVERY} does (goal: 1 at most)"
        )
    return tuple(notes)
