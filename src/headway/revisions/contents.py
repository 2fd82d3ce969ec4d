"""What revision files do, fingerprinted once: what was applied here before is not parsed again.

By content, so an entry holds for the same bytes under whatever name. Derived data like what
:mod:`headway.revisions.cache` keeps, and kept beside it: never needed, and silently made anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from headway.derived import derived_path, keep_derived

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = 1
"""Raised whenever :func:`headway.integrity.content` says something else of the same file."""

FILE_NAME = "headway-contents.json"


class Contents:
    """:func:`headway.integrity.content` of a folder's files.

    Args:
        folder: its path.

    Attributes:
        known: of each file, by its :func:`headway.integrity.digest`; to be read and added to.
    """

    def __init__(self, folder: str) -> None:
        path = derived_path(folder, FILE_NAME)
        self._path = None if path is None else Path(path)
        self._stored = {} if self._path is None else _load(self._path)
        self.known = dict(self._stored)

    def save(self, digests: Iterable[str]) -> None:
        """Write what is known of these files, if it differs from what is stored; failing to is no error."""
        kept = {key: self.known[key] for key in digests if key in self.known}
        if self._path is not None and kept != self._stored:
            keep_derived(self._path, json.dumps({"format": FORMAT, "contents": kept}).encode())
            self._stored = kept


def _load(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    match content:
        case {"format": format_, "contents": dict() as contents} if format_ == FORMAT:
            return {key: value for key, value in contents.items() if isinstance(value, str)}
    return {}
