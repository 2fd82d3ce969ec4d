"""Compare models of so many tables with their database, twice, and print the second time and what it found.

Usage: ``python one_comparison.py headway|alembic COUNT DIFFERING``, where every DIFFERING-th table has a
column more (0: none has). ``BENCH_URL`` is the database. A process of its own, for alembic-postgresql-enum,
which headway calls, hangs itself onto every comparison of the process that imports it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time

from alembic.autogenerate import produce_migrations
from alembic.runtime.migration import MigrationContext
from modelled_tables import models
from sqlalchemy import Column, Connection, Integer, MetaData
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


async def main(contender: str, count: int, differing: int) -> None:
    plugins: tuple[str, ...] = ("alembic.autogenerate.*",)
    if contender == "headway":
        from headway.autogenerate import enums, plugin

        plugin.register()
        enums.activate()
        plugins = plugin.PLUGINS
    engine = create_async_engine(os.environ["BENCH_URL"], poolclass=NullPool)
    compared = None
    for _ in range(2):
        metadata = models(count)
        for table in list(metadata.tables.values())[::differing] if differing else ():
            table.append_column(Column("added", Integer))
        async with engine.connect() as connection:
            compared = await connection.run_sync(_compared, metadata, plugins)
    await engine.dispose()
    print(json.dumps(compared))


def _compared(connection: Connection, metadata: MetaData, plugins: tuple[str, ...]) -> tuple[float, int]:
    """The time in milliseconds, and how many tables differ."""
    connection.begin()
    options = {
        "target_metadata": metadata,
        "compare_type": True,
        "compare_server_default": True,
        "autogenerate_plugins": plugins,
    }
    gc.collect()
    started = time.perf_counter()
    script = produce_migrations(MigrationContext.configure(connection, opts=options), metadata)
    took = (time.perf_counter() - started) * 1000
    return took, len(script.upgrade_ops.ops if script.upgrade_ops else ())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
