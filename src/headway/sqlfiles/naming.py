"""What the two files of an SQL revision are called."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

UP, DOWN = ".up.sql", ".down.sql"
_STAMP = "%Y%m%d%H%M%S"
_CANDIDATE = re.compile(r"(?!\.).*(?:\.up\.sql|\.down\.sql)|\d{14}_.*\.sql", re.IGNORECASE)
_NAME = re.compile(r"(?P<version>\d{14})_(?P<name>[a-z0-9]+(?:_[a-z0-9]+)*)\.(?P<way>up|down)\.sql", re.ASCII)
_WAY = re.compile(r"(?:\.up|\.down)?\.sql\Z", re.IGNORECASE)
_WORD = re.compile(r"[a-z0-9]+")
_LONGEST = 60
_RULE = "SQL revisions are called YYYYMMDDHHMMSS_lower_case_name.up.sql, and what undoes them .down.sql"


class FileName(NamedTuple):
    """The parts of a name. ``version`` is the timestamp, 14 digits in UTC."""

    version: str
    name: str
    undoes: bool

    @property
    def message(self) -> str:
        """The name as words."""
        return self.name.replace("_", " ")


def is_candidate(name: str) -> bool:
    """Whether a file's name says that it is meant for an SQL revision; other ``.sql`` files are not."""
    return _CANDIDATE.fullmatch(name) is not None


def file_name(name: str) -> FileName | str:
    """Take a candidate's name apart.

    Returns:
        Its parts, or what is wrong with it, in words.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return _RULE
    try:
        _moment(found["version"])
    except ValueError:
        return f"{found['version']} is no date and time; {_RULE}"
    return FileName(found["version"], found["name"], undoes=found["way"] == "down")


def _moment(stamp: str) -> datetime:
    """What ``strptime`` would make of it, in a tenth of the time."""
    year, *rest = stamp[:4], *(stamp[at : at + 2] for at in range(4, 14, 2))
    month, day, hour, minute, second = map(int, rest)
    return datetime(int(year), month, day, hour, minute, second, tzinfo=UTC)


def companion_of(path: Path) -> Path:
    """The revision in Python that a file would belong to; it need not exist."""
    return path.with_name(_WAY.sub("", path.name) + ".py")


def down_path(up: Path) -> Path:
    """The file that undoes; it need not exist."""
    return up.with_name(up.name.removesuffix(UP) + DOWN)


def new_names(message: str, now: datetime, taken: Container[str]) -> tuple[str, str]:
    """The version of a new revision, and what its files begin with.

    Args:
        message: what it does.
        now: the time, in UTC.
        taken: versions in use; the next free second is taken instead.
    """
    while (version := now.strftime(_STAMP)) in taken:
        now += timedelta(seconds=1)
    words = _WORD.findall(message.lower())
    name = "_".join(words)[:_LONGEST].strip("_") or "revision"
    return version, f"{version}_{name}"
