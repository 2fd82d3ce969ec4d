"""What a server can do, and whether it can be migrated from here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Pooling(StrEnum):
    """What stands between a connection and its server process."""

    NONE = "none"
    """Nothing: the process is this connection's own."""
    SESSION = "session"
    """A pooler or proxy that keeps one process for a connection as long as that lives."""
    TRANSACTION = "transaction"
    """A pooler that gives each transaction whichever process is free; a session's lock is shared or lost."""
    UNKNOWN = "unknown"
    """A pooler of which neither could be proved."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server can do for this connection's user, as it was asked.

    ``schema`` is where the version table goes: the configured one, or the connection's current schema;
    ``None`` when the search path leads to none. ``can_create`` is false when ``schema`` does not exist.
    ``can_write_versions`` is ``None`` while there is no version table. ``read_only_source`` is where the
    read-only setting comes from, in ``pg_settings``' words. ``transaction_status`` is whether
    ``pg_xact_status`` can tell a lost COMMIT's outcome, ``locks_visible`` and ``activity_visible`` whether
    ``pg_locks`` and other users' queries may be read, ``can_signal`` whether other users' queries may be
    cancelled.
    """

    server_version: str
    server_version_num: int
    pooling: Pooling
    standby: bool
    read_only: bool
    read_only_source: str
    schema: str | None
    schema_exists: bool
    schema_owner: str | None
    can_create: bool
    can_write_versions: bool | None
    user: str
    superuser: bool
    database: str
    application_name: str
    transaction_status: bool
    locks_visible: bool
    activity_visible: bool
    can_signal: bool
    extensions_available: tuple[str, ...]
    extensions_installed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. ``way_out`` is what to do when it did not pass, else ``None``."""

    name: str
    passed: bool
    finding: str
    way_out: str | None = None
