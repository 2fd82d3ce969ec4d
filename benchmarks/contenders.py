"""The programs that are compared, each with a project folder of the same revisions."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import tempfile
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from headway import DatabaseURL

HEADWAY_ENV = "from headway import env\n\nenv.run()\n"
# Alembic's template takes the URL from alembic.ini; so that none is written there, it is put in beforehand.
ALEMBIC_URL = (
    "import os\n\nfrom alembic import context\n\n_url = os.environ['BENCH_ALEMBIC_URL'].replace('%', '%%')\n"
)
ALEMBIC_URL += "context.config.set_main_option('sqlalchemy.url', _url)\n\n"


@dataclass(frozen=True)
class Contender:
    """A program that upgrades a database, and the folder it runs in."""

    name: str
    module: str
    folder: Path

    async def upgrade(self, url: DatabaseURL) -> None:
        """Upgrade to head in a process of its own, as a deployment does.

        Raises:
            RuntimeError: it failed.
        """
        alembic_url = url.render().replace("postgresql:", "postgresql+asyncpg:", 1)
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", self.module, "upgrade", "head"],
            cwd=self.folder,
            env=os.environ | {"DATABASE_URL": url.render(), "BENCH_ALEMBIC_URL": alembic_url},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, told = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{self.name} exited {process.returncode}: {told.decode(errors='replace')}")


@contextmanager
def contenders(revisions: Mapping[str, str]) -> Iterator[tuple[Contender, Contender]]:
    """headway and plain Alembic's asynchronous template, with these revisions (file name: content)."""
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as scratch:
        ours = Contender("headway", "headway", Path(scratch) / "headway")
        plain = Contender("alembic, async template", "alembic", Path(scratch) / "alembic")
        for contender in (ours, plain):
            initialise(contender.folder, revisions)
        (ours.folder / "alembic" / "env.py").write_text(HEADWAY_ENV)
        env = plain.folder / "alembic" / "env.py"
        env.write_text(ALEMBIC_URL + env.read_text())
        yield ours, plain


def initialise(folder: Path, revisions: Mapping[str, str], *, template: str = "async") -> None:
    """Make a project of Alembic's own template, with these revisions (file name: content)."""
    folder.mkdir(parents=True)
    with redirect_stdout(io.StringIO()):  # it tells of every file
        command.init(Config(folder / "alembic.ini"), os.fspath(folder / "alembic"), template=template)
    for name, text in revisions.items():
        (folder / "alembic" / "versions" / name).write_text(text)
