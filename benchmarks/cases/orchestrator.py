"""Start-up check and migration of examples/orchestrator, on SQLite and on PostgreSQL.

Each is a process of its own, as a deployment starts it: importing Python's packages is part of what is
waited for. The check finds a database at head; the migration takes an empty one there.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from measurement import Measurement, Series

if TYPE_CHECKING:
    from server import Server

EXAMPLE = Path(__file__).parents[2] / "examples" / "orchestrator"
ROUNDS = 5
MIGRATE = (sys.executable, "run_migrations.py", "upgrade")
START = """
import asyncio
from orchestrator.settings import migrator

async def start():
    async with migrator() as migrations, migrations.startup("check"):
        pass

asyncio.run(start())
"""
CHECK = (sys.executable, "-c", START)


async def measure(server: Server, *, quick: bool) -> Measurement:
    taken: dict[str, list[float]] = {}
    for _ in range(1 if quick else ROUNDS):
        with tempfile.TemporaryDirectory(prefix="headway-bench-") as scratch:
            await both("SQLite", f"sqlite+aiosqlite:///{scratch}/orchestrator.db", taken)
        async with server.database() as url:
            await both("PostgreSQL", url.render(), taken)
    series = tuple(Series(name, tuple(values)) for name, values in taken.items())
    return Measurement("examples/orchestrator, as a process", "ms", series)


async def both(system: str, url: str, taken: dict[str, list[float]]) -> None:
    for what, command in (("migration", MIGRATE), ("start-up check", CHECK)):
        taken.setdefault(f"{what}, {system}", []).append(await duration_ms(command, url))


async def duration_ms(command: tuple[str, ...], url: str) -> float:
    """How long a process took, in milliseconds.

    Raises:
        RuntimeError: it failed.
    """
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=EXAMPLE,
        env=os.environ | {"DATABASE_URL": url, "APP_ENVIRONMENT": "staging"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command} exited {process.returncode}: {told.decode(errors='replace')}")
    return (time.perf_counter() - started) * 1000
