"""A project of SQL revisions alone: a folder of them, and no Alembic configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

USUAL = "migrations"
"""The folder of this name needs not be named."""
_ROOT = (".env", ".git", "pyproject.toml")


def holds_revisions(folder: Path) -> bool:
    """Whether files that apply SQL revisions lie in a folder."""
    if not folder.is_dir():
        return False
    from headway.sqlfiles import UP  # a project of Alembic's does without

    return next(folder.glob(f"*{UP}"), None) is not None


def root_of(folder: Path) -> Path:
    """Where the project of a named folder begins: the nearest place that looks so, wherever one is now."""
    places = (folder, *folder.parents)
    return next((place for place in places if any((place / mark).exists() for mark in _ROOT)), folder.parent)
