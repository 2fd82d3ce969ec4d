"""Kinds of statements in a revision that is not transactional: how each is run, and which are refused."""

from __future__ import annotations

import re
from enum import StrEnum

from headway.errors import RefusedError
from headway.sqltext import presentable, skeleton


class Kind(StrEnum):
    """How a statement is run, and what a resumed revision does with it."""

    REPEATED = "repeated"
    """It reads or sets something for the session, as far as its words say: run anew by every attempt.
    One that wrote after all (``SELECT backfill()``) is journalled."""
    WRITING = "writing"
    """In a transaction of its own, which holds its line of the journal too: both are there, or neither."""
    OUTSIDE = "outside"
    """Outside any transaction, journalled before and after."""


_REPEATED = re.compile(
    r"[\s(]*(?:SELECT|WITH|VALUES|TABLE|SHOW|EXPLAIN|SET|RESET|PREPARE|DEALLOCATE|LISTEN|UNLISTEN|LOAD)\b",
    re.IGNORECASE,
)
# PostgreSQL manual, the reference page of each: "cannot be executed inside a transaction block"; REINDEX and
# CLUSTER of a partitioned table too, and both can be repeated.
_OUTSIDE = re.compile(
    r"""(?:
        (?:CREATE\s+(?:UNIQUE\s+)?INDEX|DROP\s+INDEX)\s+CONCURRENTLY\b
      | REINDEX\b | VACUUM\b | CLUSTER\b | ALTER\s+SYSTEM\b
      | ALTER\s+TABLE\b .*? \bDETACH\s+PARTITION\b .*? \b(?:CONCURRENTLY|FINALIZE)\b
      | ALTER\s+DATABASE\b .*? \bSET\s+TABLESPACE\b
      | (?:CREATE|DROP)\s+(?:DATABASE|TABLESPACE)\b | (?:CREATE|ALTER|DROP)\s+SUBSCRIPTION\b
    )""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_CONCURRENTLY = re.compile(r"\bCONCURRENTLY\b", re.IGNORECASE)

_TIMEOUT = (
    r"(?:lock_timeout|statement_timeout|idle_in_transaction_session_timeout|client_connection_check_interval)"
)
_RESETS_TIMEOUTS = re.compile(
    rf"RESET\s+(?:ALL|{_TIMEOUT})\b|SET\s+(?:SESSION\s+)?{_TIMEOUT}\s*(?:=|\bTO\b)\s*DEFAULT\b", re.IGNORECASE
)

_REFUSED: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(
            r"(?:BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|PREPARE\s+TRANSACTION)\b",
            re.IGNORECASE,
        ),
        "every statement here is a transaction of its own",
        "Take it out, or let the revision be transactional.",
    ),
    (
        re.compile(r"SET\s+(?:LOCAL|TRANSACTION|CONSTRAINTS)\b", re.IGNORECASE),
        "it would hold for its own transaction only, which ends with it",
        "Say SET without LOCAL: it then holds for the rest of this revision.",
    ),
    (
        re.compile(
            r"LOCK\b|[\s(]*(?:SELECT|WITH|VALUES|TABLE)\b.*\bFOR\s+(?:UPDATE|NO\s+KEY\s+UPDATE|SHARE|KEY\s+SHARE)\b",
            re.IGNORECASE | re.DOTALL,
        ),
        "the lock would be let go of at once, for every statement here is a transaction of its own",
        "Take the lock out, or find and change the rows in one statement.",
    ),
    (
        re.compile(r"DISCARD\s+(?:ALL|TEMP|TEMPORARY)\b", re.IGNORECASE),
        "it would end what the run relies on, the migrator lock among it",
        "RESET ALL and RESET ROLE put back what a session has set.",
    ),
    (
        re.compile(
            r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:(?:LOCAL|GLOBAL)\s+)?TEMP(?:ORARY)?\b"
            r"|[\s(]*(?:SELECT|WITH)\b.*\bINTO\s+(?:(?:LOCAL|GLOBAL)\s+)?TEMP(?:ORARY)?\b",
            re.IGNORECASE | re.DOTALL,
        ),
        "after an interruption it would be gone, and this statement would not be run again",
        "Make an ordinary or UNLOGGED table, and drop it at the end of the revision.",
    ),
    (
        re.compile(r"(?:INSERT|UPDATE|DELETE|MERGE)\b.*\bRETURNING\b", re.IGNORECASE | re.DOTALL),
        "after an interruption it is not run again, and its rows could not be given back",
        "Say it without RETURNING and ask by a SELECT, or put it into a transactional revision of its own.",
    ),
)


def kind_of(statement: str) -> Kind:
    """How a statement is run; comments do not matter."""
    words = skeleton(statement)
    if _OUTSIDE.match(words):
        return Kind.OUTSIDE
    return Kind.REPEATED if _REPEATED.match(words) else Kind.WRITING


def is_concurrent(statement: str) -> bool:
    """Whether a statement says CONCURRENTLY: nobody queues behind it while it waits for locks."""
    return _CONCURRENTLY.search(skeleton(statement)) is not None


def resets_timeouts(statement: str) -> bool:
    """Whether a statement goes back to the server's timeouts, which are none as a rule."""
    return _RESETS_TIMEOUTS.match(skeleton(statement)) is not None


def refusal(statement: str) -> tuple[str, str] | None:
    """Why a statement cannot do the same in a resumed revision, and what to write in its place.

    Returns:
        ``None`` when it can.
    """
    words = skeleton(statement)
    return next(((why, hint) for pattern, why, hint in _REFUSED if pattern.match(words)), None)


def require_resumable(statement: str) -> None:
    """Return when a statement does the same in a resumed revision as it would in one that ran through.

    Raises:
        RefusedError: it cannot, and says what to write in its place.
    """
    known = refusal(statement)
    if known is not None:
        why, hint = known
        raise RefusedError(
            "this statement cannot be part of a revision with `transactional = False`: "
            f"{why}:\n  {presentable(statement)}",
            hint=hint,
        )
