"""Ask whether a database is at head, with 10 to 5,000 revisions: as a process, and in one that has an engine.

The process: `headway pending` beside Alembic's `current --check-heads` on asyncpg, and a Python process that
does no more than connect by asyncpg and SELECT the version. In process: `Migrator.pending` beside that SELECT
on the same engine.
"""

from __future__ import annotations

import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from chain import chain
from contenders import ALEMBIC_ASYNCPG, HEADWAY, Projects
from measurement import Measurement, Tally, goal
from processes import run
from progress import rounds, say
from server import connected, scratch
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from headway import Migrator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from contenders import Contender
    from measurement import Goal
    from processes import Ran
    from server import Server

    from headway import DatabaseURL

LENGTHS, QUICK_LENGTHS = (10, 100, 1000, 5000), (10,)
ROUNDS = 7
WITHIN_S = 45.0
CALLS, CALLING_S = 200, 1.0
"""Calls in process, whose mean is one value, because one is too short to be timed: so many, or so long."""
ASK = "SELECT version_num FROM alembic_version"
BARE = f"""
import asyncio, os, asyncpg

async def ask():
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    await connection.fetch("{ASK}")
    await connection.close()

asyncio.run(ask())
"""
ALONE, PENDING, CURRENT = "asyncpg alone", "headway pending", "alembic current --check-heads"
PROCESSES: dict[str, tuple[Contender, *tuple[str, ...]]] = {
    ALONE: (HEADWAY, "-c", BARE),
    PENDING: (HEADWAY, "-m", "headway", "pending"),
    CURRENT: (ALEMBIC_ASYNCPG, "-m", "alembic", "current", "--check-heads"),
}
SELECT, WITHIN = "SELECT on the engine", "Migrator.pending"


async def measure(server: Server, *, quick: bool) -> Measurement:
    tally = Tally()
    lengths = QUICK_LENGTHS if quick else LENGTHS
    for length in lengths:
        say(f"probe: making {length:,} revisions")
        with scratch() as root:
            projects = Projects(root, chain(length), (HEADWAY, ALEMBIC_ASYNCPG))
            async with server.database() as url:
                await stamp(url, f"r{length:05}")
                await processes(projects, url, length, Tally())  # unmeasured: caches are filled
                for _ in rounds(f"probe, {length:,} revisions", 1 if quick else ROUNDS, within_s=WITHIN_S):
                    await processes(projects, url, length, tally)
                    await in_process(projects.folder(HEADWAY), url, length, tally)
    goals = [each for length in lengths for each in goals_of(length, tally)]
    return Measurement("is it at head?", "ms", tally.series(), goals=tuple(goals))


async def stamp(url: DatabaseURL, head: str) -> None:
    """Put a database at head, without its tables: nobody asks for them here."""
    async with connected(url) as connection:
        await connection.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        await connection.execute("INSERT INTO alembic_version VALUES ($1)", head)


async def processes(projects: Projects, url: DatabaseURL, length: int, tally: Tally) -> None:
    """Each contender once, in turn."""
    for name in PROCESSES:
        tally.add_process(name, await ask(name, projects, url), f"{length:,}, as a process")


async def ask(name: str, projects: Projects, url: DatabaseURL) -> Ran:
    contender, *words = PROCESSES[name]
    return await run([sys.executable, *words], folder=projects.folder(contender), env=contender.env(url))


async def in_process(folder: Path, url: DatabaseURL, length: int, tally: Tally) -> None:
    """The mean of many calls, on an engine that the application has already."""
    async with calls_on_engine(folder, url) as both:
        for name, call in both.items():
            await call()
            calls, began = 0, time.perf_counter()
            while calls < CALLS and time.perf_counter() - began < CALLING_S:
                await call()
                calls += 1
            tally.add(name, (time.perf_counter() - began) / calls * 1000, f"{length:,}, in process")


@asynccontextmanager
async def calls_on_engine(
    folder: Path, url: DatabaseURL
) -> AsyncIterator[dict[str, Callable[[], Awaitable[object]]]]:
    """The SELECT and headway's answer, by name, on one engine."""
    engine = create_async_engine(url.render().replace("postgresql:", "postgresql+asyncpg:", 1))
    question = text(ASK)

    async def select() -> None:
        async with engine.connect() as connection:
            await connection.execute(question)

    async with Migrator(folder / "alembic.ini", connection=engine) as migrator:
        yield {SELECT: select, WITHIN: migrator.pending}
    await engine.dispose()


def goals_of(length: int, tally: Tally) -> tuple[Goal, ...]:
    whole, within = f"{length:,}, as a process", f"{length:,}, in process"
    bare, select = tally.get(ALONE, whole), tally.get(SELECT, within)
    return (
        *goal(
            f"headway pending to asyncpg alone, {length:,} revisions", 1.3, tally.get(PENDING, whole), bare
        ),
        *goal(
            f"Migrator.pending to its SELECT, {length:,} revisions", 1.5, tally.get(WITHIN, within), select
        ),
    )
