"""Imported by the process that commands are forked from: there it runs a migration, once.

A command that is forked after that need not compile its statements and revision files anew, which is half of
what it does. Whole runs have thousands of commands; in the build a process that other tests have started
before is used as it is.
"""

from __future__ import annotations

import asyncio
import os
import threading

PLACE = "HEADWAY_FAULTS_WARMTH"
"""The variable with the folder of a project, and the URL of an empty database, apart by a line."""


async def _migrate(folder: str, url: str) -> None:
    from headway import Migrator

    migrator = Migrator(f"{folder}/alembic.ini", url=url)
    await migrator.upgrade()
    await migrator.upgrade()
    await migrator.downgrade("base")


if PLACE in os.environ:
    asyncio.run(_migrate(*os.environ.pop(PLACE).split("\n")))
    # What is forked must have no thread but its own; those of the loop that is closed are on their way out.
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(30)
    assert threading.active_count() == 1, threading.enumerate()
