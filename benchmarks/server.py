"""The server that all contenders of a run share, and fresh databases on it."""

from __future__ import annotations

import dataclasses
import os
import secrets
import shutil
import tempfile
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from headway import DatabaseURL, embedded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

VARIABLE = "HEADWAY_BENCH_SERVER_URL"
# In what follows a process's name in /proc/PID/stat: its parent, and its clock ticks in user and
# system mode, and those of its children.
_FIELDS = (1, 11, 12, 13, 14)


@dataclass(frozen=True)
class Server:
    """A running server; the URL is that of a user who may create databases.

    ``pid`` is its main process, where that is one of this machine's.
    """

    url: DatabaseURL
    pid: int | None = None

    async def setting(self, name: str) -> str:
        async with connected(self.url) as connection:
            return str(await connection.fetchval("SELECT current_setting($1)", name))

    def cpu_ms(self) -> float | None:
        """What all of its processes have computed so far, in milliseconds; ``None`` where nobody tells.

        Linux tells (proc(5), stat): of a process itself, and of those of its children that are no more.
        """
        if self.pid is None or not Path("/proc/self/stat").exists():
            return None
        ticks = 0
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended meanwhile
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                parent, user, system, gone_user, gone_system = (fields[place] for place in _FIELDS)
                if int(folder.name) == self.pid:
                    ticks += int(user) + int(system) + int(gone_user) + int(gone_system)
                elif int(parent) == self.pid:
                    ticks += int(user) + int(system)
        return ticks * 1000 / os.sysconf("SC_CLK_TCK")

    async def checkpoint(self) -> None:
        """Let the server write out what it has put off, so that nobody who is timed waits for it."""
        async with connected(self.url) as connection:
            await connection.execute("CHECKPOINT")

    @asynccontextmanager
    async def database(self) -> AsyncIterator[DatabaseURL]:
        """An empty database, dropped with the block."""
        name = f"headway_b_{secrets.token_hex(6)}"
        async with connected(self.url) as connection:
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
            try:
                yield dataclasses.replace(self.url, database=name)
            finally:
                await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def scratch(parent: Path | None = None) -> Iterator[Path]:
    """A folder that goes with the block; others may pass, because for root the server is another user's."""
    folder = Path(tempfile.mkdtemp(prefix="headway-bench-", dir=parent))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def embedded_in(folder: Path) -> Iterator[Server]:
    """An embedded server that ends with the block."""
    try:
        with embedded.acquire(folder / "server") as lease:
            yield Server(DatabaseURL.parse(lease.url), embedded.status(folder / "server").pid)
    finally:
        embedded.reset(folder / "server", force=True)


@contextmanager
def served() -> Iterator[Server]:
    """The server that the environment names, or an embedded one that ends with the block."""
    if named := os.environ.get(VARIABLE):
        yield Server(DatabaseURL.parse(named, variable=VARIABLE))
        return
    with scratch() as folder, embedded_in(folder) as server:
        yield server


@asynccontextmanager
async def connected(url: DatabaseURL) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**url.connect_arguments())
    try:
        yield connection
    finally:
        await connection.close()
