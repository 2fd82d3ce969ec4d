"""What was read from revision files: a file is parsed once, and not opened while it stays as it is.

By content: what was parsed once is not parsed again, under whatever name. By name, with Git's rule for its
index: a file whose size, inode and times of change are what they were when it was read is taken to be the
same; unless it was so young then that a later write could have the same time.

Derived data, so it lives where Python keeps its own (``__pycache__``, or below ``sys.pycache_prefix``), is
written only when Python may write bytecode, and is never needed: a missing, foreign or broken cache is
silently made anew.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from headway.derived import SETTLED_NS, derived_path, keep_derived
from headway.integrity import digest
from headway.revisions.source import Declaration, Remark, read_source

FORMAT = 2
"""Raised whenever the meaning of an entry changes, or what counts as a fault in a file does."""

FILE_NAME = "headway-revisions.json"


class SourceCache:
    """Declarations of one version location, by the digest of the file's content."""

    def __init__(self, location: Path) -> None:
        self._path = _cache_path(location)
        self._stored, self._known = _load(self._path) if self._path else ({}, {})
        self._used: dict[str, Any] = {}
        self._seen: dict[str, list[Any]] = {}

    def recall(self, path: str) -> tuple[str, Declaration] | None:
        """The digest of a file that has not changed since it was read, and what it declares."""
        known = self._known.get(path)
        if known is None or self._path is None or known[:-1] != looks(path):
            return None
        entry = self._stored.get(known[-1])
        declaration = _decoded(entry)
        if declaration is None:
            return None
        self._seen[path] = known
        self._used[known[-1]] = entry
        return known[-1], declaration

    def remember(self, path: str, looked: list[int] | None, key: str) -> None:
        """Note how a file looked just before it was read, if it is settled."""
        if looked is not None and key in self._used and _settled(looked):
            self._seen[path] = [*looked, key]

    def read(self, source: bytes) -> tuple[Declaration | None, list[Remark]]:
        """As ``read_source``, from the cache when this content was seen before.

        Only content without fault is kept: whether a file parses depends on the Python that asks.
        """
        key = digest(source)
        declaration = _decoded(self._stored.get(key))
        remarks: list[Remark] = []
        if declaration is None:
            declaration, remarks = read_source(source)
        if declaration is not None and not remarks:
            self._used[key] = _encoded(declaration)
        return declaration, remarks

    def save(self) -> None:
        """Write what was used, and only that, if it differs from what is stored; failing to is no error."""
        if self._path is None or sys.dont_write_bytecode or self._unchanged():
            return
        content = json.dumps({"format": FORMAT, "files": self._used, "seen": self._seen})
        keep_derived(self._path, content.encode())

    def _unchanged(self) -> bool:
        return self._used == self._stored and self._seen == self._known


def looks(path: str) -> list[int] | None:
    """What a file's content does not change without; ``None`` when it is not there."""
    try:
        found = os.stat(path)  # noqa: PTH116  # a Path would double the time
    except OSError:
        return None
    return [found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns]


def _settled(looked: list[int]) -> bool:
    return max(looked[-2:]) < time.time_ns() - SETTLED_NS


def _cache_path(location: Path) -> Path | None:
    path = derived_path(str(location), FILE_NAME)
    return Path(path) if path is not None else None


def _load(path: Path) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}, {}
    match content:
        case {"format": format_, "files": dict() as files, "seen": dict() as seen} if format_ == FORMAT:
            return files, {name: known for name, known in seen.items() if isinstance(known, list) and known}
    return {}, {}


def _encoded(declaration: Declaration) -> list[Any]:
    return [
        declaration.revision,
        declaration.line,
        list(declaration.parents),
        list(declaration.depends_on),
        list(declaration.labels),
        declaration.description,
    ]


def _decoded(entry: object) -> Declaration | None:
    match entry:
        case [
            (str() | None) as revision,
            int() as line,
            list() as parents,
            list() as depends_on,
            list() as labels,
            str() as description,
        ] if all(isinstance(name, str) for name in (*parents, *depends_on, *labels)):
            return Declaration(revision, line, tuple(parents), tuple(depends_on), tuple(labels), description)
    return None
