"""The programs that are compared, each with a project folder of the same revisions."""

from __future__ import annotations

import compileall
import io
import os
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from alembic import command
from alembic.config import Config
from processes import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from chain import Chain
    from processes import Ran

    from headway import DatabaseURL

HEADWAY_ENV = "from headway import env\n\nenv.run()\n"
# Alembic's template takes the URL from alembic.ini; so that none is written there, it is put in beforehand.
ALEMBIC_URL = """\
import os

from alembic import context

_url = os.environ["BENCH_ALEMBIC_URL"].replace("%", "%%")
context.config.set_main_option("sqlalchemy.url", _url)

"""


class Contender(Protocol):
    """A program that brings a database to head."""

    @property
    def name(self) -> str: ...

    def lacks(self) -> str | None:
        """What is not installed and should be; ``None`` when it can take part."""

    def prepare(self, folder: Path, chain: Chain) -> None:
        """Make a project of these revisions in a folder that does not exist yet."""

    def words(self, folder: Path) -> list[str | Path]:
        """Its command line; it is run in the folder."""

    def env(self, url: DatabaseURL) -> Mapping[str, str]:
        """How it is told the database."""


@dataclass(frozen=True)
class OnAlembicFiles:
    """headway, or Alembic with one of its own templates."""

    name: str
    driver: str
    module: str = "alembic"
    template: str = "generic"

    def lacks(self) -> str | None:
        return None if find_spec(self.driver) else f"the package {self.driver} is not installed"

    def prepare(self, folder: Path, chain: Chain) -> None:
        folder.mkdir(parents=True)
        with redirect_stdout(io.StringIO()):  # it tells of every file
            command.init(
                Config(folder / "alembic.ini"), os.fspath(folder / "alembic"), template=self.template
            )
        for name, text in chain.files.items():
            (folder / "alembic" / "versions" / name).write_text(text)
        env = folder / "alembic" / "env.py"
        env.write_text(HEADWAY_ENV if self.module == "headway" else ALEMBIC_URL + env.read_text())

    def words(self, folder: Path) -> list[str | Path]:  # noqa: ARG002  # others name a file in it
        return [sys.executable, "-m", self.module, "upgrade", "head"]

    def env(self, url: DatabaseURL) -> Mapping[str, str]:
        rendered = url.render()
        alembic_url = rendered.replace("postgresql:", f"postgresql+{self.driver}:", 1)
        return {"DATABASE_URL": rendered, "BENCH_ALEMBIC_URL": alembic_url}


HEADWAY = OnAlembicFiles("headway", "asyncpg", module="headway", template="async")
"""To whom all files are new, as in a deployment; what it keeps of those it has seen is removed."""
HEADWAY_AGAIN = replace(HEADWAY, name="headway, files seen before")
ALEMBIC_ASYNCPG = OnAlembicFiles("Alembic, async template on asyncpg", "asyncpg", template="async")
ALEMBIC_PSYCOPG = OnAlembicFiles("Alembic on psycopg", "psycopg")
ALEMBIC_PSYCOPG2 = OnAlembicFiles("Alembic on psycopg2", "psycopg2")


class Projects:
    """One chain, in a folder for each contender."""

    def __init__(self, root: Path, chain: Chain, contenders: Iterable[Contender]) -> None:
        self._root = root
        for contender in contenders:
            contender.prepare(self.folder(contender), chain)
        # Python would else write the bytecode in the first run, and only find it in the second.
        compileall.compile_dir(root, quiet=2)

    def folder(self, contender: Contender) -> Path:
        return self._root / "".join(filter(str.isalnum, contender.name)).lower()

    async def upgrade(self, contender: Contender, url: DatabaseURL) -> Ran:
        """Bring a database to head, in a process of its own, as a deployment does.

        Raises:
            RuntimeError: the contender failed.
        """
        folder = self.folder(contender)
        if contender == HEADWAY:
            for kept in folder.rglob("__pycache__/headway-*"):
                kept.unlink()
        return await run(contender.words(folder), folder=folder, env=contender.env(url))


def ready(contenders: Iterable[Contender]) -> tuple[list[Contender], tuple[str, ...]]:
    """Who can take part, and a line for each who cannot."""
    lacking = {contender: contender.lacks() for contender in contenders}
    out = tuple(f"{contender.name}: {lack}." for contender, lack in lacking.items() if lack)
    return [contender for contender, lack in lacking.items() if not lack], out
