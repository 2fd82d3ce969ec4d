"""Where derived data is kept: with Python's own, and only when Python may write bytecode."""

from __future__ import annotations

import os
import sys
from importlib.util import cache_from_source
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SETTLED_NS = 2_000_000_000
"""How old a file's last change must be when it is looked at, in nanoseconds, for a later write to be sure to
have another time: FAT counts it in steps of 2 s."""


def derived_path(folder: str, name: str) -> str | None:
    """Where to keep what was derived from a folder's files; ``None`` where this Python keeps no bytecode.

    Args:
        folder: its path.
        name: of the file that is kept, in ``__pycache__`` or below ``sys.pycache_prefix``.
    """
    try:
        return os.path.join(os.path.dirname(cache_from_source(os.path.join(folder, "any.py"))), name)  # noqa: PTH118, PTH120  # a probe does without pathlib
    except NotImplementedError:
        return None


def keep_derived(path: Path, content: bytes) -> None:
    """Write a file whole: readers see the old content or the new, never half of it.

    Nothing is written where Python writes no bytecode, or nobody may.
    """
    if sys.dont_write_bytecode:
        return
    import secrets  # only whoever writes needs it

    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        os.replace(draft, path)  # noqa: PTH105  # the same call; Path.replace would return a path nobody needs
    except OSError:
        _remove(draft)


def _remove(draft: Path) -> None:
    try:
        draft.unlink(missing_ok=True)
    except OSError:
        return
