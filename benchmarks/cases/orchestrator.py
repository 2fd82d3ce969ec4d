"""Start-up check and migration of examples/orchestrator, on SQLite and on PostgreSQL.

Each is a process of its own, as a deployment starts it: importing Python's packages is part of what is
waited for. The check finds a database at head; the migration takes an empty one there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from measurement import Measurement, Tally
from processes import run
from progress import rounds
from server import scratch

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
    tally = Tally()
    for _ in rounds("orchestrator", 1 if quick else ROUNDS, within_s=60):
        with scratch() as folder:
            await both("SQLite", f"sqlite+aiosqlite:///{folder}/orchestrator.db", tally)
        async with server.database() as url:
            await both("PostgreSQL", url.render(), tally)
    return Measurement("examples/orchestrator, as a process", "ms", tally.series())


async def both(system: str, url: str, tally: Tally) -> None:
    for what, command in (("migration", MIGRATE), ("start-up check", CHECK)):
        env = {"DATABASE_URL": url, "APP_ENVIRONMENT": "staging"}
        tally.add_process(system, await run(command, folder=EXAMPLE, env=env), what)
