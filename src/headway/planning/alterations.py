"""Whether what is applied is still what the files say: edited, re-parented and deleted revisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway import results
from headway.errors import RefusedError
from headway.integrity import Fingerprint, checksum, content_of
from headway.revisions import links

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from headway.results import Application
    from headway.revisions import Graph, Revision

_contents: dict[tuple[Path, str], str] = {}


def changes(
    revisions: Mapping[str, Revision],
    applied: Collection[str],
    record: Mapping[str, Application],
    *,
    all_known: bool = True,
) -> tuple[results.RevisionChange, ...]:
    """Compare applied revisions with what the ledger recorded of them.

    A revision is unchanged if it equals any checksum on record since it was applied: what was accepted later
    does not make an older checkout's file a wrong one. One without a checksum on record, as it is where an
    older headway only noted that it was there, is not compared. Of one that an older headway applied it can
    be told that it changed, and not whether it was edited or re-parented: it is called edited.

    Args:
        revisions: this checkout's.
        applied: those of them that are applied.
        record: what the ledger knows of each applied revision.
        all_known: whether ``revisions`` holds every row of the version table. Where it does not, the checkout
            may be older than the database, so a revision that it lacks is not called deleted.

    Returns:
        The changed ones, in the order of ``revisions``, then the deleted ones; empty as a rule.

    Raises:
        OSError: a file cannot be read.
    """
    found = [
        change
        for id_, revision in revisions.items()
        if id_ in applied and id_ in record and (change := _change(revision, record[id_]))
    ]
    gone = sorted(_deleted(revisions, applied, record)) if all_known else []
    return (*found, *deleted(gone, record))


def deleted(ids: Iterable[str], record: Mapping[str, Application]) -> tuple[results.RevisionChange, ...]:
    """Those of the ids that are applied, by the ledger's word, as deleted ones."""
    return tuple(
        results.RevisionChange(id_, (results.Alteration.DELETED,), record[id_])
        for id_ in ids
        if id_ in record
    )


def forgotten(
    graph: Graph, rows: Iterable[str], record: Mapping[str, Application], ids: Sequence[str] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What to forget of what no file holds, and the version table's rows afterwards.

    A row that is forgotten gives way to what the ledger says is applied of the revisions that are here.

    Args:
        graph: this checkout's revisions.
        rows: of the version table.
        record: what the ledger knows of each applied revision.
        ids: what to forget; every row that no file holds, and every deleted revision, when empty.

    Returns:
        The revisions, sorted, and the rows, sorted; none and the same rows when nothing is to be forgotten.

    Raises:
        RefusedError: one of the ids is held by a file or is not applied; or the ledger does not know a row,
            so nobody can tell what it came after.
    """
    current = frozenset(rows)
    strangers = frozenset(row for row in current if row not in graph)
    gone = frozenset(id_ for id_ in record if id_ not in graph)
    meant = frozenset(ids) or strangers | _deleted(graph.revisions, graph.applied(current), record)
    _require_forgettable(graph, meant, strangers, gone)
    unsaid = sorted(meant & strangers - record.keys())
    if unsaid:
        raise RefusedError(
            f"the ledger does not know {', '.join(unsaid)}, so nobody can tell what is applied without it",
            hint="`headway stamp --purge REVISION` says where the database stands instead.",
        )
    known = current - strangers
    if meant & strangers:
        known |= frozenset(id_ for id_ in record if id_ in graph)
    after = graph.maximal(graph.ancestors(known)) | (strangers - meant)
    return tuple(sorted(meant)), tuple(sorted(after)) if meant & strangers else tuple(sorted(current))


def _require_forgettable(
    graph: Graph, meant: frozenset[str], strangers: frozenset[str], gone: frozenset[str]
) -> None:
    for id_ in sorted(meant - strangers - gone):
        found = "its file is here" if id_ in graph else "it is not applied"
        raise RefusedError(
            f"revision {id_!r} is not one to forget: {found}. Nothing was changed",
            hint="What is not wanted any more is undone by `headway downgrade`; `headway stamp` moves the "
            "version without running anything.",
        )


def _change(revision: Revision, application: Application) -> results.RevisionChange | None:
    read = [Fingerprint.read(written) for written in application.checksums]
    known = [each for each in read if each]
    after = links(revision)
    # Where the file is the very same, nothing is opened.
    if not application.checksums or any(
        (each.file, each.parents) == (revision.digest, after) for each in known
    ):
        return None
    now = _content(revision)
    if any((each.content, each.parents) == (now, after) for each in known):
        return None
    if any(each is None for each in read) and checksum(revision.path.read_bytes()) in application.checksums:
        return None
    kinds = tuple(_kinds(known[-1:], now, after))
    was_after = known[-1].parents if results.Alteration.REPARENTED in kinds else ()
    is_after = after if results.Alteration.REPARENTED in kinds else ()
    return results.RevisionChange(revision.id, kinds, application, was_after, is_after, revision.path)


def _content(revision: Revision) -> str:
    """Remembered: an application that is probed must not parse what was reformatted each time."""
    key = revision.path, revision.digest
    if not revision.digest:
        return content_of(revision.path)
    if key not in _contents:
        _contents[key] = content_of(revision.path)
    return _contents[key]


def _kinds(newest: Sequence[Fingerprint], now: str, after: tuple[str, ...]) -> Iterator[results.Alteration]:
    if not newest or newest[0].content != now:
        yield results.Alteration.EDITED
    if newest and newest[0].parents != after:
        yield results.Alteration.REPARENTED


def _deleted(
    revisions: Mapping[str, Revision], applied: Iterable[str], record: Mapping[str, Application]
) -> frozenset[str]:
    return _recorded_ancestors(applied, record) - frozenset(revisions)


def _recorded_ancestors(applied: Iterable[str], record: Mapping[str, Application]) -> frozenset[str]:
    """What the ledger says is applied and below these revisions.

    One that plain Alembic has undone since is below none of them.
    """
    seen: set[str] = set()
    todo = list(applied)
    while todo:
        id_ = todo.pop()
        if id_ in record and id_ not in seen:
            seen.add(id_)
            known = [found for written in record[id_].checksums if (found := Fingerprint.read(written))]
            todo += [parent for each in known[-1:] for parent in each.parents]
    return frozenset(seen)
