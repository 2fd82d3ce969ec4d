"""What two databases do not have alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.results import Change, Difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeAlias

    from headway.catalogue.parts import Part, Parts

    _Identity: TypeAlias = tuple[str, str | None, str | None, str]

_WHOLES = frozenset({"table", "view", "materialized view"})
_SAID_OF = frozenset({"comment", "owner of sequence"})
# Blanks count in a string, and in a body.
_VERBATIM = frozenset({"function", "procedure", "view", "materialized view", "column", "comment"})


def compare(old: Parts, new: Parts, *, column_order: bool = True) -> tuple[Difference, ...]:
    """What ``new`` has otherwise than ``old``, sorted; empty when they are alike.

    Of a table that only one of them has, columns, indexes and comments are not told besides. What neither
    reading can tell of (``unspoken``) is not compared.

    Args:
        old: what the revisions make.
        new: what there is.
        column_order: tell of tables whose columns stand in another order, too.
    """
    before, after = ({part.identity: part for part in side.all} for side in (old, new))
    found = [*_gone(old, after, Change.REMOVED), *_gone(new, before, Change.ADDED)]
    for identity in before.keys() & after.keys():
        was, is_ = _said(before[identity]), _said(after[identity])
        if was != is_:
            found.append(_difference(Change.CHANGED, after[identity], was, is_))
    if column_order:
        found += _orders(old, new)
    return tuple(sorted(found, key=_place))


def _gone(side: Parts, other: Mapping[_Identity, Part], change: Change) -> Iterator[Difference]:
    """The parts that the other side lacks, but for those of tables that it lacks."""
    missing = [part for part in side.all if part.identity not in other]
    wholes = {(part.schema, part.name): part.key for part in missing if part.kind in _WHOLES}
    keys = {part.key for part in missing}
    for part in missing:
        of_whole = (part.schema, part.table) in wholes
        said_of_missing = part.kind in _SAID_OF and part.needs & keys
        if not of_whole and not said_of_missing:
            texts = (None, _said(part)) if change is Change.ADDED else (_said(part), None)
            yield _difference(change, part, *texts)


def _orders(old: Parts, new: Parts) -> Iterator[Difference]:
    before, after = _columns(old), _columns(new)
    for schema, table in before.keys() & after.keys():
        was, is_ = before[schema, table], after[schema, table]
        both = [[name for name in side if name in other] for side, other in ((was, is_), (is_, was))]
        if both[0] != both[1]:
            words = [", ".join(side) for side in both]
            yield Difference(Change.CHANGED, "table", _home(schema), table, table, "column order", *words)


def _columns(side: Parts) -> dict[tuple[str | None, str], list[str]]:
    found: dict[tuple[str | None, str], list[str]] = {}
    for part in side.all:
        if part.kind == "column" and part.table is not None:
            found.setdefault((part.schema, part.table), []).append(part.name)
    return found


def _said(part: Part) -> str:
    """Its definition, a table's columns are parts of their own."""
    text = part.make + (part.rest if part.kind == "table" else "")
    return text if part.kind in _VERBATIM else " ".join(text.split())


def _difference(change: Change, part: Part, was: str | None, is_: str | None) -> Difference:
    table = part.name if part.kind == "table" else part.table
    return Difference(change, part.kind, _home(part.schema), table, part.name, None, was, is_)


def _home(schema: str | None) -> str | None:
    return None if schema == "public" else schema


def _place(difference: Difference) -> tuple[str, ...]:
    it = difference
    return it.schema or "", it.table or "", it.kind, it.name or "", it.attribute or ""
