"""The verdict that a database is at head, kept for the next process that asks.

What a probe answers follows from the revision files, from ``versions.lock`` and ``env.py``, and from what the
database says. Where the files look as they did when somebody last judged them, by the rule of
:mod:`headway.revisions.cache`, and the database says what it said then, the answer is the same: no file is
opened and no graph is made. Only "at head, nothing changed" is kept, and only for the plainest of projects,
one folder of Python files: anything else is judged anew each time.

Derived data, as the cache of what revision files declare: missing, foreign or broken, it is made anew.
"""

from __future__ import annotations

import os
import struct
import sys
import time
from functools import partial
from hashlib import blake2b
from itertools import chain
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, NamedTuple

from headway.derived import SETTLED_NS, derived_path, keep_derived

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from headway.project import Project

FORMAT = "headway-verdict 1"
"""Raised whenever what is kept, or what a probe answers, changes its meaning."""

FILE_NAME = "headway-verdict"
NO_LEDGER = "-"
"""What the verdict says of the ledger where there was none that could be read."""

_ASPECTS = attrgetter("st_size", "st_ino", "st_mtime_ns", "st_ctime_ns")
_MODE = itemgetter(0)  # of what os.stat returns
_TYPE, _REGULAR = 0o170000, 0o100000  # of a mode, as the stat module has them
_LINES = 7  # of a file: format, view, ledger, heads, rows, table, schema; their sum comes in front


class Verdict(NamedTuple):
    """What was judged to be at head.

    Attributes:
        heads: of the files, as a graph has them.
        rows: the version table's, sorted.
        ledger: :func:`ledger_sum` of what it said, or :data:`NO_LEDGER`.
        table: what the version table is called.
        schema: the version table's; ``None`` is the connection's own.
    """

    heads: tuple[str, ...]
    rows: tuple[str, ...]
    ledger: str
    table: str
    schema: str | None


class View:
    """How a project's files looked at one moment; no file is opened.

    Attributes:
        sum: another text whenever anything looks different, and for another headway or Python.
    """

    __slots__ = ("_aspects", "_began_ns", "sum")

    def __init__(self, folder: str, beside: Sequence[str]) -> None:
        self._began_ns = time.time_ns()
        names, aspects = _files(folder)
        others = [_look(path) for path in beside]
        self._aspects = [*aspects, *filter(None, others)]
        us = _ASPECTS(os.stat(__file__))  # noqa: PTH116  # another headway was installed, or this one anew
        said = "\0".join((FORMAT, sys.version, repr((us, others)), folder, *beside, *names))
        numbers = struct.pack(f"{4 * len(aspects)}Q", *chain.from_iterable(aspects))
        self.sum = blake2b(numbers + os.fsencode(said), digest_size=20).hexdigest()

    @property
    def settled(self) -> bool:
        """Whether all was so old that whatever is written later has another time."""
        newest = max((max(each[-2:]) for each in self._aspects), default=0)
        return newest < self._began_ns - SETTLED_NS


class _UnusualError(Exception):
    """Files that a verdict is not kept for."""


def view_of(project: Project) -> View | None:
    """Look at a project's files.

    Returns:
        ``None`` where they are not plain: several or nested version locations, bytecode without source, SQL
        revisions, links, folders within and other special files, a folder that cannot be listed.
    """
    if len(project.version_locations) != 1 or project.recursive or project.sourceless or project.plain_sql:
        return None
    try:
        beside = [os.fspath(project.lock_file), os.fspath(project.env_file)]
        return View(os.fspath(project.version_locations[0]), beside)
    except (_UnusualError, OSError, struct.error):  # the last: a time before 1970
        return None


def recall(project: Project) -> Verdict | None:
    """The verdict that was kept of these files, if they still look the same; opens none of them."""
    path = _path(project)
    if path is None:
        return None
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # without a Path it is half the time
            kept = _read(file.readall())
    except OSError:
        return None
    if kept is None:
        return None
    seen, verdict = kept
    view = view_of(project)
    return verdict if view is not None and view.sum == seen else None


def keep(project: Project, view: View, verdict: Verdict) -> None:
    """Keep a verdict on files that looked like this before anything was read; failing to is no error.

    Nothing is kept of files so young that a later edit might look the same.
    """
    names = (*verdict.heads, *verdict.rows)
    path = _path(project)
    plain = all(_is_plain(name) for name in names) and f"{verdict.table}{verdict.schema}".isprintable()
    if path is None or not view.settled or not plain:
        return
    place = (verdict.table, verdict.schema or "")
    lines = (FORMAT, view.sum, verdict.ledger, " ".join(verdict.heads), " ".join(verdict.rows), *place)
    content = "\n".join(lines).encode()
    from pathlib import Path

    keep_derived(Path(path), _sum(content) + b"\n" + content)


def ledger_sum(rows: Iterable[str]) -> str:
    """The sum of a ledger, as the server computes it of what it is asked for.

    Args:
        rows: each as the server writes it in JSON.
    """
    from hashlib import sha256  # PostgreSQL has no other one that FIPS lets be used

    return sha256("\n".join(rows).encode()).hexdigest()


def _files(folder: str) -> tuple[list[str], list[tuple[int, ...]]]:
    """Every file's name, and how each of them looks; all at once, for there may be thousands."""
    names = sorted(os.listdir(folder))  # noqa: PTH208  # without a Path for each
    if "__pycache__" in names:
        names.remove("__pycache__")
    place = os.open(folder, os.O_RDONLY)
    try:
        found = list(map(partial(os.stat, dir_fd=place, follow_symlinks=False), names))
    finally:
        os.close(place)
    if any(mode & _TYPE != _REGULAR for mode in {*map(_MODE, found)}):
        raise _UnusualError
    if ".sql\n" in "\n".join((*names, "")).lower():
        raise _UnusualError
    return names, list(map(_ASPECTS, found))


def _look(path: str) -> tuple[int, ...] | None:
    """How one file looks; ``None`` when it is not there."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    if found.st_mode & _TYPE != _REGULAR:
        raise _UnusualError
    aspects: tuple[int, ...] = _ASPECTS(found)
    return aspects


def _path(project: Project) -> str | None:
    return derived_path(os.fspath(project.version_locations[0]), FILE_NAME)


def _read(content: bytes) -> tuple[str, Verdict] | None:
    """What a view's sum was, and the verdict; ``None`` for what :func:`keep` has not written like this."""
    head, _, rest = content.partition(b"\n")
    if head != _sum(rest):
        return None
    lines = rest.decode().split("\n")
    if len(lines) != _LINES or lines[0] != FORMAT:
        return None
    _, seen, ledger, heads, rows, table, schema = lines
    return seen, Verdict(tuple(heads.split()), tuple(rows.split()), ledger, table, schema or None)


def _sum(content: bytes) -> bytes:
    return blake2b(content, digest_size=20).hexdigest().encode()


def _is_plain(name: str) -> bool:
    """Whether a name comes back from a line of them as it was."""
    return name.isprintable() and name.split() == [name]
