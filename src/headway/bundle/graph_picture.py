"""The graph of a bundle's revisions, drawn: a row for each, a lane for each branch."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.bundle.content import BundleStep

_ROW = 34
_LANE = 22
_LEFT = 18
_TOP = 20
_RADIUS = 6
_LETTER = 7.4
"""The width of a letter, in pixels, generously."""
_LONGEST = 72


@dataclass(frozen=True, slots=True)
class _Node:
    id: str
    told: str
    kind: str
    parents: tuple[str, ...]
    row: int
    lane: int

    @property
    def x(self) -> int:
        return _LEFT + self.lane * _LANE

    @property
    def y(self) -> int:
        return _TOP + self.row * _ROW


def graph_svg(base: Sequence[str], steps: Sequence[BundleStep], named: str) -> str:
    """An SVG of the revisions, oldest on top.

    Args:
        base: the revisions that the database stands at before; empty for none.
        steps: those that are applied, in order.
        named: what the picture is called, for who cannot see it.
    """
    nodes = _placed(base, steps)
    lanes = max(node.lane for node in nodes.values()) + 1
    text_x = _LEFT + lanes * _LANE
    widest = max(len(f"{node.id}  {node.told}") for node in nodes.values())
    width, height = int(text_x + widest * _LETTER + 20), _TOP * 2 + (len(nodes) - 1) * _ROW
    edges = "".join(
        _edge(nodes[parent], node) for node in nodes.values() for parent in node.parents if parent in nodes
    )
    marks = "".join(_mark(node, text_x) for node in nodes.values())
    return (
        f'<svg class="graph" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(named)}">{edges}{marks}</svg>'
    )


def _placed(base: Sequence[str], steps: Sequence[BundleStep]) -> dict[str, _Node]:
    """Each revision in the lane of a parent whose lane is free, else in one of its own."""
    starts = list(base) or ["base"]
    nodes = {
        id_: _Node(id_, "where the database stands", "stands", (), row, row) for row, id_ in enumerate(starts)
    }
    tips = {node.lane: id_ for id_, node in nodes.items()}
    for row, step in enumerate(steps, start=len(starts)):
        parents = tuple(parent for parent in step.parents if parent in nodes) or (
            () if base else (starts[0],)
        )
        free = [nodes[parent].lane for parent in parents if tips.get(nodes[parent].lane) == parent]
        lane = min(free, default=max(tips, default=-1) + 1)
        for other in free:
            tips.pop(other, None)
        tips[lane] = step.revision
        told = " ".join(step.description.split())
        told = told if len(told) <= _LONGEST else f"{told[: _LONGEST - 1]}…"
        kind = "manual" if step.by_hand else "single" if not step.transactional else "step"
        nodes[step.revision] = _Node(step.revision, told, kind, parents, row, lane)
    return nodes


def _edge(above: _Node, below: _Node) -> str:
    if above.lane == below.lane:
        return f'<path class="edge" d="M{above.x} {above.y} V{below.y}"/>'
    if below.lane > above.lane:  # a branch leaves at once, or it would seem to begin at what lies between
        half, turn = above.y + _ROW // 2, above.y + _ROW
        curve = f"M{above.x} {above.y} C{above.x} {half} {below.x} {half} {below.x} {turn} V{below.y}"
    else:
        half, turn = below.y - _ROW // 2, below.y - _ROW
        curve = f"M{above.x} {above.y} V{turn} C{above.x} {half} {below.x} {half} {below.x} {below.y}"
    return f'<path class="edge" d="{curve}"/>'


def _mark(node: _Node, text_x: int) -> str:
    return (
        f'<circle class="{node.kind}" cx="{node.x}" cy="{node.y}" r="{_RADIUS}"/>'
        f'<text x="{text_x}" y="{node.y + 4}"><tspan class="id">{escape(node.id)}</tspan>'
        f'<tspan dx="10">{escape(node.told)}</tspan></text>'
    )
