"""What is done to a migrator at a statement boundary."""

from __future__ import annotations

import signal
import time
from functools import partial
from typing import TYPE_CHECKING

from invariants import code_of
from laboratory import Fault
from wire import Moment

if TYPE_CHECKING:
    from laboratory import Struck

_KILLED = -signal.SIGKILL


def _kill(struck: Struck) -> bool:
    struck.command.kill()
    return False


def _signal(number: int, struck: Struck) -> bool:
    struck.command.signal(number)
    return True


def _terminate(struck: Struck) -> bool:
    struck.admin.execute("SELECT pg_terminate_backend(%s, 10000)", (struck.wire.backend_pid,))
    return True


def _cancel(struck: Struck) -> bool:
    """The statement is cancelled while it runs: a long one stands in its place until it is."""
    struck.wire.run_in_its_place("DO $$ BEGIN PERFORM pg_catalog.pg_sleep(600); END $$")
    deadline = time.monotonic() + 30
    pid = struck.wire.backend_pid
    while time.monotonic() < deadline:
        struck.admin.execute(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'",
            (pid,),
        )
        busy = struck.admin.execute(
            "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND state = 'active'", (pid,)
        ).fetchone()
        if busy is None:
            break
    return False


def _cut(struck: Struck) -> bool:
    struck.wire.cut()
    return False


KILL = Fault("kill -9", _kill, frozenset({_KILLED}), every=1)
TERM = Fault(
    "SIGTERM", partial(_signal, signal.SIGTERM), frozenset({code_of(signal.SIGTERM)}), (Moment.SENT,)
)
INT = Fault("SIGINT", partial(_signal, signal.SIGINT), frozenset({code_of(signal.SIGINT)}), (Moment.REPLIED,))
TERMINATED = Fault("pg_terminate_backend", _terminate, frozenset({1}), (Moment.BEFORE, Moment.SENT))
CANCELLED = Fault("pg_cancel_backend", _cancel, frozenset({1}), (Moment.BEFORE,))
CUT = Fault("TCP cut", _cut, frozenset({1}))

AT_BOUNDARIES = (KILL, TERM, INT, TERMINATED, CANCELLED, CUT)
