"""Where an importable package lies, found without importing it."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def folder_of(package: str, sys_path: Sequence[Path], *folders: str) -> Path | None:
    """The folder ``package:folder:folder`` of Alembic's resource notation.

    Args:
        package: dotted name.
        sys_path: folders searched before ``sys.path``.
        folders: path inside the package; of a namespace package's places, the first that has it counts.

    Returns:
        ``None`` when there is no such package. The folder itself need not exist.
    """
    first, *rest = package.split(".")
    spec = _top_level(first, sys_path)
    name = first
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    if spec is None or not spec.submodule_search_locations:
        return None
    places = [Path(place, *folders) for place in spec.submodule_search_locations]
    return next((place for place in places if place.is_dir()), places[0])


def _top_level(name: str, sys_path: Sequence[Path]) -> ModuleSpec | None:
    found = PathFinder.find_spec(name, [*map(str, sys_path), *sys.path])
    if found is not None:
        return found
    try:
        # Editable installs have finders of their own. Finding a name without a dot imports nothing.
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
