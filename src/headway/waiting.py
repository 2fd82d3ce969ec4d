"""Wait for a server to answer, or for a revision to be applied: for scripts, init containers, replicas."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from headway.errors import ConnectionFailedError, NotAtHeadError
from headway.planning import require_head

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headway.events import Event
    from headway.results import PendingReport

T = TypeVar("T")

FIRST_PAUSE_S = 0.1
"""Pause after the first look, in seconds; it doubles after each."""
LONGEST_PAUSE_S = 2.0
"""Longest pause, in seconds: how late a waiter may notice."""

TIMEOUT_S = 60.0
"""How long, in seconds, a start-up waits for the server, and in mode ``wait`` for the revisions."""

_SHORTEST_TRY_S = 1.0
"""What a look is given at least, in seconds, so that no time to wait still means one look."""

# Wrong password, role or address not let in, no such database (PostgreSQL manual, appendix A): an answer that
# will be the same in a minute. A server that is starting says 57P03, one that is not there says nothing.
_FINAL = frozenset({"28P01", "28000", "3D000"})


async def wait_for_server(
    connect: Callable[[], Awaitable[None]], *, timeout_s: float, emit: Callable[[Event], None]
) -> None:
    """Return as soon as the server lets us in.

    Args:
        connect: connects once and lets go of it.
        timeout_s: how long to wait, in seconds; 0 tries once.
        emit: called with :class:`headway.events.Waiting` after every try that was in vain.

    Raises:
        ConnectionFailedError: it did not until the deadline; at once when waiting cannot help, which is so of
            a wrong password, a user who may not connect, and a database that does not exist.
    """
    await _until(connect, timeout_s=timeout_s, emit=emit)


async def wait_for_revision(
    ask: Callable[[], Awaitable[PendingReport]],
    *,
    target: str,
    reached: Callable[[PendingReport], bool],
    timeout_s: float,
    emit: Callable[[Event], None],
) -> PendingReport:
    """Return as soon as the database holds a revision; a server that is not there is waited for too.

    Nobody else is asked to migrate: this only looks.

    Args:
        ask: connects, and says where the database stands.
        target: what to call the revision in the error.
        reached: whether the report says that it is applied.
        timeout_s: how long to wait, in seconds; 0 looks once.
        emit: called with :class:`headway.events.Waiting` after every look that was in vain.

    Returns:
        The report that says so.

    Raises:
        NotAtHeadError: the revision was not applied until the deadline.
        UnknownRevisionsError: at once when the database holds revisions that are unknown here while others
            are missing, for it is not going to become what this checkout describes; DirtyError where one of
            them is half-way.
        ChangedRevisionsError: at once when applied revisions are not what was applied: no run will go on.
        ConnectionFailedError: the server was not there at the deadline; at once when waiting cannot help.
    """

    async def look() -> PendingReport:
        report = await ask()
        if reached(report):
            return report
        if report.changed or (report.unknown and report.pending):
            require_head(report)
        raise _MissingError(report, target)

    return await _until(look, timeout_s=timeout_s, emit=emit)


class _MissingError(NotAtHeadError):
    """Not applied yet, or half-way, but it may come: what is waited out."""

    def __init__(self, report: PendingReport, target: str) -> None:
        lacks = [f"missing {', '.join(report.pending)}"] if report.pending else []
        if report.dirty is not None:
            lacks.append(f"{report.dirty} was interrupted, or is being applied right now")
        super().__init__(
            f"{report.database} is {report.state.value} and has not reached {target}: {'; '.join(lacks)}",
            report.state.value,
            report.pending,
        )


async def _until(look: Callable[[], Awaitable[T]], *, timeout_s: float, emit: Callable[[Event], None]) -> T:
    import anyio  # not for whoever only looks once

    started = time.monotonic()
    pause = FIRST_PAUSE_S
    while True:
        remaining = started + timeout_s - time.monotonic()
        failure: ConnectionFailedError | _MissingError = ConnectionFailedError(
            "the server did not answer in time", hint="Is PostgreSQL running there, and is the host right?"
        )
        try:
            with anyio.move_on_after(max(remaining, _SHORTEST_TRY_S)):
                return await look()
        except ConnectionFailedError as error:
            if error.sqlstate in _FINAL:
                raise
            failure = error
        except _MissingError as error:
            failure = error
        waited = time.monotonic() - started
        if waited >= timeout_s:
            raise _given_up(failure, waited) from failure.__cause__
        from headway.events import Waiting

        emit(Waiting(failure.message, round(waited, 3)))
        await anyio.sleep(min(pause, timeout_s - waited))
        pause = min(pause * 2, LONGEST_PAUSE_S)


def _given_up(
    failure: ConnectionFailedError | _MissingError, waited: float
) -> ConnectionFailedError | NotAtHeadError:
    message = f"{failure.message} (waited {waited:.1f} s)"
    if isinstance(failure, ConnectionFailedError):
        return ConnectionFailedError(message, sqlstate=failure.sqlstate, hint=failure.hint)
    return NotAtHeadError(
        message,
        failure.state,
        failure.pending,
        hint="Does whoever applies them run, and on the same database? `headway upgrade` applies them here.",
    )
