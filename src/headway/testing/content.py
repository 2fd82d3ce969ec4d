"""A name for what a project's migrations would build, from everything they are made of."""

from __future__ import annotations

import hashlib
import re
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headway.project import Project

_DISTRIBUTIONS = ("headway", "alembic", "sqlalchemy")
# Thousands of revisions are looked through by every process of a run; parsing each would take a millisecond.
_IMPORT = re.compile(rb"^[ \t]*(?:from[ \t]+(\w[\w.]*)[ \t]+import|import[ \t]+(\w[\w., \t]*))", re.MULTILINE)
_PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages"})


def content_of(project: Project, *more: str) -> str:
    """Hash what the migrations consist of: sixteen hexadecimal digits.

    That is the configuration, env.py, every revision and what lies beside it, the project's own modules and
    packages that these import, and so on (a revision may use their models, or env.py go by them), and
    the versions of what runs them. A file of data that a revision reads from elsewhere is not among them.

    Args:
        project: the project.
        more: what else makes a difference.
    """
    digest = hashlib.sha256()
    for word in (*more, *(f"{name} {_version(name)}" for name in _DISTRIBUTIONS)):
        digest.update(f"{word}\0".encode())
    for path in sorted(sources_of(project)):
        digest.update(f"{path}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def sources_of(project: Project) -> set[Path]:
    """The files that decide what the migrations build."""
    found = {path for path in (project.config_file, project.pyproject) if path is not None}
    locations = (project.script_location, *project.version_locations)
    scripts = {path for folder in locations for path in _files(folder, "*")}
    folders = (*project.sys_path, project.root, project.root / "src")
    seen: set[str] = set()
    new = {path for path in scripts if path.suffix == ".py"}
    while new:
        names = {name for path in new for name in _imported(path)} - seen
        seen |= names
        new = {path for folder in folders for name in names for path in _modules(folder, name)} - found
        found |= new
    return found | scripts


def _modules(folder: Path, name: str) -> Iterator[Path]:
    """The file or the package of a name that lies in a folder, with all that is in the package."""
    module = folder / f"{name}.py"
    if module.is_file():
        yield module
    yield from _files(folder / name, "*.py")


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    for path in folder.rglob(pattern) if folder.is_dir() else ():
        if not _PASSED_OVER.intersection(path.relative_to(folder).parts) and path.is_file():
            yield path


def _imported(path: Path) -> Iterator[str]:
    """The top-level packages that a file imports; what looks like an import in a text does no harm."""
    for match in _IMPORT.finditer(path.read_bytes()):
        for word in (match[1] or match[2]).split(b","):
            yield word.split()[0].partition(b".")[0].decode()


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
