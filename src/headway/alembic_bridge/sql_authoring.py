"""Write the two files of an SQL revision."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from alembic.util import to_list

from headway.alembic_bridge.drafting import Draft, graph_of, verify
from headway.errors import ConfigurationError, HeadwayError, ResolutionError
from headway.planning import resolve
from headway.results import RevisionReport
from headway.sqlfiles import DOWN, UP, Pair, new_names, written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.project import Project
    from headway.revisions import Graph


def write_pair(
    project: Project,
    draft: Draft,
    parents: Sequence[str] | None = None,
    *,
    bodies: tuple[str, str] | None = None,
) -> RevisionReport:
    """Write an SQL revision: one file that applies it, and one that undoes it.

    Args:
        project: where they go.
        draft: what they are to be.
        parents: the heads that it joins, in place of the one that the draft follows.
        bodies: what both files hold; ``None`` leaves them for a person to fill.

    Raises:
        ConfigurationError: the draft's message, id, label or place cannot be used.
        ResolutionError: what it follows or depends on does not exist, or has a successor already.
        HeadwayError: the files cannot be written; none is left behind.
    """
    graph = graph_of(project)
    verify(graph, draft)
    followed = tuple(_parents(graph, draft) if parents is None else parents)
    folder = _folder(project, graph, draft, followed)
    message = draft.message or "empty message"
    taken = {revision.path.name[:14] for revision in graph.revisions.values()} | set(graph.revisions)
    version, name = new_names(message, datetime.now(UTC), taken)
    pair = Pair(
        revision=draft.rev_id or version,
        parents=followed,
        message=message,
        depends_on=tuple(_needed(graph, name) for name in to_list(draft.depends_on, [])),
        labels=(draft.branch_label,) if draft.branch_label else (),
    )
    paths = folder / f"{name}{UP}", folder / f"{name}{DOWN}"
    _write(dict(zip(paths, written(pair, name, bodies), strict=True)))
    return RevisionReport(revision=pair.revision, paths=paths)


def _parents(graph: Graph, draft: Draft) -> tuple[str, ...]:
    parents = resolve(graph, draft.head)
    for id_ in parents:
        if id_ not in graph.heads and not draft.splice:
            raise ResolutionError(
                draft.head,
                f"Revision {id_!r} is not a head: {', '.join(graph.children_of(id_))} follows it.",
                candidates=graph.heads,
                hint="To begin a new branch there, add --splice.",
            )
    return parents


def _needed(graph: Graph, name: str) -> str:
    return name if name in graph.labels else resolve(graph, name)[0]


def _folder(project: Project, graph: Graph, draft: Draft, parents: Sequence[str]) -> Path:
    """As Alembic chooses it: what was asked for, else the only one, else where the parent is."""
    locations = project.version_locations
    if draft.version_path is not None:
        asked = Path(draft.version_path).absolute()
        if asked not in [location.absolute() for location in locations]:
            known = ", ".join(map(str, locations))
            raise ConfigurationError("--version-path", f"{asked} is no version location; there are {known}")
        return asked
    if len(locations) == 1:
        return locations[0]
    if not parents:
        raise ConfigurationError(
            "--version-path", "there are several version locations; say which", example=str(locations[0])
        )
    return graph.revisions[parents[0]].path.parent


def _write(texts: dict[Path, str]) -> None:
    begun: list[Path] = []
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                begun.append(path)
                file.write(text)
    except OSError as error:
        for path in begun:
            path.unlink(missing_ok=True)
        raise HeadwayError(
            f"{error.filename or 'the revision files'}: cannot be written: {error.strerror}",
            hint="Revision files are written into the checkout; make that folder writable.",
        ) from error
