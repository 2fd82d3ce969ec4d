"""What lint is given of a revision."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headway.lint.schema import Schema

if TYPE_CHECKING:
    from pathlib import Path

    from headway.results import StepReview


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One step of one revision, with what is needed to judge it.

    Attributes:
        step: the direction that is examined, its statements traced or not.
        source: the text of ``step.path``: a Python revision, or the ``.up.sql`` of one in SQL.
        undo: the other direction; ``None`` when the revision has none (no function, no file), or when it is
            not asked about, as of a downgrade.
        undo_path: the file of ``undo`` where it is one of its own (``.down.sql``); else ``None``.
        undo_source: its text.
        left: what both directions one after the other leave different, one line each; ``None`` when that was
            not tried.
        before: what the revisions before it made, as far as their text tells.
    """

    step: StepReview
    source: str
    undo: StepReview | None = None
    undo_path: Path | None = None
    undo_source: str | None = None
    left: tuple[str, ...] | None = None
    before: Schema = field(default_factory=Schema)
