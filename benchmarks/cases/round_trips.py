"""Round trips of each further revision of an upgrade, counted: on the busiest connection, and on all.

headway opens each ledger entry on a second connection while the first is at work, so what is waited for is
what the busiest connection has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chain import chain
from contenders import HEADWAY, Projects, ready
from latency import way_to
from measurement import Goal, Measurement, Tally
from progress import say
from server import scratch

from cases.upgrade import ALL

if TYPE_CHECKING:
    from contenders import Contender
    from server import Server

FEW, MANY, QUICK_MANY = 4, 104, 12
BUSIEST, EVERY = "busiest connection", "all connections"


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
    ours = tally.get(HEADWAY.name, BUSIEST)
    assert ours
    goals = (
        Goal("headway, on the connection that a revision waits for", ours.median, 2.0, unit="round trips"),
    )
    what = "round trips a revision"
    return Measurement(what, "count", tally.series(), goals=goals, left_out=left_out)


async def turns(server: Server, contender: Contender, length: int) -> list[int]:
    """Round trips of an upgrade by so many revisions, on each of its connections."""
    with scratch() as root:
        projects = Projects(root, chain(length), [contender])
        async with server.database() as url, way_to(url) as way:
            await projects.upgrade(contender, way.url)
            return way.turns
