"""What version locations look like from outside: whether anything changed in them; opens no file."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from headway.derived import SETTLED_NS
from headway.revisions.reading import file_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class Sighting:
    """How every file and folder looked at one moment, by the rule of :mod:`headway.revisions.cache`.

    A file that is edited in place does not change its folder, so each one is looked at; but their names are
    listed anew only where a folder has changed.

    Args:
        locations: folders of revision files; they need not exist.
        recursive: whether their subfolders count.
        beside: other files that count; they need not exist either.

    Raises:
        OSError: a folder cannot be listed.
    """

    __slots__ = ("_looks", "_taken_ns")

    def __init__(self, locations: Iterable[Path], *, recursive: bool, beside: Iterable[Path] = ()) -> None:
        # The folders first: what comes into one while its names are listed changes it afterwards.
        self._taken_ns = time.time_ns()
        roots = [os.fspath(location) for location in locations]
        folders = [folder for root in roots for folder in (_folders(root) if recursive else [root])]
        self._looks = {folder: _look(folder) for folder in folders}
        paths = [path for root in roots for path in file_paths(root, recursive=recursive, sourceless=False)]
        self._looks |= {path: _look(path) for path in [*paths, *map(os.fspath, beside)]}

    @property
    def settled(self) -> bool:
        """Whether all was so old that whatever is written later has another time."""
        newest = max((max(look[-2:]) for look in self._looks.values() if look), default=0)
        return newest < self._taken_ns - SETTLED_NS

    def still_holds(self) -> bool:
        """Whether everything looks as it did; ends at the first thing that does not."""
        return all(_look(path) == look for path, look in self._looks.items())


def _folders(root: str) -> Iterator[str]:
    for folder, below, _ in os.walk(root):
        below[:] = [name for name in below if name != "__pycache__"]
        yield folder


def _look(path: str) -> tuple[int, int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  # a Path for each of thousands would double the time
    except OSError:
        return None
    return found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns
