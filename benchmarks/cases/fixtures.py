"""Time a small test takes for its clean database: headway's fixtures, those written by hand, and older ways.

A suite of 240 tests that insert, commit and read, on a schema of 60 tables and 150 indexes, beyond the same
suite without a database; with 1 and 4 processes of pytest-xdist. Slow ways run fewer tests. All use one
server, in memory where there is room and with its durability off; one that the environment names is left as
it is.
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from measurement import Measurement, Tally, goal
from processes import run
from progress import rounds
from server import VARIABLE, connected, embedded_in, scratch
from sixty_tables import metadata
from sqlalchemy import create_mock_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Any

    from measurement import Goal
    from server import Server

TESTS, QUICK_TESTS = 240, 2
WORKERS, QUICK_WORKERS = (1, 4), (1,)
ROUNDS, WITHIN_S = 3, 240.0
TEMPLATE = "headway_b_template"
_MEMORY = Path("/dev/shm")  # noqa: S108  # the folder that we make there is ours
_ROOM = 2 * 1024**3  # bytes

REVISIONS = 10
REVISION = """\
from alembic import op
from sixty_tables import metadata

revision = "{own}"
down_revision = {parent!r}


def upgrade():
    tables = metadata.sorted_tables[{start}:{stop}]
    metadata.create_all(op.get_bind(), tables=tables, checkfirst=False)


def downgrade():
    raise NotImplementedError("it is never undone")
"""
ENV = """\
from alembic import context
from sixty_tables import metadata

url = context.config.attributes.get("url")
if url is None:
    from headway import env

    env.run(metadata)
else:
    from sqlalchemy import create_engine, pool

    with create_engine(url, poolclass=pool.NullPool).connect() as connection:
        context.configure(connection=connection, target_metadata=metadata)
        with context.begin_transaction():
            context.run_migrations()
"""
INI = "[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\n"
SUITE = """\
import os

import pytest
import pytest_asyncio
from sqlalchemy import text

INSERT = text("INSERT INTO t00 (name) VALUES ('a'), ('b')")
COUNT = text("SELECT count(*) FROM t00")


@pytest.mark.parametrize("turn", range(int(os.environ["BENCH_TESTS"])))
@pytest.mark.asyncio
async def test_small(session, turn):
    await session.execute(INSERT)
    await session.commit()
    assert (await session.execute(COUNT)).scalar_one() == 2
"""
OURS = "\n\n@pytest.fixture\ndef session(headway_session):\n    return headway_session\n"
NOTHING = """\
import os

import pytest


@pytest.mark.parametrize("turn", range(int(os.environ["BENCH_TESTS"])))
@pytest.mark.asyncio
async def test_small(turn):
    pass
"""


@dataclass(frozen=True)
class Way:
    """One way to a clean database; ``share`` of the tests are run with it."""

    name: str
    contender: str
    isolation: str | None = None
    share: float = 1.0
    workers: tuple[int, ...] = WORKERS


WAYS = (
    Way("headway reset", "headway", "reset"),
    Way("headway savepoint", "headway", "savepoint"),
    Way("headway clone", "headway", "clone"),
    Way("savepoint by hand", "savepoint"),
    Way("DELETE by hand", "delete"),
    Way("TRUNCATE by hand", "truncate", share=0.25),
    Way("clone and drop by hand", "clone"),
    Way("create_all", "create_all", share=0.1),
    Way("alembic upgrade head", "alembic", share=0.1),
    Way("a server of its own", "server", share=0.02, workers=(1,)),
)
# What is compared with what, by which factor at most.
GOALS = (
    ("headway savepoint", "savepoint by hand", 1.3),
    ("headway reset", "DELETE by hand", 1.3),
    ("headway clone", "clone and drop by hand", 1.2),
    ("headway reset", "create_all", 1 / 20),
)


async def measure(server: Server, *, quick: bool) -> Measurement:
    tests, workers, most = (QUICK_TESTS, QUICK_WORKERS, 1) if quick else (TESTS, WORKERS, ROUNDS)
    tally = Tally()
    with suites() as folder:
        async with fast_server(server) as fast, template(fast):
            for contender in ("headway", "nothing"):  # the first run makes a template and bytecode
                await seconds(folder, fast, Way("", contender), 1, 1)
            for _ in rounds("fixtures", most, within_s=WITHIN_S):
                for count in workers:
                    await each_way(folder, fast, tests, count, tally)
    return Measurement("a test's database", "ms", tally.series(), goals=goals(tally))


async def each_way(folder: Path, server: Server, tests: int, workers: int, tally: Tally) -> None:
    """All ways in turn, with so many processes."""
    empty: dict[int, float] = {}
    for way in (way for way in WAYS if workers in way.workers):
        number = max(1, round(tests * way.share))
        if number not in empty:
            empty[number] = await seconds(folder, server, Way("", "nothing"), number, workers)
        spent = await seconds(folder, server, way, number, workers) - empty[number]
        tally.add(way.name, spent / number * 1000, group(workers))


def group(workers: int) -> str:
    return f"{workers} process{'es' if workers > 1 else ''}"


def goals(tally: Tally) -> tuple[Goal, ...]:
    return tuple(
        each
        for ours, theirs, at_most in GOALS
        for place in map(group, WORKERS)
        for each in goal(
            f"{ours} to {theirs}, {place}", at_most, tally.get(ours, place), tally.get(theirs, place)
        )
    )


@contextmanager
def suites() -> Iterator[Path]:
    """A project of ten revisions, and a module for each suite."""
    with scratch() as folder:
        (folder / "alembic" / "versions").mkdir(parents=True)
        (folder / "alembic.ini").write_text(INI)
        (folder / "alembic" / "env.py").write_text(ENV)
        each = len(metadata.sorted_tables) // REVISIONS
        for number in range(REVISIONS):
            own, parent = f"r{number}", f"r{number - 1}" if number else None
            text = REVISION.format(own=own, parent=parent, start=number * each, stop=(number + 1) * each)
            (folder / "alembic" / "versions" / f"{own}.py").write_text(text)
        for name, text in {"headway": SUITE + OURS, "nothing": NOTHING, "by_hand": SUITE}.items():
            (folder / f"test_{name}.py").write_text(text)
        yield folder


@asynccontextmanager
async def fast_server(server: Server) -> AsyncIterator[Server]:
    """The server that the environment names; else one of our own, in memory where there is room."""
    if os.environ.get(VARIABLE):
        yield server
        return
    with scratch(_MEMORY if has_room(_MEMORY) else None) as folder, embedded_in(folder) as fast:
        async with connected(fast.url) as connection:
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                await connection.execute(f"ALTER SYSTEM SET {setting} = off")
            await connection.execute("SELECT pg_reload_conf()")
        yield fast


def has_room(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > _ROOM


@asynccontextmanager
async def template(server: Server) -> AsyncIterator[None]:
    """The schema, in a database that those by hand clone."""
    statements: list[str] = []

    def collect(statement: Any, *_: object, **__: object) -> None:
        statements.append(str(statement.compile(dialect=engine.dialect)))

    engine = create_mock_engine("postgresql+asyncpg://", collect)
    metadata.create_all(engine, checkfirst=False)
    async with connected(server.url) as connection:
        await connection.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
        try:
            await fill(server, statements)
            yield
        finally:
            await connection.execute(f"DROP DATABASE {TEMPLATE} WITH (FORCE)")


async def fill(server: Server, statements: list[str]) -> None:
    async with connected(replace(server.url, database=TEMPLATE)) as connection:
        await connection.execute(";".join(statements))


async def seconds(folder: Path, server: Server, way: Way, tests: int, workers: int) -> float:
    """What a suite takes, from start to end."""
    ours = way.contender in {"headway", "nothing"}
    suite = f"test_{way.contender if ours else 'by_hand'}.py"
    # By its entry point's name, as pytest loads it anyhow where headway is installed.
    plugins = ("headway",) if ours else ("no:headway", "isolations")
    words = ["-q", *(word for name in ("no:cacheprovider", *plugins) for word in ("-p", name))]
    words += ["-n", str(workers)] if workers > 1 else []
    isolation = [f"--headway-isolation={way.isolation}"] if way.isolation else []
    ran = await run(
        [sys.executable, "-m", "pytest", *words, *isolation, suite],
        folder=folder,
        env={
            "PYTHONPATH": os.pathsep.join(sys.path),
            "BENCH_CONTENDER": way.contender,
            "BENCH_SERVER": server.url.render(),
            "BENCH_TEMPLATE": TEMPLATE,
            "BENCH_TESTS": str(tests),
            "HEADWAY_TEST_DATABASE_URL": server.url.render(),
        },
    )
    return ran.duration_ms / 1000
