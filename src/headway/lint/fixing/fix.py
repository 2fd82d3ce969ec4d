"""What can be mended in a revision's text, and the text once it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.lint.fixing import python, sql

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headway.lint.subject import Subject
    from headway.results import Finding

MENDED = frozenset(
    {
        "index-not-concurrent",
        "drop-index-not-concurrent",
        "concurrently-in-transaction",
        "concurrently-if-not-exists",
    }
)
"""The rules whose findings may be mended; all others are left to their recipes."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A revision's text.

    Attributes:
        source: mended, or as it was.
        done: what was mended, one line each; empty when nothing was.
    """

    source: str
    done: tuple[str, ...] = ()


def fix(subject: Subject, findings: Iterable[Finding]) -> Fixed:
    """Mend what is mechanical: an index built or dropped with nothing beside it becomes CONCURRENTLY.

    Comments and layout stay as they are. What was mended is not found again, so that a second time nothing
    happens. It is for the caller to leave revisions alone that are applied somewhere.

    Args:
        subject: the revision; its upgrade.
        findings: what was found in it; silenced ones are left alone.
    """
    lines = {
        finding.line: finding.rule
        for finding in findings
        if finding.rule in MENDED and finding.silenced is None and finding.path == subject.step.path
    }
    if not lines:
        return Fixed(subject.source)
    mender = sql if subject.step.path.suffix == ".sql" else python
    source, done = mender.mended(subject.source, {line for line in lines if line is not None})
    return Fixed(source, tuple(done))
