"""Look after the revision files of a project: its ``versions.lock``, and what follows what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway import lockfile
from headway.errors import HeadwayError, RefusedError
from headway.lockfile import lock_path
from headway.rebasing import plan_rebase, replace_whole, rewritten
from headway.results import LockReport, RevisionReport
from headway.revisions import read_graph

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from headway.project import Project
    from headway.revisions import Graph


def write_lock(project: Project, graph: Graph) -> LockReport:
    """Write ``versions.lock``, whatever is there.

    Raises:
        HeadwayError: it cannot be written.
    """
    path = lock_path(project)
    try:
        before = path.read_bytes()
    except OSError:
        before = None
    text = lockfile.rendered(graph).encode()
    if text != before:
        _replace(path, text)
    return LockReport(path, before is not None, ("it was out of date",) if before not in {None, text} else ())


def compare_lock(project: Project, graph: Graph) -> LockReport:
    """Compare ``versions.lock`` with the files, contents included."""
    path = lock_path(project)
    locked = lockfile.read(path)
    if locked is None:
        return LockReport(path, exists=False)
    return LockReport(path, exists=True, problems=tuple(lockfile.disagreements(graph, locked, contents=True)))


def keep_lock(project: Project, graph: Graph) -> None:
    """Bring ``versions.lock`` up to date, where there is one."""
    if lock_path(project).exists():
        write_lock(project, graph)


def move(
    project: Project, graph: Graph, revision: str | None, onto: str | None, applied: Collection[str]
) -> RevisionReport:
    """Rebase; see :func:`headway.rebasing.plan_rebase`.

    Raises:
        RefusedError: the file does not say its ``down_revision`` in a way that can be rewritten.
        GraphError: the revisions would not form a graph; the file is as it was.
    """
    plan = plan_rebase(graph, revision, onto, applied)
    if plan is None:
        return RevisionReport(revision=None)
    path = plan.revision.path
    before = path.read_bytes()
    try:
        text = rewritten(before, plan.parent, plan.onto)
    except RefusedError as error:
        raise RefusedError(f"{path}: {error.message}", hint=error.hint) from None
    _replace(path, text)
    try:
        now = read_graph(
            project.version_locations, recursive=project.recursive, sourceless=project.sourceless
        )
    except HeadwayError:
        _replace(path, before)
        raise
    keep_lock(project, now)
    return RevisionReport(plan.revision.id, (path,))


def _replace(path: Path, text: bytes) -> None:
    try:
        replace_whole(path, text)
    except OSError as error:
        raise HeadwayError(
            f"{path} cannot be written: {error.strerror}", hint="It is as it was; make its folder writable."
        ) from error
