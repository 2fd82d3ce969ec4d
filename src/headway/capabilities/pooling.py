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
proved is *unknown*, and refused; so is a pool that has no process to give a witness in time.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only, greenlet_spawn

from headway.database import CONNECT_TIMEOUT_S, sync_twin_of
from headway.results import Pooling

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

_PROOFS = 2
_WITNESSES = 6
"""Where clients come and go all the time, the next one may have the process before its reset was seen."""
_ARRIVAL_S = CONNECT_TIMEOUT_S
"""How long a witness is waited for, in seconds: as long as any connection. A pool of one, which we hold,
never has another process to give; PgBouncer lets the witness wait for ``query_wait_timeout``, by default
120 s."""
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
    except (DBAPIError, TimeoutError):
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
    witness, process = _arrived(engine)
    try:
        left = _look(connection, process, after_s=0)
        idle = _look(connection, process, after_s=_IDLE_S)
        if process == pid or {left.observer, idle.observer} != {pid} or left != idle:
            return _Evidence.SHARED
        if idle.query is None or _is_reset(idle):
            return _Evidence.MISSED
    finally:
        _dismiss(witness, engine)
    return _after_it_left(connection, pid, process, idle)


def _arrived(engine: Engine) -> tuple[Connection, int]:
    """A witness and its process.

    Raises:
        TimeoutError: there was none within ``_ARRIVAL_S``.
        sqlalchemy.exc.DBAPIError: there is none to be had.
    """
    if engine.dialect.is_async:
        arrived: tuple[Connection, int] = await_only(_arrives(engine))
        return arrived
    return _arrived_in_thread(engine)


async def _arrives(engine: Engine) -> tuple[Connection, int]:
    async with asyncio.timeout(_ARRIVAL_S):
        return await greenlet_spawn(_arrive, engine)


def _arrived_in_thread(engine: Engine) -> tuple[Connection, int]:
    """A driver that blocks cannot be told to stop: its thread stays behind until the pooler ends the wait."""
    arrival: Future[tuple[Connection, int]] = Future()

    def arrive() -> None:
        try:
            witness, process = _arrive(engine)
        except BaseException as error:  # noqa: BLE001  # raised again in the calling thread
            with suppress(InvalidStateError):
                arrival.set_exception(error)
            return
        try:
            arrival.set_result((witness, process))
        except InvalidStateError:  # nobody waits for it any more
            _dismiss(witness, engine)

    threading.Thread(target=arrive, name="headway-witness", daemon=True).start()
    try:
        return arrival.result(_ARRIVAL_S)
    except TimeoutError:
        if arrival.cancel():
            raise
        return arrival.result()  # it came at this very moment


def _arrive(engine: Engine) -> tuple[Connection, int]:
    witness = engine.connect()
    try:
        with witness.begin():
            return witness, witness.execute(_WHO).scalar_one()
    except BaseException:
        _dismiss(witness, engine)
        raise


def _dismiss(witness: Connection, engine: Engine) -> None:
    witness.close()
    engine.dispose()  # the witness must disconnect, not go back into a pool


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
