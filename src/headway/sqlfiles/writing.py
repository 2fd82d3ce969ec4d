"""The text of a new pair of files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.sqlfiles.header import BASE

if TYPE_CHECKING:
    from collections.abc import Sequence

_UP = """\
{header}
--
-- Statements as psql takes them, with one transaction around them all; BEGIN, COMMIT and COPY ... FROM stdin
-- are refused. What may not run in a transaction, such as CREATE INDEX CONCURRENTLY, goes into a revision
-- of its own with transactional=no in its first line.

"""
_DOWN = """\
-- What takes back {name}.up.sql. Without this file the revision cannot be undone.

"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A revision to be written."""

    revision: str
    parents: tuple[str, ...]
    message: str
    depends_on: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


def written(pair: Pair, name: str, bodies: tuple[str, str] | None = None) -> tuple[str, str]:
    """The texts of both files.

    Args:
        pair: what the revision is.
        name: what the files begin with.
        bodies: what stands in them; ``None`` tells a person what to write.
    """
    said: dict[str, Sequence[str]] = {
        "revision": [pair.revision],
        "parent": pair.parents or [BASE],
        "depends_on": pair.depends_on,
        "branch_label": pair.labels,
    }
    message = " ".join(pair.message.split()).replace('"', '""')
    header = " ".join(f"{key}={_quoted(','.join(names))}" for key, names in said.items() if names)
    line = f'-- headway: {header} message="{message}"'
    if bodies is not None:
        return f"{line}\n\n{bodies[0]}", bodies[1]
    return _UP.format(header=line), _DOWN.format(name=name)


def _quoted(value: str) -> str:
    doubled = value.replace('"', '""')
    return f'"{doubled}"' if doubled != value or any(letter.isspace() for letter in value) else value
