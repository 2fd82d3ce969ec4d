"""What is written, and what there is to write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headway.results.words import Change

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Rename:
    """A column or table that has, or may have, another name now.

    ``old`` is the name as the database has it, ``table.column`` or ``table``, with its schema in front when
    that is not the default one; ``new`` is the new name, qualified likewise. It reads ``old=new``.
    """

    old: str
    new: str

    @classmethod
    def parse(cls, text: str) -> Rename:
        """Read ``users.mail=users.email``.

        Raises:
            ValueError: it is not two names of columns with an equals sign between them.
        """
        old, _, new = (part.strip() for part in text.partition("="))
        if not old or not new or "." not in old or "." not in new:
            raise ValueError(text)
        return cls(old, new)

    def __str__(self) -> str:
        return f"{self.old}={self.new}"


@dataclass(frozen=True, slots=True)
class RevisionReport:
    """Files that ``revision`` or ``merge`` wrote; ``paths`` is empty when there was nothing to write.

    One change may need several files, in the order they run; ``revision`` is the last one's identifier.
    ``renames`` are probable ones that nobody decided on: the files drop the old name and add the new one.
    """

    revision: str | None
    paths: tuple[Path, ...] = ()
    renames: tuple[Rename, ...] = ()


_VERBS = {Change.ADDED: "add", Change.REMOVED: "remove", Change.CHANGED: "change"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the models have otherwise than the revisions make it.

    ``kind`` says what it is as SQL does (``table``, ``column``, ``index``, ``check constraint``, ``enum``).
    ``attribute`` is what changed of a column (``type``, ``nullable``, ``default``, ``comment``), ``None``
    where that is the whole. ``schema`` is ``None`` for the default one, ``table`` for what belongs to none.
    ``old`` is what the revisions make and ``new`` what the models hold, as SQL as a rule; ``None`` where
    there is none.
    """

    change: Change
    kind: str
    schema: str | None
    table: str | None
    name: str | None
    attribute: str | None = None
    old: str | None = None
    new: str | None = None

    @property
    def place(self) -> str | None:
        """The table's name with its schema."""
        return f"{self.schema}.{self.table}" if self.schema and self.table else self.table

    def __str__(self) -> str:
        names = {"table": self.place, "column": f"{self.place}.{self.name}"}
        subject = names.get(self.kind, self.name)
        words = f"{_VERBS[self.change]} {self.kind} {subject or ''}".rstrip()
        if self.attribute:
            return f"change {self.attribute} of {self.kind} {subject}: {self.old} to {self.new}"
        if self.place and self.kind not in {"table", "column"}:
            words += f" on {self.place}"
        what = " to ".join(text for text in (self.old, self.new) if text)
        return f"{words}: {what}" if what else words


@dataclass(frozen=True, slots=True)
class LockReport:
    """``versions.lock``: where it is or would be, whether it was there, and where files and it differ."""

    path: Path
    exists: bool
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the models hold that no revision creates, or the reverse; no ``changes`` when they agree."""

    database: str
    changes: tuple[Difference, ...] = field(default=())

    @property
    def differences(self) -> tuple[str, ...]:
        """The changes, one readable line each."""
        return tuple(map(str, self.changes))

    @property
    def clean(self) -> bool:
        """Whether models and migrations agree."""
        return not self.changes


@dataclass(frozen=True, slots=True)
class BaselineReport:
    """A database compared with what the revisions make of an empty one.

    Attributes:
        database: what it is called.
        revision: the one that it was compared with; ``None`` when the database holds nothing to write.
        paths: files that were written; empty when nothing was, as by ``verify_baseline``.
        differences: ``added`` is what only the database has, ``removed`` what only the revisions make.
        left: what the downgrade of the written revision leaves behind of what its upgrade made.
        failure: why the revisions could not be replayed; ``None`` as a rule.
        unspoken: what the database holds beside what is compared, and no revision was written for.
        servers: which PostgreSQL the database is on, and which one the revisions were replayed on; versions
            print the same thing differently at times.
        stamped: whether the database is on record as being at the revision.
    """

    database: str
    revision: str | None
    paths: tuple[Path, ...] = ()
    differences: tuple[Difference, ...] = ()
    left: tuple[Difference, ...] = ()
    failure: str | None = None
    unspoken: tuple[str, ...] = ()
    servers: tuple[str, str] = ("", "")
    stamped: bool = False

    @property
    def proven(self) -> bool:
        """Whether the revisions make exactly this database."""
        return not (self.differences or self.left or self.failure)
