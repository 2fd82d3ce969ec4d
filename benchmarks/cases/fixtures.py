"""Time a small test takes for its clean database: headway's fixtures, those written by hand, and older ways.

A suite of 240 tests that insert, commit and read, on a schema of 60 tables and 150 indexes, beyond the same
suite without a database; with 1, 2 and 4 processes of pytest-xdist. Slow ways run fewer tests. All use one
server, in memory where there is room, with its durability off.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from measurement import Measurement, Series
from server import VARIABLE, Server, connected
from sixty_tables import metadata
from sqlalchemy import create_mock_engine

from headway import DatabaseURL, embedded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Any

TESTS, QUICK_TESTS = 240, 2
WORKERS, QUICK_WORKERS = (1, 2, 4), (1,)
ROUNDS = 3
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
    tests, workers, rounds = (QUICK_TESTS, QUICK_WORKERS, 1) if quick else (TESTS, WORKERS, ROUNDS)
    taken: dict[str, list[float]] = {}
    with suites() as folder, fast_server(server) as fast:
        async with template(fast):
            for contender in ("headway", "nothing"):
                await run(
                    folder, fast, Way("", contender), 1, 1
                )  # the first run makes a template and bytecode
            for count in [count for _ in range(rounds) for count in workers]:
                empty: dict[int, float] = {}
                for way in (way for way in WAYS if count in way.workers):
                    number = max(2, round(tests * way.share))
                    if number not in empty:
                        empty[number] = await run(folder, fast, Way("", "nothing"), number, count)
                    spent = await run(folder, fast, way, number, count) - empty[number]
                    taken.setdefault(f"{way.name}, {count}", []).append(spent / number * 1000)
    series = tuple(Series(name, tuple(values)) for name, values in taken.items())
    return Measurement("a test's database, by way and processes", "ms", series, notes=verdicts(series))


def verdicts(series: tuple[Series, ...]) -> tuple[str, ...]:
    """Each goal, and how far from it this run is."""
    found = {entry.contender: entry.median for entry in series}
    return tuple(
        f"{ours} is {found[f'{ours}, {count}'] / found[f'{theirs}, {count}']:.2f} times {theirs} "
        f"with {count}; the goal is {goal:.2f} at most"
        for ours, theirs, goal in GOALS
        for count in WORKERS
        if f"{ours}, {count}" in found and f"{theirs}, {count}" in found
    )


@contextmanager
def suites() -> Iterator[Path]:
    """A project of ten revisions, and a folder for each suite."""
    folder = Path(tempfile.mkdtemp(prefix="headway-bench-"))
    try:
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
    finally:
        shutil.rmtree(folder)


@contextmanager
def fast_server(server: Server) -> Iterator[Server]:
    """The server that the environment names; else one in memory that forgets all when it falls."""
    room = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM
    if os.environ.get(VARIABLE) or not room:
        yield server
        return
    folder = Path(tempfile.mkdtemp(prefix="headway-bench-", dir=_MEMORY))
    folder.chmod(0o755)
    try:
        with embedded.acquire(folder / "server") as lease:
            yield Server(DatabaseURL.parse(lease.url))
    finally:
        embedded.reset(folder / "server", force=True)
        shutil.rmtree(folder)


@asynccontextmanager
async def template(server: Server) -> AsyncIterator[None]:
    """The schema in a database that those by hand clone; and durability off, where we may say so."""
    statements: list[str] = []

    def collect(statement: Any, *_: object, **__: object) -> None:
        statements.append(str(statement.compile(dialect=engine.dialect)))

    engine = create_mock_engine("postgresql+asyncpg://", collect)
    metadata.create_all(engine, checkfirst=False)
    async with connected(server.url) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            await connection.execute(f"ALTER SYSTEM SET {setting} = off")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
        try:
            await fill(server, statements)
            yield
        finally:
            await connection.execute(f"DROP DATABASE {TEMPLATE} WITH (FORCE)")


async def fill(server: Server, statements: list[str]) -> None:
    async with connected(replace(server.url, database=TEMPLATE)) as connection:
        await connection.execute(";".join(statements))


async def run(folder: Path, server: Server, way: Way, tests: int, workers: int) -> float:
    """Seconds that a suite takes, from start to end."""
    ours = way.contender in {"headway", "nothing"}
    suite = f"test_{way.contender if ours else 'by_hand'}.py"
    plugin = "headway.pytest_plugin" if ours else "isolations"
    words = ["-q", "-p", "no:cacheprovider", "-p", plugin, *(("-n", str(workers)) if workers > 1 else ())]
    isolation = [f"--headway-isolation={way.isolation}"] if way.isolation else []
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "pytest", *words, *isolation, suite],
        cwd=folder,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "BENCH_CONTENDER": way.contender,
            "BENCH_SERVER": server.url.render(),
            "BENCH_TEMPLATE": TEMPLATE,
            "BENCH_TESTS": str(tests),
            "HEADWAY_TEST_DATABASE_URL": server.url.render(),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{way.name or way.contender}: {told.decode(errors='replace')[-4000:]}")
    return time.perf_counter() - started
