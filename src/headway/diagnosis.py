"""Say what went wrong in a revision: where in its file, which statement, and in PostgreSQL's own words."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from headway.errors import INSUFFICIENT_PRIVILEGE, DatabaseError, HeadwayError, StepFailedError
from headway.sqltext import is_confidential, shown, tells_literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headway.sqlfiles import Place

_SYNTAX_ERROR = "42601"
_DATA_EXCEPTION = "22"
_IN_A_TRANSACTION = "25001"
# What PostgreSQL says of an extension it does not carry: 0A000 since version 13, 58P01 and 42704 by others.
_NO_EXTENSION = frozenset({"0A000", "58P01", "42704"})

A_SERVER_WITH_IT = (
    "set DATABASE_URL to a server that has it (pgvector comes with the embedded server and with the "
    "pgvector/pgvector images)"
)
"""What to do about an extension that the server does not carry."""

_TODO = {
    INSUFFICIENT_PRIVILEGE: "Grant the migration role what is missing,",
    "2D000": "Nothing that a revision calls can commit by itself: take the COMMIT or ROLLBACK out of the "
    "procedure or DO block, and make its loop one of this revision's, with `transactional = False`,",
    _IN_A_TRANSACTION: "Say `transactional = False` in the revision (in the header of one in SQL, "
    "transactional=no): that statement may not run in a transaction;",
    "25006": "This connection may only read: name a writable server in DATABASE_URL,",
    "53100": "The server's disk is full: make room,",
    "55P03": "Others held the lock too long, attempt after attempt: see who, by `headway log` and "
    "pg_stat_activity, wait for a quieter hour or give it --lock-timeout,",
    "57014": "The statement was cancelled, by statement_timeout or by somebody: give it more time,",
    "57P01": "The server ended the connection: see that it runs,",
    "57P02": "The server crashed: see that it runs,",
    "57P03": "The server is starting or stopping: wait for it,",
    "08003": "The connection was lost: see that the server runs,",
    "08006": "The connection was lost: see that the server runs,",
    # SQLite's (sqlite.org/rescode.html).
    "SQLITE_BUSY": "Another process kept writing to the file: wait for it, or longer with --lock-timeout,",
    "SQLITE_READONLY": "Make the file and its folder writable,",
    "SQLITE_FULL": "The disk is full: make room,",
}

# The same for what headway asks on its own account.
_REFUSED = {
    INSUFFICIENT_PRIVILEGE: "Its owner can GRANT what the message names. To look, SELECT on it will do; who "
    "migrates also writes the version table and the ledger. `headway doctor` says what is missing.",
    "55P03": "Another session holds that lock (pg_locks and pg_stat_activity say which). Run the command "
    "again when it has let go, or wait longer with --lock-timeout.",
}


class Left(StrEnum):
    """What a failed step left in the database."""

    NOTHING = "nothing"
    PART = "part"
    """It ended its transaction before it failed, by itself or with an ``autocommit_block``."""
    REMAINS = "remains"
    """Its first statement was refused, in an ``autocommit_block``: an INVALID index at most."""
    STATEMENTS = "statements"
    """It is not transactional: the statements done so far."""


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What the server said, field by field; every field may be missing."""

    message: str
    sqlstate: str | None = None
    detail: str | None = None
    hint: str | None = None
    statement: str | None = None
    position: int | None = None
    """The character of the statement at which the server points, counted from 1."""


def read_error(error: BaseException) -> ServerReport:
    """Take a driver's error apart, whichever driver raised it."""
    if not isinstance(error, DBAPIError):
        return ServerReport(f"{type(error).__name__}: {error}")
    origin: Any = error.orig
    cause: Any = getattr(origin, "__cause__", None) or origin
    diag = getattr(cause, "diag", None)  # psycopg keeps the fields there
    return ServerReport(
        message=str(getattr(cause, "message", None) or getattr(diag, "message_primary", None) or cause),
        sqlstate=getattr(cause, "sqlstate", None)
        or getattr(origin, "sqlstate", None)
        or getattr(cause, "sqlite_errorname", None),
        detail=getattr(cause, "detail", None) or getattr(diag, "message_detail", None),
        hint=getattr(cause, "hint", None) or getattr(diag, "message_hint", None),
        statement=error.statement,
        position=_number(getattr(cause, "position", None) or getattr(diag, "statement_position", None)),
    )


def _number(text: Any) -> int | None:
    return int(text) if text and str(text).isdecimal() else None


def database_error(error: BaseException, database: str, redact: Callable[[str], str]) -> DatabaseError:
    """Build the error for what the server refused outside any revision."""
    report = read_error(error)
    hint = _REFUSED.get(report.sqlstate or "")
    return DatabaseError(redact(f"{database}: {report.message}"), sqlstate=report.sqlstate, hint=hint)


def line_in(path: Path, error: BaseException) -> int | None:
    """The line of ``path`` that was running, innermost; ``None`` when the error did not pass through it."""
    own = path.resolve()
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path) or Path(frame.filename).resolve() == own
    ]
    return lines[-1] if lines else None


def line_running(path: Path) -> int | None:
    """The line of ``path`` that is running now, innermost; ``None`` when none of it called the caller."""
    own = path.resolve()
    for frame, line in traceback.walk_stack(None):
        filename = frame.f_code.co_filename
        if filename.endswith(path.name) and Path(filename).resolve() == own:
            return line
    return None


def step_failed(  # noqa: PLR0913  # one argument for each fact of the message
    error: BaseException,
    *,
    revision: str,
    description: str,
    operation: str,
    path: Path | None,
    place: Callable[[int | None], Place | None],
    succeeded: Sequence[str],
    redact: Callable[[str], str],
    left: Left = Left.NOTHING,
) -> StepFailedError:
    """Build the error that tells a person what to fix and what to run afterwards."""
    report = _discreet(read_error(error))
    title = f"{revision} ({description})" if description else revision
    cause = error.message if isinstance(error, HeadwayError) else report.message
    at = place(report.position)
    return StepFailedError(
        redact(f"{operation} of revision {title} failed: {cause}"),
        revision=revision,
        path=path,
        line=at.line if at else line_in(path, error) if path else None,
        column=at.column if at else None,
        excerpt=redact(at.excerpt) if at and at.excerpt else None,
        statement=redact(shown(report.statement)) if report.statement else None,
        sqlstate=report.sqlstate,
        detail=redact(report.detail) if report.detail else None,
        server_hint=redact(report.hint) if report.hint else None,
        succeeded=succeeded,
        hint=_advice(error, report, operation, left),
    )


def _discreet(report: ServerReport) -> ServerReport:
    """The report without what may repeat a secret of its statement, as DETAIL and messages do."""
    statement = report.statement
    if statement is None or not is_confidential(statement):
        return report
    message = report.message
    if (report.sqlstate or "").startswith(_DATA_EXCEPTION) or tells_literal(message, statement):
        message = "the server refused a statement that may hold a secret; its words are not shown"
    return replace(report, message=message, detail=None, hint=None)


def _advice(error: BaseException, report: ServerReport, operation: str, left: Left) -> str:
    if isinstance(error, HeadwayError) and error.hint:
        return error.hint
    todo, again = _todo(report, left), f"run `headway {operation}` again"
    match left:
        case Left.NOTHING:
            return f"{todo} then {again}: this revision was rolled back whole."
        case Left.STATEMENTS:
            return f"{todo} then {again}: it goes on at this statement, those before it stay done."
        case Left.REMAINS:
            return f"{todo} drop the INVALID index if it left one, and {again}: nothing was done before it."
        case Left.PART:
            return (
                f"What the revision committed before this is still there, so it cannot just be run again. "
                f"{todo} undo by hand what is there, `headway stamp` where the database then stands and "
                f"{again}; or finish it by hand and stamp that."
            )


def _todo(report: ServerReport, left: Left) -> str:
    """What to do first, by SQLSTATE (PostgreSQL manual, appendix A)."""
    if report.sqlstate == _IN_A_TRANSACTION and left is Left.STATEMENTS:
        return (
            "headway took this statement for one that may run in a transaction: take it out of the revision "
            "and run it by hand,"
        )
    statement = (report.statement or "").strip().rstrip(";")
    if report.sqlstate == _SYNTAX_ERROR and ";" in statement:
        return (
            "If this string holds several statements, give each its own op.execute(): asyncpg prepares one "
            "statement at a time;"
        )
    if report.sqlstate in _NO_EXTENSION and statement.upper().startswith("CREATE EXTENSION"):
        return f"This server does not carry that extension: {A_SERVER_WITH_IT},"
    return _TODO.get(report.sqlstate or "", "Fix the revision,")
