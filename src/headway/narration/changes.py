"""Applied revisions that are not what was applied, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway import results
from headway.errors import ChangedRevisionsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.results import Application, RevisionChange

_HOW = {results.Operation.STAMP: "stamped", results.Operation.BASELINE: "found applied"}
_WAY_BACK = (
    "Put the files back as they were, which version control knows, and make a new revision for the change. "
    "If the database is right and the files are, too, "
)


def changed_error(database: str, found: Sequence[RevisionChange]) -> ChangedRevisionsError:
    """The error for applied revisions that are not what was applied."""
    noun, verb = ("revision", "is") if len(found) == 1 else ("revisions", "are")
    lines = [f"{len(found)} applied {noun} of {database} {verb} not what was applied:"]
    gone = [results.Alteration.DELETED in change.changes for change in found]
    actions = [*(["forget"] if any(gone) else []), *([] if all(gone) else ["accept"])]
    commands = [f"`headway repair --action {action} --reason TEXT`" for action in actions]
    return ChangedRevisionsError(
        "\n".join([*lines, *(f"  {in_words(change)}" for change in found)]),
        found,
        hint=f"{_WAY_BACK}{' and '.join(commands)} put{'s' if len(commands) == 1 else ''} that on record.",
    )


def in_words(change: RevisionChange) -> str:
    """One change in a line: which revision, what changed, when it was applied and by whom."""
    said = []
    if results.Alteration.EDITED in change.changes:
        said.append("edited")
    if results.Alteration.REPARENTED in change.changes:
        said.append(f"re-parented: it came after {_names(change.was_after)}, now {_names(change.is_after)}")
    if results.Alteration.DELETED in change.changes:
        said.append("deleted: no file here holds it")
    return f"{change.revision} {' and '.join(said)}; {origin(change.application)}"


def origin(application: Application) -> str:
    """When a revision was applied, and by whom."""
    how = _HOW.get(application.operation, "applied")
    person = f"{application.os_user} on {application.host}"
    if application.database_user:  # nobody logs in to a file
        person = f"{application.database_user} ({person})"
    return f"{how} {application.recorded_at:%Y-%m-%d %H:%M} UTC by {person}"


def _names(ids: Sequence[str]) -> str:
    return ", ".join(ids) or "nothing"
