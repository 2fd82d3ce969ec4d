"""From version locations to a graph: which files count, and what they say.

Which names count follows ``alembic.script.base`` (``Script._list_py_dir`` and ``Script._from_path``), so
that both commands see the same revisions.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from headway.integrity import digest
from headway.revisions.cache import SourceCache, looks
from headway.revisions.faults import VERSION_COLUMN_LENGTH, Fault, find_faults, graph_error
from headway.revisions.graph import Graph
from headway.revisions.links import Revision
from headway.sqlfiles import is_candidate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headway.revisions.source import Declaration, Remark

_SOURCE_NAME = re.compile(r"(?!\.#|__init__).*\.py")
_COMPILED_NAME = re.compile(r"(?!\.#|__init__)(.*\.py)[co]")
_NAME_WITH_ID = re.compile(r"([a-f0-9]+)\.py")
"""Alembic 0.1 took the id from the file's name, and Alembic still does when the file assigns none."""


def read_graph(
    locations: Sequence[Path],
    *,
    recursive: bool = False,
    sourceless: bool = False,
    version_column_length: int = VERSION_COLUMN_LENGTH,
) -> Graph:
    """Read every revision of these folders, in Python and in SQL, executing none.

    Args:
        locations: folders of revision files; one that does not exist counts as empty, as in Alembic.
        recursive: look into folders below too (Alembic's ``recursive_version_locations``).
        sourceless: Alembic's setting of that name. headway needs the source, so a revision of which only
            bytecode is there is reported.
        version_column_length: how many characters the version table has room for.

    Returns:
        The graph; an empty one when there are no files.

    Raises:
        GraphError: something is wrong with the files; all of it is listed.
    """
    revisions, faults = read_revisions(locations, recursive=recursive, sourceless=sourceless)
    if not faults:
        return Graph(revisions, version_column_length=version_column_length)
    read = {revision.path for revision in revisions}
    unread = [fault.path for fault in faults if fault.path not in read]
    raise graph_error(
        [*faults, *find_faults(revisions, version_column_length=version_column_length, unread=unread)]
    )


def read_revisions(
    locations: Sequence[Path], *, recursive: bool = False, sourceless: bool = False
) -> tuple[list[Revision], list[Fault]]:
    """Read the files of :func:`read_graph` one by one, without looking at how they hang together.

    Returns:
        The revisions, as far as their ids can be told, and what is wrong with single files.
    """
    revisions: list[Revision] = []
    faults: list[Fault] = []
    pairs: list[Path] = []
    seen: set[str] = set()
    for location in locations:
        root = os.path.realpath(location)
        cache = SourceCache(Path(root))
        try:
            paths = list(file_paths(root, recursive=recursive, sourceless=sourceless))
        except OSError as error:
            faults.append(Fault(Path(error.filename or root), 1, f"cannot be read: {error.strerror}"))
            continue
        for path in paths:
            if path in seen:
                continue
            seen.add(path)
            if path.lower().endswith(".sql"):
                pairs.append(Path(path))
            else:
                _read_file(path, cache, revisions, faults)
        cache.save()
    if pairs:
        from headway.revisions.pairs import read_pairs  # with it comes all that reads SQL

        revisions += read_pairs(pairs, tuple(revisions), faults)
    return revisions, faults


def holds_sql(locations: Sequence[Path], *, recursive: bool = False) -> bool:
    """Whether there is an SQL revision, or half of one, in these folders; opens no file."""
    return any(
        path.lower().endswith(".sql")
        for location in locations
        for path in file_paths(os.path.realpath(location), recursive=recursive, sourceless=False)
    )


def file_paths(folder: str, *, recursive: bool, sourceless: bool) -> Iterator[str]:
    """Paths as strings: with thousands of files, every ``Path`` less is a millisecond for each hundred."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    files = [entry for entry in entries if not entry.is_dir()]
    for entry in files:
        if _SOURCE_NAME.fullmatch(entry.name):
            yield os.path.realpath(entry.path) if entry.is_symlink() else entry.path
        elif is_candidate(entry.name):
            yield entry.path  # a link is not followed: its other half lies beside it
    if sourceless:
        yield from _compiled_only(Path(folder), [entry.name for entry in files])
    if recursive:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and entry.name != "__pycache__":
                yield from file_paths(entry.path, recursive=recursive, sourceless=sourceless)


def _compiled_only(folder: Path, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        compiled = _COMPILED_NAME.fullmatch(name)
        if compiled and compiled[1] not in names:
            yield str(folder / name)
    stems = {name.partition(".")[0] for name in names}
    for path in sorted(folder.glob("__pycache__/*.py[co]")):
        if _COMPILED_NAME.fullmatch(path.name) and path.name.partition(".")[0] not in stems:
            yield str(path)


def _read_file(file: str, cache: SourceCache, revisions: list[Revision], faults: list[Fault]) -> None:
    path = Path(file)
    if file.endswith((".pyc", ".pyo")):
        message = (
            "only its bytecode is here; headway reads a revision's source, so put the .py file beside it"
        )
        faults.append(Fault(path, 1, message))
        return
    try:
        key, declaration, remarks = _declared(file, cache)
    except OSError as error:
        faults.append(Fault(path, 1, f"cannot be read: {error.strerror}"))
        return
    id_ = _identifier(declaration, path) if declaration else None
    if declaration and id_ is None:
        faults.append(Fault(path, 1, _NO_ID))
        return
    faults.extend(Fault(path, line, message) for line, message in remarks)
    if declaration is None or id_ is None:
        return
    revisions.append(
        Revision(
            id=id_,
            parents=declaration.parents,
            depends_on=declaration.depends_on,
            labels=declaration.labels,
            description=declaration.description,
            path=path,
            line=declaration.line,
            digest=key,
        )
    )


def _declared(path: str, cache: SourceCache) -> tuple[str, Declaration | None, list[Remark]]:
    """The digest of a file, what it declares, and what is wrong with it; unopened, where it is known."""
    known = cache.recall(path)
    if known is not None:
        return *known, []
    looked = looks(path)
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # half the time of Path.read_bytes
        source = file.readall()
    declaration, remarks = cache.read(source)
    key = digest(source)
    cache.remember(path, looked, key)
    return key, declaration, remarks


def _identifier(declaration: Declaration, path: Path) -> str | None:
    if declaration.revision is not None:
        return declaration.revision
    by_name = _NAME_WITH_ID.fullmatch(path.name)
    return by_name[1] if by_name else None


_NO_ID = "assigns no `revision`; add it, or move the file out of the version location if it is not a revision"
