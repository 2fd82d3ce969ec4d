"""What a new revision and its branch may be called, asked before there is a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headway.revisions.faults import ILLEGAL_CHARACTERS, RESERVED, identifier_problems, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway.revisions.graph import Graph

_NAME = re.compile(r"\w[\w.]*")
"""What is safe in the name of a file, in a shell, and in the notation of identifiers."""


def id_problems(graph: Graph, id_: str) -> Iterator[str]:
    """Why a new revision cannot have this id, each reason in words; nothing when it can.

    The graph's rules for ids that exist, and two more: it becomes part of a file's name, and is not taken.
    """
    yield from identifier_problems(id_)
    if id_ and not ILLEGAL_CHARACTERS & set(id_) and not _NAME.fullmatch(id_):
        yield (
            f"revision id {id_!r} becomes part of a file's name; it may hold letters, digits, _ and ., "
            "and does not begin with ."
        )
    if id_ in graph:
        holder = graph.revisions[id_]
        yield f"revision id {id_!r} is already used by {shown(holder.path)}:{holder.line}"
    if id_ in graph.labels:
        yield f"revision id {id_!r} is already a branch label, of revision {graph.labels[id_]!r}"


def label_problems(graph: Graph, label: str) -> Iterator[str]:
    """Why a new branch cannot have this label, each reason in words; nothing when it can."""
    if not _NAME.fullmatch(label):
        yield f"branch label {label!r} may hold letters, digits, _ and ., and does not begin with ."
    if label in RESERVED:
        yield f"branch label {label!r} is a reserved word and could never be named in a command"
    if label in graph:
        yield f"branch label {label!r} is already the id of a revision ({shown(graph.revisions[label].path)})"
    if label in graph.labels:
        yield f"branch label {label!r} is already used by revision {graph.labels[label]!r}"
