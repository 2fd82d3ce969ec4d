"""The journal of a revision that is not transactional: what is done, and whether it is still the same.

The ledger keeps it; here it is compared with the statements that the revision has now.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from headway.errors import DirtyError
from headway.planning import begins_anew, unfinished
from headway.remains import Begun
from headway.sqltext import is_confidential, presentable, uncommented

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headway.results import JournalledStatement, LedgerEntry

_SALT_BYTES = blake2b.SALT_SIZE
_DIGEST_BYTES = 16
# Errors that come before a statement does anything (PostgreSQL manual, appendix A): it does not parse, or
# something has its name. Others of their class may come late, from a function that an index calls.
_WORDED_WRONG = frozenset({"42601", "42P07"})


@dataclass(slots=True)
class Line:
    """A statement of the journal, as it stands now; shared by all attempts of a run.

    Attributes:
        statement: for people: redacted.
        digest: of text and parameters; ``None`` in a journal that a headway before 0.1 wrote.
        done: it is committed.
        rejected: the SQLSTATE with which the server refused it; ``None`` when it is done, or nobody knows.
        rowcount: of a statement that is done; ``None`` where it has none.
        cleared: what a rejected one had left was taken away.
        begun: what is known of the attempt that began it last.
        repaired: INVALID indexes that were dropped at this place, for it or for what had its place before.
    """

    statement: str
    digest: str | None = None
    done: bool = False
    rejected: str | None = None
    rowcount: int | None = None
    cleared: bool = False
    begun: Begun = field(default_factory=Begun)
    repaired: tuple[str, ...] = ()

    @property
    def worded_wrong(self) -> bool:
        """Whether the server refused it before it did anything, so that nothing can be left of it."""
        return self.rejected in _WORDED_WRONG

    def is_of(self, statement: str, shown: str, parameters: object) -> bool:
        """Whether this is the line of that very statement with those very parameters."""
        if self.digest is None:
            return self.statement == shown
        salt, _, _ = self.digest.partition(":")
        return self.digest == digest(statement, parameters, salt=bytes.fromhex(salt))


def lines_of(journalled: Iterable[JournalledStatement]) -> list[Line]:
    """The lines of the ledger's journal."""
    return [
        Line(
            line.statement,
            line.digest,
            line.finished_at is not None,
            line.rejected,
            line.rowcount,
            begun=Begun(line.indexes_before, line.backend_pid, line.backend_start),
            repaired=line.repaired,
        )
        for line in journalled
    ]


def journal_to_resume(dirty: LedgerEntry, *, transactional: bool) -> tuple[JournalledStatement, ...]:
    """What the interrupted attempt at a revision has done, for the next one to go on with.

    Args:
        dirty: the attempt's entry.
        transactional: what the revision says of itself now.

    Returns:
        Nothing, also where it begins anew: it is transactional, and had its very first statement refused.

    Raises:
        DirtyError: it said the opposite then; or it is transactional and left its transaction, so that nobody
            can tell what of it is done, and beginning anew would do that twice.
    """
    if begins_anew(dirty):
        return ()
    if transactional is not dirty.transactional:
        moved = "taken out of" if transactional else "put into"
        raise DirtyError(
            dirty.revision,
            f"{dirty.operation.value} of {dirty.revision} was interrupted after {dirty.statements_done} of "
            f"its statements, and since then `transactional = False` was {moved} its file",
            statements_done=dirty.statements_done,
            hint="Put that back as it was and run the command again; or finish the work by hand, "
            "then `headway stamp` the revision.",
        )
    if transactional:
        raise unfinished(dirty)
    return dirty.journal


def digest(statement: str, parameters: object, *, salt: bytes | None = None) -> str:
    """A fingerprint of a statement and its parameters, in ASCII whatever the database's encoding.

    Layout and comments do not count. Of a statement that may hold a secret the literals do not count either:
    a digest of a short password can be guessed. It is salted for the sake of secrets among the parameters.

    Args:
        statement: its text.
        parameters: as the driver gets them: a sequence or mapping, or a sequence of these.
        salt: of the digest to compare with; a new one by default.

    Returns:
        The salt and the hash in hexadecimal, with a colon between.
    """
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    text = presentable(statement) if is_confidential(statement) else " ".join(uncommented(statement).split())
    said = f"{text}\0{_written(parameters)}".encode("utf-8", "backslashreplace")
    return f"{salt.hex()}:{blake2b(said, digest_size=_DIGEST_BYTES, salt=salt).hexdigest()}"


def _written(value: Any) -> str:
    """A parameter in letters, the same in every process."""
    if isinstance(value, Mapping):
        return f"{{{','.join(sorted(f'{key}={_written(item)}' for key, item in value.items()))}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, set | frozenset):
        return f"{{{','.join(sorted(map(_written, value)))}}}"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"x{bytes(value).hex()}"
    # What says no more of itself than where it lies in memory is told by its type alone.
    mute = getattr(type(value), "__repr__", None) is object.__repr__
    return type(value).__qualname__ if mute else ascii(value)


class Journal:
    """The journal beside one attempt at the revision: which line comes next.

    Args:
        revision: the revision, for errors.
        lines: of all attempts so far; appended to.
    """

    def __init__(self, revision: str, lines: list[Line]) -> None:
        self._revision = revision
        self.lines = lines
        self.position = 0

    @property
    def done(self) -> int:
        """How many statements are done."""
        return sum(line.done for line in self.lines)

    @property
    def next(self) -> Line | None:
        """The line at this position; ``None`` beyond the last one."""
        return self.lines[self.position] if self.position < len(self.lines) else None

    @property
    def rest(self) -> list[Line]:
        """The lines from this position on; empty when the revision has come to the journal's end."""
        return self.lines[self.position :]

    def put(self, line: Line) -> None:
        """Put a line at this position, in place of the one there."""
        self.lines[self.position : self.position + 1] = [line]

    def differs(self, line: Line, shown: str) -> DirtyError:
        """The error for a statement that is not the one that was journalled."""
        if line.statement == shown:
            what = f"statement {self.position + 1} has other parameters than those in the journal:\n  {shown}"
            hint = (
                "What a statement is given must be the same whenever the revision runs: have the database "
                "compute what changes (now(), gen_random_uuid()), or find out what is left by a SELECT that "
                "asks for it batch by batch. Otherwise finish by hand, then `headway stamp` the revision."
            )
        else:
            what = (
                f"statement {self.position + 1} is not the one that was journalled:\n"
                f"  journal:  {line.statement}\n  revision: {shown}"
            )
            hint = (
                "The revision was changed after it had run in part, or it says something only as long as "
                "that is not there (create_table() makes an enum type so). Put back what had run as it was, "
                "said in any case (what the server refused may change), and run the command again; or finish "
                "the work by hand, then `headway stamp` the revision."
            )
        return DirtyError(self._revision, what, statements_done=self.done, hint=hint)

    def require_whole(self) -> None:
        """Return when the revision still had every statement that was begun; a refused one may be missing.

        Raises:
            DirtyError: it ended too soon.
        """
        missing = [line for line in self.rest if line.rejected is None]
        if missing:
            raise DirtyError(
                self._revision,
                f"the revision ended after {self.position} statements; the journal has one more:\n"
                f"  {missing[0].statement}",
                statements_done=self.done,
                hint="Put the revision back as it was when it began, and run the command again.",
            )
