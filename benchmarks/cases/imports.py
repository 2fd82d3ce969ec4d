"""What starting costs: `import headway` beyond asyncpg, and `headway --help` beside importing click."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from measurement import Goal, Measurement, Tally, goal
from processes import run
from progress import rounds

if TYPE_CHECKING:
    from server import Server

ROUNDS = 15
ASYNCPG, HEADWAY, CLICK, HELP = (
    "python -c 'import asyncpg'",
    "python -c 'import asyncpg, headway'",
    "python -c 'import click'",
    "headway --help",
)
COMMANDS = {
    ASYNCPG: ("-c", "import asyncpg"),
    HEADWAY: ("-c", "import asyncpg, headway"),
    CLICK: ("-c", "import click"),
    HELP: ("-m", "headway", "--help"),
}
OWN_MS = 60.0


async def measure(server: Server, *, quick: bool) -> Measurement:  # noqa: ARG001  # no server is asked
    tally = Tally()
    for words in COMMANDS.values():  # unmeasured: bytecode is written
        await run([sys.executable, *words])
    for _ in rounds("imports", 1 if quick else ROUNDS, within_s=30):
        for name, words in COMMANDS.items():
            tally.add_process(name, await run([sys.executable, *words]))
    asyncpg, headway = tally.get(ASYNCPG), tally.get(HEADWAY)
    assert asyncpg
    assert headway
    own = Goal("import headway, beyond asyncpg", headway.median - asyncpg.median, OWN_MS, unit="ms")
    goals = (own, *goal("headway --help to importing click", 2.0, tally.get(HELP), tally.get(CLICK)))
    return Measurement("a process that does no more", "ms", tally.series(), goals=goals)
