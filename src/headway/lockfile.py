"""``versions.lock``: every revision in one file to commit, so that version control notices what Git cannot.

Two branches that each add a revision touch different files, and Git merges them into two heads, silently.
In this file both append after the same line, and every line carries a hash of all before it: they conflict.
It also remembers revisions whose files are gone.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

from headway.errors import GraphError
from headway.integrity import content_of
from headway.revisions import links

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headway.project import Project
    from headway.revisions import Graph

_HEADER = (
    "# headway's versions.lock 1: each revision, what it comes after, what it does, and all lines so far.",
    "# Commit it. A conflict here means two heads: `headway rebase` or `headway merge`, then `headway lock`.",
)
_HEX = 32  # digits of a hash: 128 bits
_FIELDS = 4
_NOTHING = "-"


class Locked(NamedTuple):
    """One line: a revision's parents and dependencies, sorted, and the hash of what it does."""

    parents: tuple[str, ...]
    content: str


# What git and others write around the two sides.
_CONFLICT_MARKS = ("<" * 7, "=" * 7, ">" * 7)


def rendered(graph: Graph) -> str:
    """The file for these revisions, oldest first; opens every revision file.

    Raises:
        OSError: one cannot be read.
    """
    lines = [*_HEADER]
    chain = ""
    for id_, revision in graph.revisions.items():
        parents = ",".join(quote(parent, safe="") for parent in links(revision)) or _NOTHING
        said = f"{quote(id_, safe='')} {parents} {content_of(revision.path)[:_HEX]}"
        chain = _chained(chain, said)
        lines.append(f"{said} {chain}")
    return "\n".join(lines) + "\n"


def read(path: Path) -> dict[str, Locked] | None:
    """The revisions in a file; ``None`` when there is none.

    Raises:
        GraphError: it is not as headway wrote it: merged by hand, as a rule, or with conflicts in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, 1, f"cannot be read ({type(error).__name__})") from None
    found: dict[str, Locked] = {}
    chain = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        if line.startswith(_CONFLICT_MARKS):
            raise _unusable(path, number, "holds a conflict of two branches")
        fields = line.split(" ")
        chain = _chained(chain, " ".join(fields[:-1]))
        if len(fields) != _FIELDS or fields[-1] != chain:
            raise _unusable(path, number, "does not follow from the lines before it: was it merged by hand?")
        parents = () if fields[1] == _NOTHING else tuple(map(unquote, fields[1].split(",")))
        found[unquote(fields[0])] = Locked(parents, fields[2])
    return found


def lock_path(project: Project) -> Path:
    """Where ``versions.lock`` is: beside ``env.py``, one for all version locations."""
    return project.lock_file


def held(project: Project) -> tuple[str, ...]:
    """The revisions in a project's file; empty when there is none.

    Raises:
        GraphError: as :func:`read`.
    """
    return tuple(read(lock_path(project)) or ())


def disagreements(graph: Graph, locked: dict[str, Locked], *, contents: bool) -> Iterator[str]:
    """Where files and lock differ, in words; nothing when they agree.

    Args:
        graph: this checkout's revisions.
        locked: what :func:`read` returned.
        contents: whether every revision file is opened and compared as well.

    Raises:
        OSError: one cannot be read.
    """
    for id_, revision in graph.revisions.items():
        known = locked.get(id_)
        if known is None:
            yield f"{id_} is not in it"
        elif known.parents != links(revision):
            then, now = (", ".join(ids) or "nothing" for ids in (known.parents, links(revision)))
            yield f"{id_} comes after {now} by its file, after {then} by the lock"
        elif contents and known.content != content_of(revision.path)[:_HEX]:
            yield f"{id_} was edited since"
    for id_ in locked:
        if id_ not in graph:
            yield f"{id_} is in it, and no file holds that revision"


def _chained(chain: str, said: str) -> str:
    return hashlib.sha256(f"{chain} {said}".encode()).hexdigest()[:_HEX]


def _unusable(path: Path, line: int, why: str) -> GraphError:
    return GraphError(
        [f"{path}:{line}: {why}"],
        hint="See that the revisions themselves are right (where `headway heads` shows two heads, "
        "`headway rebase` moves yours on top of the other), then write it anew with `headway lock`.",
    )
