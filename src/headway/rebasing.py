"""Move revisions that nobody has applied yet on top of another head, by rewriting one ``down_revision``."""

from __future__ import annotations

import ast
import os
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.errors import RefusedError, ResolutionError
from headway.planning import resolve
from headway.syntax import tree_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from headway.revisions import Graph, Revision

_FORK = 2


@dataclass(frozen=True, slots=True)
class Move:
    """``revision`` leaves ``parent`` and goes on top of ``onto``; ``moved`` is it and all that follows it."""

    revision: Revision
    parent: str | None
    onto: str
    moved: frozenset[str]


def plan_rebase(
    graph: Graph, revision: str | None, onto: str | None, applied: Collection[str]
) -> Move | None:
    """Decide which revision is to come after which.

    Args:
        graph: this checkout's revisions.
        revision: the head to move, or a revision below it that only it has; when ``None``, of two heads the
            one that is not applied, if the other one is.
        onto: the head to move it to; when ``None``, the only other one.
        applied: what is applied anywhere known.

    Returns:
        ``None`` when there is one head, so there is nothing to move.

    Raises:
        ResolutionError: it cannot be told which is meant.
        RefusedError: a revision that would move is applied, or they do not begin at one revision.
    """
    if len(graph.heads) < _FORK and onto is None:
        return None
    head = _own_head(graph, revision, applied)
    target = _target(graph, head, onto)
    own = graph.ancestors([head]) - graph.ancestors([target])
    first = [id_ for id_ in graph.revisions if id_ in own and own.isdisjoint(graph.parents_of(id_))]
    if len(first) != 1 or len(graph.revisions[first[0]].parents) > 1:
        raise RefusedError(
            f"what only {head} has begins at {', '.join(first) or 'none'}, so it cannot be moved as one",
            hint=f"`headway merge {head} {target}` joins the two heads instead.",
        )
    moving = graph.revisions[first[0]]
    moved = graph.descendants([moving.id])
    if stuck := sorted(moved & frozenset(applied)):
        raise RefusedError(
            f"{', '.join(stuck)} cannot be moved: applied already",
            hint=f"`headway downgrade` undoes it first; or join the heads: `headway merge {head} {target}`.",
        )
    return Move(moving, moving.parents[0] if moving.parents else None, target, moved)


def _own_head(graph: Graph, revision: str | None, applied: Collection[str]) -> str:
    if revision is not None:
        [*ids] = resolve(graph, revision)
        heads = [head for head in graph.heads if ids and ids[0] in graph.ancestors([head])]
    else:
        heads = [head for head in graph.heads if head not in applied]
        heads = heads if len(graph.heads) == _FORK else []
    if len(heads) != 1:
        raise ResolutionError(
            revision or "rebase",
            f"It cannot be told which head to move: there are {', '.join(graph.heads)}.",
            candidates=graph.heads,
            hint="Name yours: `headway rebase REVISION`, and with --onto the one it is to follow.",
        )
    return heads[0]


def _target(graph: Graph, head: str, onto: str | None) -> str:
    others = [other for other in graph.heads if other != head] if onto is None else [*resolve(graph, onto)]
    if len(others) != 1 or head in graph.ancestors(others):
        raise ResolutionError(
            onto or "rebase",
            f"It cannot be told what {head} is to follow: {', '.join(others) or 'there is no other head'}.",
            candidates=graph.heads,
            hint=f"Say it: `headway rebase {head} --onto REVISION`.",
        )
    return others[0]


def rewritten(source: bytes, old: str | None, new: str) -> bytes:
    """The file with another ``down_revision``, and ``Revises:`` of its docstring to match.

    Raises:
        RefusedError: the value is not written out as one string or ``None``.
    """
    for statement in tree_of(source).body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id="down_revision")], value=ast.Constant() as value)
                | ast.AnnAssign(target=ast.Name(id="down_revision"), value=ast.Constant() as value)
            ) if value.value == old:
                break
    else:
        raise RefusedError(
            "its down_revision is not written out as one string",
            hint=f"Change it by hand, to {new!r}.",
        )
    lines = source.splitlines(keepends=True)
    start = sum(map(len, lines[: value.lineno - 1])) + value.col_offset
    end = sum(map(len, lines[: (value.end_lineno or 0) - 1])) + (value.end_col_offset or 0)
    quoted = repr(new) if source[start:end].startswith(b"'") else '"' + repr(new)[1:-1] + '"'
    found = source[:start] + quoted.encode() + source[end:]
    if old is None:
        return re.sub(
            rb"(?m)^Revises:(?: nothing| None)?[ \t]*$", b"Revises: " + new.encode(), found, count=1
        )
    return re.sub(
        rb"(?m)^Revises: " + re.escape(old.encode()) + rb"(?=\s*$)",
        b"Revises: " + new.encode(),
        found,
        count=1,
    )


def replace_whole(path: Path, text: bytes) -> None:
    """Write a file so that nobody sees half of it; its permissions stay.

    Raises:
        OSError: it cannot be written; it is as it was.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        draft.write_bytes(text)
        if path.exists():
            draft.chmod(path.stat().st_mode & 0o7777)
        os.replace(draft, path)  # noqa: PTH105  # the same call; Path.replace would return a path nobody needs
    finally:
        draft.unlink(missing_ok=True)
