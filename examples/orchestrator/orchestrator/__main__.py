"""Add and list jobs: ``python -m orchestrator add NAME``, ``python -m orchestrator list``."""

import asyncio
import sys

from sqlalchemy import text

from orchestrator.database import engine_of
from orchestrator.settings import migrator


async def main(verb: str, *names: str) -> None:
    """Do what ``verb`` says. Only the columns that every revision has are named."""
    url = migrator().settings.application
    assert url is not None  # alembic.ini names one at least
    engine = engine_of(url)
    async with engine.begin() as connection:
        if verb == "add":
            for name in names:
                await connection.execute(text("INSERT INTO jobs (name) VALUES (:name)"), {"name": name})
        for row in (await connection.execute(text("SELECT * FROM jobs ORDER BY id"))).mappings():
            print(dict(row))
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
