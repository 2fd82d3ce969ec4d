"""The reference application's revisions are what autogenerate writes, byte for byte."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from headway import Migrator

CHECKOUT = Path(__file__).parents[2]
VERSIONS = CHECKOUT / "alembic" / "versions"

# Each revision with its message, and the tables that it found new among the models.
HISTORY = [
    ("2fab56042d27", "Initial schema", ("projects", "sprints", "tasks", "action_lists")),
    ("6130db840c27", "Add documents", ("documents",)),
]

ENV = """
from headway import env
from taskman.models import Base

TABLES = {tables!r}


def include_object(item, name, type_, reflected, compare_to):
    return type_ != "table" or name in TABLES


env.run(Base.metadata, drop_extensions=True, include_object=include_object)
"""


@pytest.mark.vector
@pytest.mark.asyncio
async def test_each_revision_is_byte_for_byte_what_autogenerate_writes_today(
    tmp_path: Path, database_url: str
) -> None:
    shutil.copytree(CHECKOUT / "alembic", tmp_path / "alembic", ignore=shutil.ignore_patterns("versions"))
    (tmp_path / "alembic" / "versions").mkdir()
    for name in ("alembic.ini", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, tmp_path)
    known: list[str] = []
    for revision, message, tables in HISTORY:
        known += tables
        (tmp_path / "alembic" / "env.py").write_text(ENV.format(tables=known), encoding="utf-8")
        async with Migrator(tmp_path / "alembic.ini", url=database_url) as migrator:
            [made] = (await migrator.revision(message, rev_id=revision)).paths
            [committed] = VERSIONS.glob(f"*_{revision}_*.py")
            # Nothing but the minute is not autogenerate's to decide.
            text = _dated_as(made.read_bytes(), committed.read_bytes())
            assert text == committed.read_bytes(), committed.name
            assert made.name[len("YYYYMMDD_HHMM") :] == committed.name[len("YYYYMMDD_HHMM") :]
            await migrator.upgrade("head")
    assert {path.name.split("_")[2] for path in VERSIONS.glob("*.py")} == {row[0] for row in HISTORY}


def _dated_as(text: bytes, other: bytes) -> bytes:
    line = re.compile(rb"^Create Date: .*$", re.MULTILINE)
    [date] = line.findall(other)
    return line.sub(lambda _: date, text)
