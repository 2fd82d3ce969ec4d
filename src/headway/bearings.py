"""As whom a session acts, where it looks names up, what it has set: what is a revision's own.

``SET`` outlasts the transaction it is said in. Without a word from us it would decide in which schema the
next revision works, as whom, or for how long, and whether the version can be written at all.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from headway.errors import HeadwayError
from headway.guc import session_values
from headway.shield import shielded
from headway.sqltext import filled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from sqlalchemy.engine import Connection

    from headway.lock import Runs

_RESTORE_WITHIN_S = 5.0

# Row by row, from top to bottom: the session's user decides which roles may be set, and setting it resets the
# role. What is as it was is left alone, for not every role may say the first at all.
_WHO_AND_WHERE = """
    SELECT kept.name, kept.value, pg_catalog.current_setting(kept.name) AS setting, false AS ours
    FROM (VALUES
        ('session_authorization', CAST(:session_authorization AS text)),
        ('role', CAST(:role AS text)),
        ('search_path', CAST(:search_path AS text))
    ) AS kept (name, value)
"""
# A step's own timeouts hold for its transaction, whatever the session has, and until its end.
_SET = """
    SELECT known.name, coalesce(kept.value, known.reset_val), known.setting, known.name IN (
        'lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout',
        'client_connection_check_interval'
    )
    FROM pg_catalog.pg_settings AS known
    LEFT JOIN pg_catalog.jsonb_each_text(CAST(CAST(:settings AS text) AS jsonb)) AS kept (name, value)
        ON kept.name = known.name
    WHERE (known.source = 'session' OR kept.name IS NOT NULL) AND known.name NOT IN (
        'search_path', 'transaction_isolation', 'transaction_read_only', 'transaction_deferrable'
    )
"""
_RESTORE = """
    SELECT pg_catalog.set_config(name, value, false),
        CASE WHEN ours THEN pg_catalog.set_config(name, setting, true) END
    FROM ({what}) AS known
    WHERE ours OR setting <> value
"""
_RESTORE_SOME = _RESTORE.format(what=_WHO_AND_WHERE)
_RESTORE_ALL = _RESTORE.format(what=f"{_WHO_AND_WHERE} UNION ALL {_SET}")

# What only defines runs nobody's function, as a rule; others may set something in one.
_DEFINES = frozenset(
    {"CREATE", "ALTER", "DROP", "COMMENT", "GRANT", "REVOKE", "SECURITY", "LOCK", "TRUNCATE"}
)
_SETS = "set_config"


@dataclass(frozen=True)
class Bearings:
    """A session's settings: these three as ``current_setting`` tells them, and those that were set by name.

    What the server does not list in ``pg_settings``, as ``SET my.own = ...``, is not known here.
    """

    session_authorization: str
    role: str
    search_path: str
    settings: Mapping[str, str] = field(default_factory=dict)

    def restore(self, connection: Connection) -> None:
        """Put back what was changed, in the transaction that the caller has open, and beyond it.

        What was changed for the transaction only (``SET LOCAL``) ends here as well, but for its timeouts.
        """
        connection.execute(text(_RESTORE_ALL), self._values())

    def restoring(self, after: Iterable[str]) -> str:
        """What ``restore`` executes, with the values written out.

        Args:
            after: the statements behind which it is put. Where they only define something, who and where is
                all that can have changed, and looking through all settings is spared.
        """
        return self._some if all(_defines(statement) for statement in after) else self._all

    @cached_property
    def _some(self) -> str:
        return filled(_RESTORE_SOME, self._values())

    @cached_property
    def _all(self) -> str:
        return filled(_RESTORE_ALL, self._values())

    def _values(self) -> dict[str, str]:
        return {
            "session_authorization": self.session_authorization,
            "role": self.role,
            "search_path": self.search_path,
            "settings": json.dumps(dict(self.settings)),
        }


def _defines(statement: str) -> bool:
    return statement.split(None, 1)[0].upper() in _DEFINES and _SETS not in statement.lower()


def take_bearings(connection: Connection) -> Bearings:
    """What the session has now."""
    values = session_values(connection)
    return Bearings(values["session_authorization"], values["role"], values["search_path"], values)


@asynccontextmanager
async def bearings_kept(session: Runs) -> AsyncIterator[Bearings]:
    """Yield the session's bearings, and put them back behind a block that failed.

    A block that succeeds puts them back itself; its steps do, before each version is written. The connection
    may be the caller's own, so a failure must not leave it astray either.
    """
    bearings = await session.run(take_bearings)

    def restore(connection: Connection) -> None:
        if connection.closed or connection.invalidated:
            return
        if connection.in_transaction():
            connection.rollback()
        with connection.begin():
            bearings.restore(connection)

    try:
        yield bearings
    except BaseException:
        # An error from here would hide the one that matters.
        with suppress(HeadwayError, SQLAlchemyError, TimeoutError):
            await shielded(_bounded(session, restore), grace_s=2 * _RESTORE_WITHIN_S)
        raise


async def _bounded(session: Runs, restore: Callable[[Connection], None]) -> None:
    async with asyncio.timeout(_RESTORE_WITHIN_S):
        await session.run(restore)
