"""SQL revisions as part of the graph: which files make one, and what it follows when it does not say."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from headway.revisions.faults import Fault
from headway.revisions.links import Revision
from headway.sqlfiles import (
    FileName,
    Header,
    companion_of,
    down_path,
    file_name,
    place_of,
    read_header,
    read_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class _Up:
    """A file that applies an SQL revision."""

    path: Path
    name: FileName
    header: Header

    @property
    def id(self) -> str:
        return self.header.revision or self.name.version


def read_pairs(paths: Iterable[Path], others: Sequence[Revision], faults: list[Fault]) -> list[Revision]:
    """Read the SQL revisions among some files.

    One that names no parent follows the one before it by timestamp; the first is a base. Revisions in Python
    have no timestamp, so where one of them is a base too, or follows that one, the parent must be named.
    A file beside a revision in Python of the same name is that one's business, and is passed over.

    Args:
        paths: files whose names say that they are part of one.
        others: the revisions in Python beside them.
        faults: gets what is wrong with single files, and with parents that nobody named.

    Returns:
        The revisions, by timestamp.
    """
    ups: list[_Up] = []
    downs: list[Path] = []
    for path in paths:
        name = file_name(path.name)
        if companion_of(path).exists():
            continue
        if isinstance(name, str):
            faults.append(Fault(path, 1, name))
        elif name.undoes:
            downs.append(path)
        else:
            ups += _read_up(path, name, faults)
    ups.sort(key=lambda up: (up.name.version, up.path.name, up.path))
    undone = {down_path(up.path) for up in ups} | {fault.path for fault in faults}
    faults += _same_second(ups)
    faults += [
        Fault(path, 1, "has no .up.sql of that name beside it") for path in downs if path not in undone
    ]
    return list(_linked(ups, others, faults))


def _read_up(path: Path, name: FileName, faults: list[Fault]) -> Iterator[_Up]:
    try:
        text = read_text(path.read_bytes())
    except OSError as error:
        faults.append(Fault(path, 1, f"cannot be read: {error.strerror}"))
    except ValueError as error:
        faults.append(Fault(path, 1, str(error)))
    else:
        header, flaws = read_header(text)
        for flaw in flaws:
            place = place_of(text, flaw.offset)
            faults.append(Fault(path, place.line, flaw.message, place.column, place.excerpt))
        yield _Up(path, name, header)


def _same_second(ups: Sequence[_Up]) -> Iterator[Fault]:
    for before, up in pairwise(ups):
        if before.name.version == up.name.version and before.id != up.id:  # the same id is reported as such
            message = (
                f"{up.name.version} is also the timestamp of {before.path.name}: give one of them another"
            )
            yield Fault(up.path, 1, message)


def _linked(ups: Sequence[_Up], others: Sequence[Revision], faults: list[Fault]) -> Iterator[Revision]:
    followed = {parent for other in others for parent in other.parents}
    before: str | None = None
    for up in ups:
        parents = up.header.parents
        if parents is None:
            parents = () if before is None else (before,)
            if before in followed or (before is None and not all(other.parents for other in others)):
                named = followed.union(*(each.header.parents or () for each in ups))
                heads = [other.id for other in others if other.id not in named]
                faults.append(Fault(up.path, up.header.line, _unnamed(before, heads)))
        yield Revision(
            id=up.id,
            parents=parents,
            depends_on=up.header.depends_on,
            labels=up.header.labels,
            description=up.header.said.get("message", up.name.message),
            path=up.path,
            line=up.header.line,
            by_timestamp=up.header.parents is None,
        )
        before = up.id


def _unnamed(before: str | None, heads: Sequence[str]) -> str:
    why = (
        "a revision in Python is a base already"
        if before is None
        else f"a revision in Python follows {before}, which is the SQL revision before it"
    )
    example = heads[0] if heads else "ID"
    return (
        f"names no parent, and {why}: write `-- headway: parent={example}` (or parent=base) on its first line"
    )
