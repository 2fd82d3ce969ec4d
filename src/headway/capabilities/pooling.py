"""Tell a pooler from a server, and a session's pooler from a transaction's.

A server announces its process when a connection begins (the protocol's BackendKeyData), and
``pg_backend_pid()`` says which one answers. PgBouncer announces a number of its own in every mode, so a
difference shows a pooler, and not its mode (measured on PgBouncer 1.18; design.md, fact 6).

The mode is seen on a witness, a second connection that runs one transaction and stays idle:

* In transaction mode its process is free at once. It answers us next (PgBouncer hands out the one that was
  used last), or somebody else, or it was reset already (``server_reset_query_always``).
* In session mode it stays as the witness left it. As soon as the witness disconnects, PgBouncer resets it
  with ``DISCARD ALL``; a proxy without a pool ends it.

Only when both were seen, on two witnesses, and nothing spoke against it, is the mode *session*. What was not
proved is *unknown*, and refused.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from headway.database import sync_twin_of
from headway.results import Pooling

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

_PROOFS = 2
_WITNESSES = 6
"""Where clients come and go all the time, the next one may have the process before its reset was seen."""
_IDLE_S = 0.05
"""How long the witness stays idle. A reset that follows every transaction took under 1 ms when measured."""
_PAUSE_S = 0.01
_LOOKS = 50
"""How often its process is looked at after it left, ``_PAUSE_S`` apart: some time for a busy server."""
_RESET = "DISCARD ALL"
"""PgBouncer's ``server_reset_query``, unless configured otherwise; pgcat and Odyssey send it too."""

_WHO = text("SELECT pg_catalog.pg_backend_pid()")
_PAUSE = text("SELECT pg_catalog.pg_sleep(:seconds)")
_LOOK = text("""
SELECT pg_catalog.pg_backend_pid() AS observer, query, query_start
  FROM (SELECT 1) AS always
  LEFT JOIN pg_catalog.pg_stat_activity ON pid = :pid
""")


class _Sight(NamedTuple):
    """What was seen of the witness's process, and who looked; both ``None`` when it is gone."""

    observer: int
    query: str | None
    query_start: Any


class _Evidence(Enum):
    KEPT = auto()
    SHARED = auto()
    MISSED = auto()
    ABSENT = auto()


def pooling_of(connection: Connection, pid: int) -> Pooling:
    """What stands between a connection and its server process.

    Args:
        connection: with no transaction open.
        pid: what ``pg_backend_pid()`` said on it.
    """
    if _announced(connection) == pid:
        return Pooling.NONE
    engine = sync_twin_of(connection.engine)
    proofs = 0
    try:
        for _ in range(_WITNESSES):
            evidence = _watch_a_witness(connection, pid, engine)
            if evidence is _Evidence.SHARED:
                return Pooling.TRANSACTION
            if evidence is _Evidence.ABSENT:
                break
            proofs += evidence is _Evidence.KEPT
            if proofs == _PROOFS:
                return Pooling.SESSION
    except DBAPIError:
        pass  # the pooler has no second process to give: nothing is proved
    return Pooling.UNKNOWN


def _announced(connection: Connection) -> int | None:
    """The process that the connection's beginning announced, whichever driver heard it."""
    driver: Any = connection.connection.driver_connection
    if hasattr(driver, "get_server_pid"):  # asyncpg
        pid: int = driver.get_server_pid()
        return pid
    info = getattr(driver, "info", None)  # psycopg
    return getattr(info, "backend_pid", None)


def _watch_a_witness(connection: Connection, pid: int, engine: Engine) -> _Evidence:
    witness = engine.connect()
    try:
        with witness.begin():
            process: int = witness.execute(_WHO).scalar_one()
        left = _look(connection, process, after_s=0)
        idle = _look(connection, process, after_s=_IDLE_S)
        if process == pid or {left.observer, idle.observer} != {pid} or left != idle:
            return _Evidence.SHARED
        if idle.query is None or _is_reset(idle):
            return _Evidence.MISSED
    finally:
        witness.close()
        engine.dispose()  # the witness must disconnect, not go back into a pool
    return _after_it_left(connection, pid, process, idle)


def _after_it_left(connection: Connection, pid: int, process: int, idle: _Sight) -> _Evidence:
    for _ in range(_LOOKS):
        sight = _look(connection, process, after_s=_PAUSE_S)
        if sight.observer != pid:
            return _Evidence.SHARED
        if sight.query is None or _is_reset(sight):
            return _Evidence.KEPT
        if sight != idle:  # the next client has it already, or the reset is configured otherwise
            return _Evidence.MISSED
    return _Evidence.ABSENT


def _look(connection: Connection, process: int, *, after_s: float) -> _Sight:
    """Look at a process, in a transaction of its own: within one, the server shows the same picture again."""
    with connection.begin():
        if after_s:
            connection.execute(_PAUSE.bindparams(seconds=after_s))
        return _Sight(*connection.execute(_LOOK.bindparams(pid=process)).one())


def _is_reset(sight: _Sight) -> bool:
    return (sight.query or "").strip().rstrip(";").upper() == _RESET
