"""What a bundle holds, and what came of applying it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class BundleReport:
    """A bundle that was written.

    Attributes:
        folder: where.
        paths: its files, the manifest last.
        before: the version table's rows that it is made for; empty for none.
        after: its rows afterwards.
        revisions: in the order they are applied.
        manual: those of them that headway must apply, because they read data or cannot be written as SQL.
        irreversible: those whose way back is not in ``rollback.sql``.
        oracle: the server that was watched for the review; ``None`` when none was.
        unwatched: why none was, in words.
    """

    folder: Path
    paths: tuple[Path, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    revisions: tuple[str, ...]
    manual: tuple[str, ...] = ()
    irreversible: tuple[str, ...] = ()
    oracle: str | None = None
    unwatched: str | None = None


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """Whether a database is what a run of headway would have left.

    Attributes:
        database: which, masked.
        current: the version table's rows.
        expected: the rows that it should have.
        differences: what is not as a run would have left it, a line each; empty when nothing is.
        compared: what was compared, in words.
    """

    database: str
    current: tuple[str, ...]
    expected: tuple[str, ...]
    differences: tuple[str, ...] = ()
    compared: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether there are no differences."""
        return not self.differences
