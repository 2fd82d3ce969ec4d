"""A bundle's folder: written whole, never over what is not a bundle, and checked against its manifest."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from headway.bundle.manifest import FORMAT, MANIFEST
from headway.errors import ConfigurationError, HeadwayError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_folder(folder: Path, files: Mapping[str, str], *, force: bool) -> tuple[Path, ...]:
    """Write a bundle's files.

    Args:
        folder: where to; made when it is missing. Files of an earlier bundle go, when nobody changed them.
        files: by name, the manifest last: until it is there the folder is no bundle.
        force: write beside and over whatever is there.

    Returns:
        Their paths.

    Raises:
        RefusedError: the folder holds something else, or files of the earlier bundle were changed.
        HeadwayError: it cannot be written.
    """
    try:
        if not force:
            _require_ours(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in _listed(folder):
            (folder / name).unlink(missing_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        for name, text in files.items():
            (folder / name).write_bytes(text.encode())
    except OSError as error:
        raise HeadwayError(
            f"the bundle cannot be written to {folder}: {error.strerror}", hint="Name another folder."
        ) from error
    return tuple(folder / name for name in files)


def read_manifest(folder: Path) -> dict[str, Any]:
    """A bundle's manifest.

    Raises:
        ConfigurationError: the folder holds none, or one that this headway does not read.
    """
    path = folder / MANIFEST
    try:
        found = json.loads(path.read_bytes())
        known = found["bundle_format"] == FORMAT and isinstance(found["sha256"], dict)
    except (OSError, ValueError, KeyError, TypeError):
        known, found = False, {}
    if not known:
        raise ConfigurationError(
            str(path), "is not the manifest of a bundle", example="headway sql --bundle DIR, then verify DIR"
        )
    return dict(found)


def verify_files(folder: Path) -> tuple[str, ...]:
    """What of a bundle is not as it was written, a line each; empty when all is.

    Raises:
        ConfigurationError: the folder holds no bundle.
    """
    wrong = []
    for name, expected in sorted(read_manifest(folder)["sha256"].items()):
        path = folder / name
        if not path.is_file():
            wrong.append(f"{name} is missing")
        elif sha256(path.read_bytes()).hexdigest() != expected:
            wrong.append(f"{name} was changed since the bundle was made")
    return tuple(wrong)


def _listed(folder: Path) -> tuple[str, ...]:
    """The files of the bundle that is there; no name of them leads out of the folder."""
    try:
        listed = read_manifest(folder)["sha256"]
    except ConfigurationError:
        return ()
    return tuple(name for name in listed if (folder / name).parent == folder)


def _require_ours(folder: Path) -> None:
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if not present:
        return
    foreign = sorted(present - {MANIFEST, *_listed(folder)})
    if foreign or MANIFEST not in present:
        raise RefusedError(
            f"{folder} holds files that are not of a bundle: {', '.join(foreign or sorted(present))}",
            hint="Name a folder that is empty, or does not exist; or pass --force to write beside them.",
        )
    changed = [line for line in verify_files(folder) if not line.endswith("is missing")]
    if changed:
        raise RefusedError(
            f"the bundle in {folder} was changed after it was made: {changed[0]}",
            hint="Name another folder, or pass --force to write over it.",
        )
