"""The migrator lock of a file: SQLite's own write lock, on a second small database beside it.

It is not taken on the file itself: there it would end with each revision's transaction, and keep the
application's writers out for the whole run. The kernel lets go of it when the process ends, however it ends.
The file beside stays, for removing it would let two migrators lock two files of one name.
"""

from __future__ import annotations

import os
import platform
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from headway.errors import CapabilityError
from headway.results import Peer
from headway.threads import in_thread

SUFFIX = "-migrator"
"""What the lock's file is called after the database's name, as ``-journal`` and ``-wal`` are."""

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_TABLE = "CREATE TABLE IF NOT EXISTS holder (pid INTEGER, name TEXT, host TEXT, since TEXT)"


class FileLatch:
    """See :class:`headway.lock.Latch`.

    Args:
        file: the database; ``None`` for one in memory, which nobody else can reach.
        user: who migrates, for those who wait.
    """

    def __init__(self, file: Path | None, user: str) -> None:
        self._path = None if file is None else Path(f"{file.resolve()}{SUFFIX}")
        self._user = user
        self._connection: sqlite3.Connection | None = None
        self.held = False

    async def knock(self) -> bool:
        """Take it unless another has it; never waits.

        Raises:
            CapabilityError: no file can be made in that folder.
        """
        self.held = await in_thread(self._take)
        return self.held

    async def holder(self) -> Peer | None:
        """The process that wrote itself into the lock's file last."""
        return await in_thread(self._read)

    async def leave(self) -> None:
        """Let go of it."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self.held = None, False

    def eviction(self, peer: Peer | None) -> str:
        """How to end who has it."""
        return f"kill {peer.pid} on {peer.client}" if peer else f"the process that has {self._path} open"

    def _take(self) -> bool:
        if self._path is None:
            return True
        connection = _connected(self._path)
        try:
            # Told to others before the lock is ours for good: what is not committed they cannot read.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_TABLE)
            connection.execute("DELETE FROM holder")
            now = datetime.now(UTC).isoformat()
            us = (os.getpid(), self._user, platform.node(), now)
            connection.execute("INSERT INTO holder VALUES (?, ?, ?, ?)", us)
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            connection.close()
            if error.sqlite_errorcode & 0xFF in _BUSY:  # the primary code (sqlite.org/rescode.html)
                return False
            raise _unusable(self._path, error) from error
        self._connection = connection
        return True

    def _read(self) -> Peer | None:
        if self._path is None:
            return None
        with suppress(sqlite3.Error), closing(_connected(self._path)) as connection:
            for pid, name, host, since in connection.execute("SELECT pid, name, host, since FROM holder"):
                return Peer(
                    pid=pid,
                    application_name="headway",
                    user=name,
                    client=host,
                    since=datetime.fromisoformat(since),
                )
        return None


def _connected(path: Path) -> sqlite3.Connection:
    try:
        # It is closed in another thread than it was opened in, never used in two at once.
        return sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: sqlite3.Error) -> CapabilityError:
    return CapabilityError(
        "writable",
        f"the migrator lock {path} cannot be taken: {error}. Nothing was changed.",
        hint=f"SQLite writes beside the database as well as into it: make {path.parent} writable. Where "
        f"{path.name} itself is damaged, delete it while nothing migrates.",
    )
