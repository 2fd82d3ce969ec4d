"""Timeouts of a run: what they are, how they are written, and how the server learns of them."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from headway.alone import singly
from headway.diagnosis import read_error
from headway.errors import ConfigurationError, HeadwayError
from headway.shield import shielded
from headway.url.keepalive import Keepalive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping

    from sqlalchemy import TextClause
    from sqlalchemy.engine import Connection

    from headway.lock import Runs
    from headway.results import RunOptions

# PostgreSQL manual, section 20.1.1: case matters, and m would be mistaken for minutes.
_UNITS_MS = {"us": 0.001, "ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_WRITTEN = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(_UNITS_MS)})?", re.ASCII)
_LONGEST_MS = 2**31 - 1
_EXAMPLE = "2s, 500ms, 1min, or 0 for none"

REVISION_ATTRIBUTES = (
    "lock_timeout",
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "client_connection_check_interval",
)
"""What a revision file may set for itself, as a variable of the module."""

_CHECK_INTERVAL = "client_connection_check_interval"
# Where the operating system cannot tell that a client has gone (PostgreSQL manual, section 20.3.2).
_INVALID_VALUE = "22023"
_RESTORE_WITHIN_S = 5.0

# A server that a dead line cuts off from us keeps the migrator lock until TCP gives up: two hours on Linux.
_KEEPALIVE = {
    "tcp_keepalives_idle": Keepalive().idle_s,
    "tcp_keepalives_interval": Keepalive().interval_s,
    "tcp_keepalives_count": Keepalive().count,
    "tcp_user_timeout": Keepalive().user_timeout_ms,
}
# An unknown name gives no row, where SET would give an error.
_PUT_BACK = text("""
    SELECT known.name, known.setting, pg_catalog.set_config(known.name, given.value, false)
    FROM pg_catalog.jsonb_each_text(CAST(CAST(:values AS text) AS jsonb)) AS given (name, value)
    JOIN pg_catalog.pg_settings AS known ON known.name = given.name
""")
_SHORTEN = text(f"""
    {_PUT_BACK.text}
    WHERE known.name NOT LIKE 'tcp%'
        OR CAST(known.setting AS bigint) NOT BETWEEN 1 AND CAST(given.value AS bigint)
""")  # our own SQL


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The server's timeouts for a run, in milliseconds; 0 is none.

    They are said outright even where they are none: a role or database that has its own
    (``ALTER ROLE … SET statement_timeout``, which hosts do for their users) would otherwise decide.

    Attributes:
        lock_timeout_ms: how long a statement may wait for a lock, and with it every query that queues behind
            it; ``None`` leaves it to the schedule of :class:`headway.retry.RetryPolicy`.
        statement_timeout_ms: how long a statement may take. None: building an index or validating a
            constraint may rightly take hours, and ``lock_timeout`` is what protects others. ``pg_dump`` turns
            it off for itself, GitLab for its migrations (gitlab-ce, merge request 5263).
        idle_in_transaction_session_timeout_ms: how long a step's transaction may wait for us, should we hang
            or the network swallow us, before the server ends it and its locks. One minute, as GitLab advises
            (its troubleshooting page for PostgreSQL); a revision that computes for longer between two
            statements sets its own.
        client_connection_check_interval_ms: how often the server looks, while a statement runs, whether we
            are still there. Without it the statement of a killed migrator runs on, commits, and keeps the
            lock; half a second cut that to 0.2 s (design.md, fact 7).
    """

    lock_timeout_ms: int | None = None
    statement_timeout_ms: int = 0
    idle_in_transaction_session_timeout_ms: int = 60_000
    client_connection_check_interval_ms: int = 500

    def merged(
        self, options: RunOptions, revision: object = None, *, origin: str = "the revision"
    ) -> Timeouts:
        """These, with those that the run asks for in their place, and above all those of the revision.

        A revision knows what it needs (an index that takes an hour); the run speaks for all the others.

        Args:
            options: of the run; ``None`` in it is not asked for.
            revision: its module, or anything with the attributes :data:`REVISION_ATTRIBUTES`, each a duration
                as :func:`parse` reads it; missing or ``None`` is not asked for.
            origin: what to call the revision in the error.

        Raises:
            ConfigurationError: a revision's attribute is not a duration.
        """
        asked = {name: getattr(options, name, None) for name in self.__slots__}
        for name in REVISION_ATTRIBUTES:
            value = getattr(revision, name, None)
            if value is not None:
                asked[f"{name}_ms"] = parse(value, variable=f"{name} of {origin}")
        return replace(self, **{name: value for name, value in asked.items() if value is not None})


_USUAL = Timeouts()


def parse(value: object, *, variable: str) -> int:
    """Read a duration as PostgreSQL writes it.

    Args:
        value: ``"2s"``, ``"500ms"``, ``"1.5 min"``; a bare number, or a string of one, is in milliseconds, as
            it is for PostgreSQL; 0 is none.
        variable: the setting it comes from, for the error.

    Returns:
        Milliseconds.

    Raises:
        ConfigurationError: it is not a duration, is negative or too long, or is under a millisecond, which
            the server would take for none.
    """
    match = None if isinstance(value, bool) else _WRITTEN.fullmatch(str(value).strip())
    if match is None:
        raise ConfigurationError(variable, f"{value!r} is not a duration", example=_EXAMPLE)
    milliseconds = float(match[1]) * _UNITS_MS[match[2] or "ms"]
    if milliseconds > _LONGEST_MS:
        raise ConfigurationError(variable, f"{value!r} is longer than 24 days", example=_EXAMPLE)
    if milliseconds and not round(milliseconds):
        raise ConfigurationError(variable, f"{value!r} is less than a millisecond", example=_EXAMPLE)
    return round(milliseconds)


def set_local(connection: Connection, timeouts: Timeouts, lock_timeout_ms: int) -> str:
    """Set a step's timeouts for the transaction that the caller has open; asked and told in one statement.

    Args:
        connection: with the step's transaction open; they end with it.
        timeouts: of the run and the revision.
        lock_timeout_ms: of this attempt.

    Returns:
        The transaction's id, as :func:`headway.commit.transaction_id` has it.
    """
    return _set(connection, timeouts, lock_timeout_ms, local=True)


def set_for_session(connection: Connection, timeouts: Timeouts, lock_timeout_ms: int) -> None:
    """Set a step's timeouts for the session: for a step of many transactions.

    Args:
        connection: with a transaction open, which must be committed. Whoever calls puts back afterwards what
            was set before.
        timeouts: of the run and the revision.
        lock_timeout_ms: of this attempt.
    """
    _set(connection, timeouts, lock_timeout_ms, local=False)


def settings_of(timeouts: Timeouts, lock_timeout_ms: int) -> dict[str, str]:
    """A step's settings by name, as PostgreSQL takes them; what the session has already is left out."""
    values = {
        "lock_timeout": lock_timeout_ms,
        "statement_timeout": timeouts.statement_timeout_ms,
        "idle_in_transaction_session_timeout": timeouts.idle_in_transaction_session_timeout_ms,
    }
    interval_ms = timeouts.client_connection_check_interval_ms
    if interval_ms != _USUAL.client_connection_check_interval_ms:  # else the session has it, where it can
        values[_CHECK_INTERVAL] = interval_ms
    return {name: str(value) for name, value in values.items()}


def _set(connection: Connection, timeouts: Timeouts, lock_timeout_ms: int, *, local: bool) -> str:
    values = settings_of(timeouts, lock_timeout_ms)
    calls = ", ".join(f"pg_catalog.set_config('{name}', :{name}, :local)" for name in values)
    told = text(f"SELECT CAST(pg_catalog.pg_current_xact_id() AS text), {calls}")
    return str(connection.scalar(told, {**values, "local": local}))


def set_session(connection: Connection, timeouts: Timeouts) -> Mapping[str, str]:
    """Let the server look whether we are still there: while a statement runs, and while the line is silent.

    TCP's own timeouts are left alone where they are shorter already.

    Returns:
        The session's values before, for :func:`restore_session`; without what this server cannot do.
    """
    keepalive = {name: str(value) for name, value in _KEEPALIVE.items()}
    check = {_CHECK_INTERVAL: str(timeouts.client_connection_check_interval_ms)}
    try:
        return _exchange(connection, _SHORTEN, keepalive | check)
    except DBAPIError as error:
        # Before PostgreSQL 14 it is unknown, which does no harm; an operating system may not be able to.
        if read_error(error).sqlstate != _INVALID_VALUE:
            raise
    return _exchange(connection, _SHORTEN, keepalive)


def restore_session(connection: Connection, before: Mapping[str, str]) -> None:
    """Put back what :func:`set_session` found; the connection may be the caller's."""
    # The server says -1 where it could not find out, and does not take it back.
    _exchange(connection, _PUT_BACK, {name: value for name, value in before.items() if value != "-1"})


@asynccontextmanager
async def session_settings(session: Runs, timeouts: Timeouts | None = None) -> AsyncIterator[None]:
    """:func:`set_session` for the length of the block, and :func:`restore_session` behind it.

    A connection that died, or was dropped by a cancellation, has nothing left to restore.
    """
    chosen = timeouts or Timeouts()
    before = await session.run(lambda connection: set_session(connection, chosen))

    def restore(connection: Connection) -> None:
        if not connection.closed and not connection.invalidated:
            restore_session(connection, before)

    try:
        yield
    finally:
        # A setting that stays as it is does no harm; an error from here would hide the one that matters.
        with suppress(HeadwayError, SQLAlchemyError, TimeoutError):
            await shielded(_bounded(session.run(restore)), grace_s=2 * _RESTORE_WITHIN_S)


async def _bounded(work: Awaitable[None]) -> None:
    async with asyncio.timeout(_RESTORE_WITHIN_S):
        await work


def _exchange(connection: Connection, statement: TextClause, values: Mapping[str, str]) -> dict[str, str]:
    with singly(connection):
        rows = connection.execute(statement, {"values": json.dumps(dict(values))}).all()
    return {row.name: row.setting for row in rows}
