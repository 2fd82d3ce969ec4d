"""What was read from revision files, kept by content so that a file is parsed once.

Derived data, so it lives where Python keeps its own (``__pycache__``, or below ``sys.pycache_prefix``), is
written only when Python may write bytecode, and is never needed: a missing, foreign or broken cache is
silently made anew.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from contextlib import suppress
from hashlib import blake2b
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from headway.revisions.source import Declaration, Remark, read_source

FORMAT = 1
"""Raised whenever the meaning of an entry changes, or what counts as a fault in a file does."""

FILE_NAME = "headway-revisions.json"


class SourceCache:
    """Declarations of one version location, by the digest of the file's content."""

    def __init__(self, location: Path) -> None:
        self._path = _cache_path(location)
        self._stored = _load(self._path) if self._path else {}
        self._used: dict[str, Any] = {}

    def read(self, source: bytes) -> tuple[Declaration | None, list[Remark]]:
        """As ``read_source``, from the cache when this content was seen before.

        Only content without fault is kept: whether a file parses depends on the Python that asks.
        """
        digest = blake2b(source, digest_size=20).hexdigest()
        declaration = _decoded(self._stored.get(digest))
        remarks: list[Remark] = []
        if declaration is None:
            declaration, remarks = read_source(source)
        if declaration is not None and not remarks:
            self._used[digest] = _encoded(declaration)
        return declaration, remarks

    def save(self) -> None:
        """Write what was used, and only that, if it differs from what is stored; failing to is no error."""
        if self._path is None or sys.dont_write_bytecode or self._used == self._stored:
            return
        with suppress(OSError):
            _replace(self._path, json.dumps({"format": FORMAT, "files": self._used}).encode())


def _cache_path(location: Path) -> Path | None:
    try:
        return Path(cache_from_source(str(location / "any.py"))).with_name(FILE_NAME)
    except NotImplementedError:  # this Python keeps no bytecode, so there is no place for it
        return None


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    match content:
        case {"format": format_, "files": dict() as files} if format_ == FORMAT:
            return files
    return {}


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


def _replace(path: Path, content: bytes) -> None:
    """Readers see the old content or the new, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)  # noqa: PTH105  # the same call; Path.replace would return a path nobody needs
    except OSError:
        draft.unlink(missing_ok=True)
        raise
