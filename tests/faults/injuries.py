"""What is done to a migrator at a statement boundary, and inside a message that holds several statements."""

from __future__ import annotations

import dataclasses
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

from invariants import code_of
from laboratory import Fault
from statement_kinds import IN_ONE
from wire import Moment

if TYPE_CHECKING:
    from laboratory import Struck

_KILLED = -signal.SIGKILL
_LONG = "DO $$ BEGIN PERFORM pg_catalog.pg_sleep(600); END $$"
"""Stands where a fault is to find the server at work."""


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
    struck.wire.run_in_its_place(_LONG)
    return _cancel_the_long_one(struck)


def _cancel_the_long_one(struck: Struck) -> bool:
    _when_asleep(struck)
    struck.admin.execute("SELECT pg_cancel_backend(%s)", (struck.wire.backend_pid,))
    return False


def _when_asleep(struck: Struck) -> None:
    deadline = time.monotonic() + 30
    asleep = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
    while struck.admin.execute(asleep, (struck.wire.backend_pid,)).fetchone() is None:
        assert time.monotonic() < deadline, "the server never came to the statement"
        time.sleep(0.002)


def _cut(struck: Struck) -> bool:
    struck.wire.cut()
    return False


KILL = Fault("kill -9", _kill, frozenset({_KILLED}))
TERM = Fault(
    "SIGTERM", partial(_signal, signal.SIGTERM), frozenset({code_of(signal.SIGTERM)}), (Moment.SENT,)
)
INT = Fault("SIGINT", partial(_signal, signal.SIGINT), frozenset({code_of(signal.SIGINT)}), (Moment.REPLIED,))
TERMINATED = Fault(
    "pg_terminate_backend", _terminate, frozenset({1}), (Moment.BEFORE, Moment.SENT), rotates=True
)
CANCELLED = Fault("pg_cancel_backend", _cancel, frozenset({1}), (Moment.BEFORE,))
CUT = Fault("TCP cut", _cut, frozenset({1}), rotates=True)

AT_BOUNDARIES = (KILL, TERM, INT, TERMINATED, CANCELLED, CUT)
_INSIDE = (KILL, TERM, TERMINATED, dataclasses.replace(CANCELLED, injure=_cancel_the_long_one), CUT)


def inside(position: int) -> tuple[Fault, ...]:
    """Faults that strike when the server has done so many statements of a message and not the next one."""

    def within(fault: Fault) -> Fault:
        def injure(struck: Struck) -> bool:
            struck.wire.run_with(position, _LONG)
            _when_asleep(struck)
            fault.injure(struck)
            return False

        return dataclasses.replace(
            fault, injure=injure, moments=(Moment.BEFORE,), when="inside the message", among=IN_ONE
        )

    return tuple(within(fault) for fault in _INSIDE)
