"""Ask whether a database is at head: as a process, and in one that has an engine; and what imports cost.

The process: `headway pending` beside Alembic's `current --check-heads` on asyncpg, with 10 to 5,000
revisions, and a Python process that does no more than connect by asyncpg and SELECT the version. In process:
`Migrator.pending` beside that SELECT on the same engine. Imports: a process that does nothing else.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from chain import chain
from contenders import ALEMBIC_URL, HEADWAY_ENV, initialise
from measurement import Measurement, Series
from processes import run
from server import connected
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from headway import Migrator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server import Server

    from headway import DatabaseURL

LENGTHS, QUICK_LENGTHS = (10, 100, 1000, 5000), (10,)
ROUNDS = 5
CALLS = 200
"""Calls in process, whose mean is one value: one takes less than a clock's tick is worth."""
BARE = """
import asyncio, os, asyncpg

async def ask():
    connection = await asyncpg.connect(os.environ["BENCH_URL"])
    await connection.fetch("SELECT version_num FROM alembic_version")
    await connection.close()

asyncio.run(ask())
"""
IMPORTS = {
    "python -c 'import asyncpg'": ("-c", "import asyncpg"),
    "python -c 'import asyncpg, headway'": ("-c", "import asyncpg, headway"),
    "python -c 'import click'": ("-c", "import click"),
    "headway --help": ("-m", "headway", "--help"),
}
_BARE, _PENDING, _CURRENT = "asyncpg alone", "headway pending", "alembic current --check-heads"
_WITHIN, _SELECT = "Migrator.pending, in process", "SELECT, in process"


async def measure(server: Server, *, quick: bool) -> Measurement:
    lengths = QUICK_LENGTHS if quick else LENGTHS
    rounds = 1 if quick else ROUNDS
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as root:
        folders = {length: projects(Path(root) / str(length), length) for length in lengths}
        async with server.database() as url:
            for length, (ours, theirs) in folders.items():
                await stamp(url, f"r{length:05}")
                # Once unmeasured: caches and bytecode are written.
                for measured in [{}, *[taken] * rounds]:
                    await processes(measured, url, length, ours, theirs)
                    await in_process(measured, url, length, ours, 2 if quick else CALLS)
    for _ in range(rounds):
        for name, words in IMPORTS.items():
            ran = await run([sys.executable, *words], env=_bytecode())
            taken.setdefault(name, []).append(ran.duration_ms)
    series = tuple(Series(name, tuple(values)) for name, values in taken.items())
    return Measurement("is it at head? by revisions", "ms", series, notes=_verdicts(series, lengths))


def projects(root: Path, length: int) -> tuple[Path, Path]:
    """A folder for headway and one for Alembic, with the same revisions."""
    ours, theirs = root / "headway", root / "alembic"
    for folder in (ours, theirs):
        initialise(folder, chain(length))
    (ours / "alembic" / "env.py").write_text(HEADWAY_ENV)
    env = theirs / "alembic" / "env.py"
    env.write_text(ALEMBIC_URL + env.read_text())
    return ours, theirs


async def stamp(url: DatabaseURL, head: str) -> None:
    """Put a database at head, without its tables: nobody asks for them here."""
    async with connected(url) as connection:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS alembic_version (version_num varchar(32) PRIMARY KEY)"
        )
        await connection.execute("DELETE FROM alembic_version")
        await connection.execute("INSERT INTO alembic_version VALUES ($1)", head)


async def processes(
    taken: dict[str, list[float]], url: DatabaseURL, length: int, ours: Path, theirs: Path
) -> None:
    """Each contender once, in turn."""
    rendered = url.render()
    env = {
        "DATABASE_URL": rendered,
        "BENCH_URL": rendered,
        "BENCH_ALEMBIC_URL": rendered.replace("postgresql:", "postgresql+asyncpg:", 1),
        **_bytecode(),
    }
    for name, folder, words in (
        (_BARE, ours, ("-c", BARE)),
        (_PENDING, ours, ("-m", "headway", "pending")),
        (_CURRENT, theirs, ("-m", "alembic", "current", "--check-heads")),
    ):
        ran = await run([sys.executable, *words], folder=folder, env=env)
        taken.setdefault(f"{name}, {length}", []).append(ran.duration_ms)


async def in_process(
    taken: dict[str, list[float]], url: DatabaseURL, length: int, folder: Path, calls: int
) -> None:
    """The mean of so many calls, on an engine that the application has already."""
    engine = create_async_engine(url.render().replace("postgresql:", "postgresql+asyncpg:", 1))
    question = text("SELECT version_num FROM alembic_version")

    async def select() -> None:
        async with engine.connect() as connection:
            await connection.execute(question)

    async with Migrator(folder / "alembic.ini", connection=engine) as migrator:
        for name, call in ((_SELECT, select), (_WITHIN, migrator.pending)):
            await call()
            started = time.perf_counter()
            for _ in range(calls):
                await call()
            mean = (time.perf_counter() - started) / calls * 1000
            taken.setdefault(f"{name}, {length}", []).append(mean)
    await engine.dispose()


def _bytecode() -> dict[str, str]:
    return {"PYTHONDONTWRITEBYTECODE": ""}  # where it is set, every run compiles anew


def _verdicts(series: tuple[Series, ...], lengths: tuple[int, ...]) -> tuple[str, ...]:
    found: Mapping[str, float] = {entry.contender: entry.median for entry in series}
    notes = []
    for length in lengths:
        bare, select = found[f"{_BARE}, {length}"], found[f"{_SELECT}, {length}"]
        ours, theirs = found[f"{_PENDING}, {length}"] / bare, found[f"{_CURRENT}, {length}"] / bare
        notes.append(
            f"{length} revisions: `headway pending` is {ours:.2f} times a bare process (goal: 1.3 at most), "
            f"Alembic {theirs:.2f}; in process {found[f'{_WITHIN}, {length}'] / select:.2f} times the SELECT "
            "(goal: 1.5 at most)"
        )
    asyncpg, headway, click, helped = (found[name] for name in IMPORTS)
    notes.append(f"import headway takes {headway - asyncpg:.0f} ms beyond asyncpg (goal: under 60)")
    notes.append(f"headway --help takes {helped / click:.2f} times `import click` (goal: under 2)")
    return tuple(notes)
