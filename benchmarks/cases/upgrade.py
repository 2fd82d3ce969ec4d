"""Upgrade from base to head, as a process: 10, 100 and 1,000 revisions; and 100 with a network in between.

headway with its lock, timeouts, ledger and a transaction for each revision; Alembic's asynchronous template
on asyncpg and its generic one on psycopg, as they are; and the limit, psql with the same SQL in one
transaction.
All databases are created before anything is timed: right after a DROP DATABASE the server's DDL is dearer.
``HEADWAY_BENCH_LONG=1`` adds 5,000 revisions.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from chain import chain
from contenders import ALEMBIC_URL, HEADWAY_ENV, initialise
from latency import far_away
from measurement import Measurement, Series
from processes import Ran, run

from headway.embedded.binaries import locate

if TYPE_CHECKING:
    from server import Server

    from headway import DatabaseURL

LENGTHS, QUICK_LENGTHS = (10, 100, 1000), (4,)
LONG = 5000
FAR_LENGTH, QUICK_FAR_LENGTH = 100, 4
DELAY_S = 0.005
ROUNDS = 3
HEADWAY, ASYNCPG, PSYCOPG, PSQL = "headway", "alembic, asyncpg", "alembic, psycopg", "psql -f"
CONTENDERS = (HEADWAY, ASYNCPG, PSYCOPG, PSQL)
FAR = ", 5 ms away"


class Chain:
    """One length's revisions, in a folder for each contender."""

    def __init__(self, root: Path, length: int) -> None:
        self.length = length
        self.folders = {name: root / str(length) / str(place) for place, name in enumerate(CONTENDERS)}
        for name, template in ((HEADWAY, "async"), (ASYNCPG, "async"), (PSYCOPG, "generic")):
            folder = self.folders[name]
            initialise(folder, chain(length), template=template)
            env = folder / "alembic" / "env.py"
            env.write_text(HEADWAY_ENV if name == HEADWAY else ALEMBIC_URL + env.read_text())
        self.script = self.folders[PSQL] / "script.sql"
        self.script.parent.mkdir()
        self._write_script()

    def _write_script(self) -> None:
        folder = self.folders[PSYCOPG]
        with self.script.open("w") as script:
            config = Config(folder / "alembic.ini", output_buffer=script, stdout=script)
            config.set_main_option("script_location", os.fspath(folder / "alembic"))
            os.environ["BENCH_ALEMBIC_URL"] = "postgresql+psycopg://"
            command.upgrade(config, "head", sql=True)

    async def upgrade(self, contender: str, url: DatabaseURL) -> Ran:
        """Bring an empty database to head."""
        if contender == PSQL:
            quiet = ("-X", "-q", "-v", "ON_ERROR_STOP=1")
            return await run([locate().bin / "psql", *quiet, "-f", self.script, "-d", url.render()])
        module = "headway" if contender == HEADWAY else "alembic"
        driver = "psycopg" if contender == PSYCOPG else "asyncpg"
        alembic_url = url.render().replace("postgresql:", f"postgresql+{driver}:", 1)
        return await run(
            [sys.executable, "-m", module, "upgrade", "head"],
            folder=self.folders[contender],
            env={"DATABASE_URL": url.render(), "BENCH_ALEMBIC_URL": alembic_url, **_bytecode()},
        )


async def measure(server: Server, *, quick: bool) -> Measurement:
    lengths = (
        QUICK_LENGTHS if quick else (*LENGTHS, *([LONG] if os.environ.get("HEADWAY_BENCH_LONG") else []))
    )
    far_length = QUICK_FAR_LENGTH if quick else FAR_LENGTH
    rounds = 1 if quick else ROUNDS
    taken: dict[str, list[float]] = {}
    memory: dict[str, float] = {}
    async with AsyncExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headway-bench-")))
        chains = {length: Chain(root, length) for length in {*lengths, far_length}}
        cases = [(length, 0.0) for length in lengths] + [(far_length, DELAY_S)]
        runs = [
            (chains[length], delay, contender, await stack.enter_async_context(server.database()))
            for length, delay in cases
            for _ in range(1 if length == LONG else rounds)
            for contender in CONTENDERS
        ]
        await server.checkpoint()
        for each in chains.values():
            _compile(each)
        for revisions, delay, contender, url in runs:
            async with AsyncExitStack() as way:
                there = await way.enter_async_context(far_away(url, delay)) if delay else url
                ran = await revisions.upgrade(contender, there)
            name = f"{contender}, {revisions.length}{FAR if delay else ''}"
            taken.setdefault(name, []).append(ran.duration_ms)
            memory[name] = max(memory.get(name, 0.0), ran.peak_mib)
    series = tuple(Series(name, tuple(values)) for name, values in taken.items())
    notes = (*_verdicts(series, lengths, far_length), *_memory(memory, max(lengths)))
    return Measurement("base to head, by contender and revisions", "ms", series, notes=notes)


def _compile(revisions: Chain) -> None:
    """Let Python write the bytecode that a second run would find."""
    folders = [str(folder) for name, folder in revisions.folders.items() if name != PSQL]
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", *folders], check=True, env=os.environ | _bytecode()
    )


def _bytecode() -> dict[str, str]:
    return {"PYTHONDONTWRITEBYTECODE": ""}  # where it is set, every run compiles anew


def _verdicts(series: tuple[Series, ...], lengths: tuple[int, ...], far: int) -> tuple[str, ...]:
    found = {entry.contender: entry.median for entry in series}

    def ratio(ours: str, theirs: str) -> float:
        return found[ours] / found[theirs]

    notes = []
    for length in lengths:
        limit, peer = (ratio(f"{HEADWAY}, {length}", f"{name}, {length}") for name in (PSQL, ASYNCPG))
        notes.append(
            f"{length} revisions: headway is {limit:.2f} times psql (goal at 1000: 2.0 at most) and "
            f"{peer:.2f} times Alembic on asyncpg (goal at 1000: 0.5 at most)"
        )
    far_ratio = ratio(f"{HEADWAY}, {far}{FAR}", f"{ASYNCPG}, {far}{FAR}")
    notes.append(
        f"{far} revisions{FAR}: headway is {far_ratio:.2f} times Alembic on asyncpg (goal: 0.33 at most)"
    )
    if {1000, LONG} <= set(lengths):
        growth = ratio(f"{HEADWAY}, {LONG}", f"{HEADWAY}, 1000")
        notes.append(f"{LONG} revisions take headway {growth:.1f} times as long as 1000 (goal: 5.5 at most)")
    return tuple(notes)


def _memory(memory: dict[str, float], length: int) -> tuple[str, ...]:
    peaks = ", ".join(f"{name} {memory[f'{name}, {length}']:.0f} MiB" for name in CONTENDERS[:3])
    return (f"peak memory at {length} revisions: {peaks}",)
