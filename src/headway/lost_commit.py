"""A COMMIT that got no answer: whether it took effect."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from headway.commit import CommitOutcome, is_connection_lost, transaction_status
from headway.errors import DatabaseError, HeadwayError, OutcomeUnknownError
from headway.ledger import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from headway.doorway import Doorway

RECONNECT_S = 75.0
"""How long the server is asked, in seconds: more than ``idle_in_transaction_session_timeout``, after which an
orphan's fate is settled."""

_PAUSE_S = 0.2


def may_be_committed(error: DatabaseError, *, committing: bool) -> bool:
    """Whether an error leaves open what became of a COMMIT: it was on its way, and the connection broke."""
    return committing and is_connection_lost(error.__cause__ or error)


async def took_effect(
    door: Doorway, what: str, transaction: str | None, *, on_record: Callable[[Connection], bool]
) -> bool:
    """Ask the server on a new connection, for as long as it may take to come back.

    Args:
        door: of the run; its own connection has broken.
        what: what was being committed, for the error.
        transaction: its id, from :func:`headway.commit.transaction_id`; ``None`` when it is not known.
        on_record: whether the ledger holds what the transaction wrote there; called with a connection. It
            must bear a COMMITTED out: a server that crashed may give an id that had not reached the disk
            to another transaction.

    Raises:
        OutcomeUnknownError: nobody can say.
    """
    status, recorded = CommitOutcome.UNKNOWN, False
    if transaction is not None:
        status, recorded = await _asked(door, transaction, on_record)
    if status is CommitOutcome.COMMITTED and recorded:
        return True
    if status is CommitOutcome.ABORTED:
        return False
    question = f"ask it: SELECT pg_xact_status('{transaction}'). " if transaction else "look. "
    raise OutcomeUnknownError(
        what,
        f"outcome unknown: the connection broke while {what} was being committed, and whether "
        "it took effect cannot be told",
        transaction=transaction,
        hint=f"When the server answers again, {question}"
        "`headway status` shows what the version table holds; nothing is tried again by itself.",
    )


def step_on_record(door: Doorway, revision: str) -> Callable[[Connection], bool]:
    """Whether this run's entry for a revision is closed as succeeded, as its transaction does at its end."""

    def look(connection: Connection) -> bool:
        newest = door.ledger.entries(connection, run_id=door.run_id, revision=revision, limit=1)
        return bool(newest) and newest[0].outcome is Outcome.SUCCEEDED

    return look


async def _asked(
    door: Doorway, transaction: str, on_record: Callable[[Connection], bool]
) -> tuple[CommitOutcome, bool]:
    def ask(connection: Connection) -> tuple[CommitOutcome, bool]:
        return transaction_status(connection, transaction, server=door.server), on_record(connection)

    loop = asyncio.get_running_loop()
    deadline = loop.time() + RECONNECT_S
    while True:
        with contextlib.suppress(HeadwayError, OSError):
            async with door.session.beside() as session:
                status, recorded = await session.run(ask)
            if status is not CommitOutcome.IN_PROGRESS:
                return status, recorded
        if loop.time() > deadline:
            return CommitOutcome.UNKNOWN, False
        await asyncio.sleep(_PAUSE_S)
