"""Revision files, written for a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, name: str, revision: str, parent: object = None, more: str = "") -> Path:
    path = folder / name
    path.write_text(f'"""Do {revision}."""\n\nrevision = {revision!r}\ndown_revision = {parent!r}\n{more}')
    return path
