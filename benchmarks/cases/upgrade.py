"""Upgrade from base to head, as a process: 100, 1,000 and 5,000 revisions; and some with a network between.

headway with its lock, timeouts, ledger and a transaction for each revision; its peers as they come; and the
limit, psql with the same SQL in one transaction. What takes long is for some of them only.
All databases are created before anything is timed: right after a DROP DATABASE the server's DDL is dearer.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chain import CONTENTS, chain
from contenders import (
    ALEMBIC_ASYNCPG,
    ALEMBIC_PSYCOPG,
    ALEMBIC_PSYCOPG2,
    HEADWAY,
    HEADWAY_AGAIN,
    Projects,
    ready,
)
from latency import way_to
from measurement import Measurement, Tally, goal, peak
from progress import rounds, say
from server import connected, scratch
from sql_contenders import DBMATE, DJANGO, PSQL, YOYO

if TYPE_CHECKING:
    from contenders import Contender
    from measurement import Goal, Series
    from server import Server

    from headway import DatabaseURL

ALL: tuple[Contender, ...] = (
    *(PSQL, HEADWAY, HEADWAY_AGAIN, ALEMBIC_ASYNCPG, ALEMBIC_PSYCOPG, ALEMBIC_PSYCOPG2),
    *(DJANGO, YOYO, DBMATE),
)
LONGEST: tuple[Contender, ...] = (PSQL, HEADWAY)
THREE: tuple[Contender, ...] = (*LONGEST, ALEMBIC_ASYNCPG)


@dataclass(frozen=True)
class Course:
    """What all run in turn, for so many rounds if they take no longer than so many seconds."""

    length: int
    rounds: int
    within_s: float
    contenders: tuple[Contender, ...] = ALL
    delay_s: float = 0.0

    @property
    def name(self) -> str:
        away = f", {self.delay_s * 1000:g} ms away" if self.delay_s else ""
        return f"{self.length:,} revisions{away}"


SHORT, LONG, LINEAR, FAR, FAR_AND_LONG = (
    Course(100, 5, 60),
    Course(1000, 3, 150),
    Course(5000, 2, 120, LONGEST),
    Course(100, 3, 130, delay_s=0.005),
    Course(1000, 1, 0, THREE, delay_s=0.005),
)
QUICK = (Course(8, 1, 0), Course(4, 1, 0, delay_s=0.005))
NOTES = (
    "Each contender is a process of its own; all databases were created before anything was timed.",
    "headway holds its lock, sets timeouts, keeps its ledger and commits each revision; psql commits once.",
    "After each run the database's tables, columns, defaults and indexes were the same for all.",
)


async def measure(server: Server, *, quick: bool) -> Measurement:
    present, left_out = ready(ALL)
    tally = Tally()
    for course in QUICK if quick else (SHORT, LONG, LINEAR, FAR, FAR_AND_LONG):
        await run_in_turn(course, [each for each in course.contenders if each in present], server, tally)
    what = "upgrade from base to head"
    return Measurement(what, "ms", tally.series(), NOTES, goals(tally), left_out)


async def run_in_turn(course: Course, contenders: list[Contender], server: Server, tally: Tally) -> None:
    async with AsyncExitStack() as stack:
        say(f"upgrade, {course.name}: making projects and databases")
        root = stack.enter_context(scratch())
        projects = Projects(root, chain(course.length), contenders)
        databases = [
            [await stack.enter_async_context(server.database()) for _ in contenders]
            for _ in range(course.rounds)
        ]
        await server.checkpoint()
        left = set()
        for number in rounds(f"upgrade, {course.name}", course.rounds, within_s=course.within_s):
            for contender, url in zip(contenders, databases[number - 1], strict=True):
                async with way_to(url, delay_s=course.delay_s) as way:
                    before = server.cpu_ms()
                    ran = await projects.upgrade(contender, way.url if course.delay_s else url)
                    after = server.cpu_ms()
                spent = None if before is None or after is None else after - before
                tally.add_process(contender.name, ran, course.name, server_cpu_ms=spent)
                left.add(await contents(url))
        if len(left) > 1:
            raise RuntimeError(f"{course.name}: the contenders left different databases")


async def contents(url: DatabaseURL) -> object:
    async with connected(url) as connection:
        return await connection.fetchval(CONTENTS)


def goals(tally: Tally) -> tuple[Goal, ...]:
    def ours(course: Course) -> Series | None:
        return tally.get(HEADWAY.name, course.name)

    def alembic(course: Course) -> Series | None:
        return tally.get(ALEMBIC_ASYNCPG.name, course.name)

    limit = tally.get(PSQL.name, LONG.name)
    return (
        *goal(f"headway to psql, {LONG.name}", 2.0, ours(LONG), limit),
        *goal(f"headway to Alembic on asyncpg, {LONG.name}", 0.5, ours(LONG), alembic(LONG)),
        *goal(f"headway to Alembic on asyncpg, {FAR.name}", 1 / 3, ours(FAR), alembic(FAR)),
        *goal(
            f"headway to Alembic on asyncpg, {FAR_AND_LONG.name}",
            1 / 3,
            ours(FAR_AND_LONG),
            alembic(FAR_AND_LONG),
        ),
        *goal(f"headway with {LINEAR.length:,} revisions to {LONG.length:,}", 5.5, ours(LINEAR), ours(LONG)),
        *goal(f"peak memory to Alembic's on asyncpg, {LONG.name}", 1.0, ours(LONG), alembic(LONG), peak),
    )
