"""What can go wrong, as types.

Every error carries its data on attributes, builds its own message, and says in ``hint`` what to do
next. Callers branch on the type or on ``sqlstate``, never on message text. ``exit_code`` is what the
command line ends with; the numbers are part of the public contract and are never renumbered.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from headway.results import Peer, RevisionChange


INSUFFICIENT_PRIVILEGE = "42501"
"""PostgreSQL's code for what a role may not do (manual, appendix A)."""


class ExitCode(IntEnum):
    """How a command ended (design.md, section 4)."""

    DONE = 0
    FAILURE = 1
    USAGE = 2
    REFUSED = 3
    PENDING = 4
    DRIFT = 5
    FINDINGS = 6
    INTEGRITY = 7
    DIRTY = 8
    PARTIAL = 9
    LOCK_BUSY = 75
    INTERRUPTED = 130
    TERMINATED = 143


class HeadwayError(Exception):
    """Root of everything headway raises on purpose.

    Attributes:
        hint: what to do next, as one or more sentences or commands; ``None`` when there is nothing to add.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.FAILURE

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def message(self) -> str:
        """What happened, in one sentence or a short list; without facts and hint."""
        return str(self.args[0])

    def facts(self) -> list[str]:
        """What else is known, one line each; empty as a rule."""
        return []

    def __str__(self) -> str:
        return "\n".join([self.message, *self.facts(), *([f"hint: {self.hint}"] if self.hint else [])])


class ConfigurationError(HeadwayError):
    """A setting, URL or project file is wrong.

    Attributes:
        variable: the setting at fault as the user wrote it (``DATABASE_URL``, ``alembic.ini``, ``--url``).
        problem: what is wrong with it; never holds the secret itself.
        example: a value that would do.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, variable: str, problem: str, *, example: str | None = None) -> None:
        super().__init__(f"{variable}: {problem}", hint=f"For example: {example}" if example else None)
        self.variable = variable
        self.problem = problem
        self.example = example


class ResolutionError(HeadwayError):
    """A revision identifier names nothing, or more than one thing.

    Attributes:
        identifier: what the user wrote.
        candidates: the revisions it could mean; empty when it matches none.
    """

    exit_code = ExitCode.USAGE

    def __init__(
        self, identifier: str, message: str, *, candidates: Sequence[str] = (), hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.identifier = identifier
        self.candidates = tuple(candidates)


class GraphError(HeadwayError):
    """The revision files do not form a graph; every fault found is listed, not only the first.

    Attributes:
        problems: one line each, beginning with ``file:line:``.
        missing: ids that a file names as parent or dependency, and no file holds.
    """

    exit_code = ExitCode.INTEGRITY

    def __init__(
        self, problems: Sequence[str], *, missing: Sequence[str] = (), hint: str | None = None
    ) -> None:
        count = len(problems)
        noun = "problem" if count == 1 else "problems"
        super().__init__(
            f"{count} {noun} in the revision files:\n" + "\n".join(f"  {problem}" for problem in problems),
            hint=hint,
        )
        self.problems = tuple(problems)
        self.missing = tuple(missing)


class UnknownRevisionsError(HeadwayError):
    """The database stands at revisions that this checkout does not hold.

    Attributes:
        revisions: the unknown identifiers, as the version table has them.
    """

    exit_code = ExitCode.INTEGRITY

    def __init__(self, message: str, revisions: Sequence[str], *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.revisions = tuple(revisions)


class ChangedRevisionsError(HeadwayError):
    """Revisions that are applied are not what was applied: edited, re-parented or deleted since.

    Attributes:
        changes: one for each revision, with when it was applied and by whom.
    """

    exit_code = ExitCode.INTEGRITY

    def __init__(self, message: str, changes: Sequence[RevisionChange], *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.changes = tuple(changes)


class NotAtHeadError(HeadwayError):
    """The database is not at head, and the caller asked that it be.

    Attributes:
        state: the state's name.
        pending: the revisions that are missing, in the order they would run.
    """

    exit_code = ExitCode.PENDING

    def __init__(self, message: str, state: str, pending: Sequence[str], *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.state = state
        self.pending = tuple(pending)


class RefusedError(HeadwayError):
    """headway will not do this: it was not confirmed, or it would not be safe."""

    exit_code = ExitCode.REFUSED


class PlanMovedError(RefusedError):
    """A sealed plan is not for this database as it is, or not for these revisions as they are.

    Attributes:
        moved: what is not as it was when the plan was made, one line each.
    """

    def __init__(self, message: str, moved: Sequence[str], *, hint: str | None = None) -> None:
        super().__init__("\n".join([f"{message}:", *(f"  {line}" for line in moved)]), hint=hint)
        self.moved = tuple(moved)


class IrreversibleMigration(RefusedError):  # noqa: N818  # the word of those who know it from other engines
    """A downgrade cannot be run: what it would have to bring back is gone, or rows stand in its way."""


class TransactionOpenError(RefusedError):
    """The connection handed over has already begun a transaction.

    Alembic would report success and the caller's rollback would undo it in silence, so it is refused.
    """


class StartupInterruptedError(HeadwayError):
    """An application's start-up was ended by a signal or cancelled; what was under way was rolled back.

    Attributes:
        signum: the signal that nobody else in the process was told of; ``None`` when there was none.
    """

    def __init__(self, message: str, *, signum: int | None = None) -> None:
        super().__init__(message)
        self.signum = signum


class EnvironmentFileError(HeadwayError):
    """The project's ``env.py`` cannot be used: it failed, or does not hand over to :mod:`headway.env`."""

    exit_code = ExitCode.USAGE


class ConnectionFailedError(HeadwayError):
    """The database could not be reached, or refused the connection.

    Attributes:
        sqlstate: PostgreSQL's five-character code when the server answered, else ``None``.
    """

    def __init__(self, message: str, *, sqlstate: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate


class DatabaseError(HeadwayError):
    """The server refused something headway asked of it on its own account, outside any revision.

    Attributes:
        sqlstate: PostgreSQL's five-character code, ``None`` when the connection broke.
    """

    def __init__(self, message: str, *, sqlstate: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate


class LockBusyError(HeadwayError):
    """Another migrator held the lock until the deadline.

    Attributes:
        holder: who holds it; ``None`` when it let go just then or may not be seen.
        waited_s: how long was waited, in seconds.
    """

    exit_code = ExitCode.LOCK_BUSY

    def __init__(
        self, message: str, holder: Peer | None, waited_s: float, *, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.holder = holder
        self.waited_s = waited_s


class LockLostError(HeadwayError):
    """The migrator lock was gone when a step came to write its version, or was about to begin.

    The message says whether the step was rolled back. A step whose connection broke in COMMIT is committed,
    and those after it do not begin, when another migrator took the lock meanwhile.

    Attributes:
        revision: the step's revision.
    """

    def __init__(self, revision: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.revision = revision


class CapabilityError(RefusedError):
    """This server, as it is reached, cannot be migrated safely; nothing was written.

    Attributes:
        capability: which one is missing: ``session`` (a pooler in transaction mode), ``primary`` (a standby),
            ``writable``, ``create`` (the privilege), ``ledger`` (the role may not write it), ``version`` (the
            server is too old), or ``extension NAME`` (the server does not carry it).
    """

    def __init__(self, capability: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.capability = capability


class BackupFailedError(HeadwayError):
    """The backup that was to come first did not succeed; no revision was run.

    Attributes:
        command: what was run, redacted.
        output: the end of what it printed, redacted; "" when it printed nothing.
    """

    def __init__(self, command: str, how: str, output: str) -> None:
        super().__init__(
            f"the backup {how}, and so no revision was run: {command}",
            hint="Mend the command and run it again; it finds the database by PGHOST, PGPORT, PGUSER, "
            "PGPASSWORD and PGDATABASE.",
        )
        self.command = command
        self.output = output

    def facts(self) -> list[str]:
        """What the command printed at its end."""
        return [f"output: {self.output}"] if self.output else []


class OutcomeUnknownError(HeadwayError):
    """The connection broke during COMMIT and the server cannot say whether it took effect.

    It is never tried again by itself.

    Attributes:
        revision: the revision whose outcome is unknown.
        transaction: PostgreSQL's transaction id, which ``pg_xact_status`` knows; ``None`` when
            it was not learnt.
    """

    def __init__(
        self, revision: str, message: str, *, transaction: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.revision = revision
        self.transaction = transaction


class DirtyError(HeadwayError):
    """A revision that is not transactional was interrupted, and what is there does not let it go on.

    Attributes:
        revision: the revision.
        statements_done: how many of its statements are done.
    """

    exit_code = ExitCode.DIRTY

    def __init__(
        self, revision: str, message: str, *, statements_done: int = 0, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.revision = revision
        self.statements_done = statements_done


class LedgerError(HeadwayError):
    """The ledger cannot be used: a foreign table has its name, or its hash chain is broken."""

    exit_code = ExitCode.INTEGRITY


class EmbeddedServerError(HeadwayError):
    """The embedded PostgreSQL could not be found, initialised or started."""


class VersionConflictError(HeadwayError):
    """The version table did not hold what this run expected when it came to write it.

    Somebody else changed it; the step was rolled back.

    Attributes:
        revision: the revision that was being applied or undone.
    """

    def __init__(self, revision: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.revision = revision


class StepFailedError(HeadwayError):
    """A revision failed; schema and version are as they were before it.

    Attributes:
        revision: the revision that failed.
        path: its file; ``None`` for a stamp.
        line: the line in that file that was running; ``None`` when it cannot be told.
        column: in an SQL revision the character of that line at which PostgreSQL points, counted from 1; else
            ``None``.
        excerpt: that line and a caret below; ``None`` as ``column``, and where it may hold a secret.
        statement: the SQL that failed, secrets redacted; ``None`` when Python failed before any SQL.
        sqlstate: PostgreSQL's five-character code; ``None`` when the error did not come from the server.
        detail: PostgreSQL's DETAIL; ``None`` when it gave none.
        server_hint: PostgreSQL's HINT; ``None`` when it gave none.
        succeeded: revisions that were completed earlier in the same run, in order.
    """

    def __init__(  # noqa: PLR0913  # one argument for each fact the message holds
        self,
        message: str,
        *,
        revision: str,
        path: Path | None,
        line: int | None = None,
        column: int | None = None,
        excerpt: str | None = None,
        statement: str | None = None,
        sqlstate: str | None = None,
        detail: str | None = None,
        server_hint: str | None = None,
        succeeded: Sequence[str] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.revision = revision
        self.path = path
        self.line = line
        self.column = column
        self.excerpt = excerpt
        self.statement = statement
        self.sqlstate = sqlstate
        self.detail = detail
        self.server_hint = server_hint
        self.succeeded = tuple(succeeded)

    def facts(self) -> list[str]:
        """The place in the file, statement, SQLSTATE, PostgreSQL's detail and hint, what succeeded before."""
        known = {
            "file": ":".join(str(part) for part in (self.path, self.line, self.column) if part),
            "at": self.excerpt and f"\n{self.excerpt}",
            "statement": self.statement,
            "sqlstate": self.sqlstate,
            "detail": self.detail,
            "server hint": self.server_hint,
            "succeeded before": ", ".join(self.succeeded),
        }
        return [f"{name}: {value}" for name, value in known.items() if value]
