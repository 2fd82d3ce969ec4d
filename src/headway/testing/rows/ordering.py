"""In which order tables are filled, so that what a row refers to is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from headway.testing.rows.tables import Reference, Table


def is_required(table: Table, reference: Reference) -> bool:
    """Whether no row can do without what it refers to."""
    return all(table.columns[number].not_null for number in reference.columns)


def ordered(tables: Mapping[int, Table]) -> list[tuple[int, ...]]:
    """Groups of tables, parents first; several in one group can only be filled by one statement.

    Where tables refer to each other in a circle, a reference that may be NULL is where it is cut.
    """
    everything = {
        oid: {reference.parent for reference in table.references} & tables.keys()
        for oid, table in tables.items()
    }
    required = {
        oid: {reference.parent for reference in table.references if is_required(table, reference)}
        for oid, table in tables.items()
    }
    return [
        group
        for circle in _circles(everything)
        for group in _circles({oid: required[oid].intersection(circle) for oid in circle})
    ]


def _circles(edges: Mapping[int, Collection[int]]) -> list[tuple[int, ...]]:
    """Strongly connected parts, those first that lead to nothing else."""
    reach = {oid: _reached(oid, edges) for oid in edges}
    parts = {tuple(sorted(other for other in reach[oid] if oid in reach[other])) for oid in edges}
    return sorted(parts, key=lambda part: (len(reach[part[0]]), part))


def _reached(start: int, edges: Mapping[int, Collection[int]]) -> set[int]:
    seen, todo = {start}, [start]
    while todo:
        for following in edges[todo.pop()]:
            if following not in seen:
                seen.add(following)
                todo.append(following)
    return seen
