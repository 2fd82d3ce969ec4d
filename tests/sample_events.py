"""Events of every kind, with statements in them that may hold what only their database should."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway import (
    BackupFinished,
    BackupStarted,
    Direction,
    LockWaiting,
    Peer,
    RunFailed,
    RunFinished,
    RunStarted,
    ServerStarting,
    StartupBegan,
    StartupFailed,
    StartupFinished,
    StartupMode,
    State,
    StatementFinished,
    StepBlocked,
    StepFailed,
    StepFinished,
    StepProgress,
    StepRetrying,
    StepStarted,
    Waiting,
    Warned,
)

if TYPE_CHECKING:
    from headway import Event

PRIVATE = "ada@example.org"
"""What every statement of the sample holds."""
STATEMENT = f"UPDATE users SET email = '{PRIVATE}'"  # noqa: S608  # nobody runs it
DATABASE = "postgresql://app:***@db.example.org:5433/shop"

_PEER = Peer(4711, "psql", user="app", state="idle in transaction", query=STATEMENT)
_STEP = ("run", "r1", Direction.UPGRADE, "create t", 1, 2)

SAMPLE: tuple[Event, ...] = (
    RunStarted("run", "upgrade", DATABASE, 2),
    LockWaiting("run", DATABASE, _PEER, 1.5),
    BackupStarted("run", "pg_dump --file before.dump"),
    BackupFinished("run", "pg_dump --file before.dump", 12.5),
    StepStarted(*_STEP),
    StepBlocked("run", "r1", (_PEER, Peer(12)), 2.0),
    StepRetrying("run", "r1", 1, "55P03", 0.5, (_PEER,)),
    StepProgress("run", "r1", "CREATE INDEX", "building index", 3, 4, "blocks"),
    StatementFinished("run", "r1", STATEMENT, 3, 12.5),
    Warned("run", None, "the lock was gone"),
    StepFinished(*_STEP, 12.5),
    StepFailed("run", "r1", Direction.UPGRADE, "StepFailedError", "no such table", "42P01"),
    RunFinished("run", "upgrade", 2, 25.0),
    RunFailed("run", "upgrade", 1, 25.0, "StepFailedError", "no such table"),
    Waiting("no server", 2.0),
    ServerStarting("/data", initialising=True),
    StartupBegan(StartupMode.WAIT),
    StartupFinished(StartupMode.WAIT, State.AT_HEAD, 25.0),
    StartupFailed(StartupMode.WAIT, "NotAtHeadError", "r2 is missing", 25.0),
)
