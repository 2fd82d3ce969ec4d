"""Round trips, counted on the wire: of each further revision of an upgrade, and of asking for the head.

What is waited for is what the busiest connection has. In process, a further call on an engine is counted;
the SELECT there begins and ends a transaction, as SQLAlchemy does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chain import chain
from contenders import ALEMBIC_ASYNCPG, HEADWAY, Projects, ready
from latency import way_to
from measurement import Goal, Measurement, Tally
from progress import say
from server import scratch

from cases import probe
from cases.upgrade import ALL

if TYPE_CHECKING:
    from contenders import Contender
    from server import Server

FEW, MANY, QUICK_MANY = 4, 104, 12
# A file that is younger may be written again and look the same (headway.derived.SETTLED_NS).
SETTLED_S = 2.5
BUSIEST, EVERY = "a revision, busiest connection", "a revision, all connections"
PROCESS, IN_PROCESS = "at head? as a process", "at head? in process"


async def measure(server: Server, *, quick: bool) -> Measurement:
    contenders, left_out = ready(ALL)
    many = QUICK_MANY if quick else MANY
    tally = Tally()
    for contender in contenders:
        say(f"round-trips: {contender.name}")
        few_turns = await turns(server, contender, FEW)
        many_turns = await turns(server, contender, many)
        for group, count in ((BUSIEST, max), (EVERY, sum)):
            tally.add(contender.name, (count(many_turns) - count(few_turns)) / (many - FEW), group)
    await asking(server, tally)
    ours, within = tally.get(HEADWAY.name, BUSIEST), tally.get(probe.WITHIN, IN_PROCESS)
    assert ours
    assert within
    goals = (
        Goal("headway, on the connection that a revision waits for", ours.median, 2.0, unit="round trips"),
        Goal("Migrator.pending, in process", within.median, 1.0, unit="round trips"),
    )
    return Measurement("round trips", "count", tally.series(), goals=goals, left_out=left_out)


async def turns(server: Server, contender: Contender, length: int) -> list[int]:
    """Round trips of an upgrade by so many revisions, on each of its connections."""
    with scratch() as root:
        projects = Projects(root, chain(length), [contender])
        async with server.database() as url, way_to(url) as way:
            await projects.upgrade(contender, way.url)
            return way.turns


async def asking(server: Server, tally: Tally) -> None:
    """Count what the probe's contenders need when they ask for the second time, of files that are not new."""
    with scratch() as root:
        projects = Projects(root, chain(FEW), (HEADWAY, ALEMBIC_ASYNCPG))
        async with server.database() as url:
            await probe.stamp(url, f"r{FEW:05}")
            await asyncio.sleep(SETTLED_S)
            for name in probe.PROCESSES:
                say(f"round-trips: {name}")
                await probe.ask(name, projects, url)
                async with way_to(url) as way:
                    await probe.ask(name, projects, way.url)
                tally.add(name, sum(way.turns), PROCESS)
            async with (
                way_to(url) as way,
                probe.calls_on_engine(projects.folder(HEADWAY), way.url) as both,
            ):
                for name, call in both.items():
                    await call()
                    before = sum(way.turns)
                    await call()
                    tally.add(name, sum(way.turns) - before, IN_PROCESS)
