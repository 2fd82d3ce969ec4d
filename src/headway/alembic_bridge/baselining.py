"""Write a revision whose code is ready."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic.script import Script
from alembic.util import rev_id as new_id

from headway.alembic_bridge.drafting import Draft, graph_of, in_docstring, verify, written_whole
from headway.results import RevisionReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.alembic_bridge.environment import AlembicProject


def write_with_code(
    project: AlembicProject, draft: Draft, *, upgrades: str, downgrades: str, imports: Sequence[str]
) -> RevisionReport:
    """Write a revision from the project's template, its bodies filled in.

    Args:
        project: the project.
        draft: what the file is to be.
        upgrades: the body of ``upgrade()``, indented by four but for its first line.
        downgrades: the body of ``downgrade()``, likewise.
        imports: lines beside those that the template has.

    Raises:
        ConfigurationError: the draft's message or id cannot be used, or the template cannot.
        HeadwayError: the file cannot be written; none is left behind.
    """
    verify(graph_of(project.project), draft)
    id_ = draft.rev_id or new_id()
    with written_whole(project.project, [id_]):
        script = project.script.generate_revision(
            id_,
            in_docstring(draft.message or "empty message"),
            head=draft.head,
            refresh=True,
            version_path=draft.version_path,
            upgrades=upgrades,
            downgrades=downgrades,
            imports="\n".join(imports),
            config=project.config,
        )
        if not isinstance(script, Script):
            return RevisionReport(revision=None)
        return RevisionReport(script.revision, (Path(script.path),))
