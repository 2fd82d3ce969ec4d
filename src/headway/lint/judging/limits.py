"""Time limits that a revision's file takes away for all of its statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.lint import deeds
from headway.lint.alarms import Alarm
from headway.lint.sources import python_source
from headway.sqlfiles import read_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headway.lint.acts import Act
    from headway.lint.pen import Pen
    from headway.lint.subject import Subject

_LIMIT = "lock_timeout"


def limits_at_the_top(subject: Subject, acts: Sequence[Act], pen: Pen) -> Iterator[Alarm]:
    """``lock_timeout = 0`` in a revision's file, where any of its statements makes others queue."""
    said = _said(subject)
    if said is None or str(said[0]).strip().rstrip("mins ") not in {"0", ""}:
        return
    queued = [act for act in acts if not any(getattr(deed, "concurrently", False) for deed in act.deeds)]
    if any(not isinstance(deed, deeds.SetParameter) for act in queued for deed in act.deeds):
        yield Alarm(
            rule="lock-timeout-disabled",
            line=said[1],
            hazard="lock_timeout is taken away: each statement waits for its lock for ever, and all who "
            "come after it wait behind",
            recipe='lock_timeout = "2s"' if pen.python else "-- headway: lock_timeout=2s",
        )


def _said(subject: Subject) -> tuple[object, int] | None:
    if subject.step.path.suffix == ".sql":
        header, _ = read_header(subject.source)
        return (header.said[_LIMIT], header.line) if _LIMIT in header.said else None
    source = python_source(subject.source)
    return source.constant(_LIMIT) if source else None
