"""The graph of revisions: who descends from whom."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING

from headway.integrity import fingerprint
from headway.revisions.contents import Contents
from headway.revisions.faults import VERSION_COLUMN_LENGTH, find_faults, graph_error
from headway.revisions.links import all_parents, file_order, in_order, inverted, label_owners, links

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from headway.revisions.links import Revision


class Graph:
    """Revisions and their order. Immutable.

    Two kinds of edges count. ``down_revision`` makes a *line* (what Alembic calls lineage): it decides what
    a branch is, what ``head`` and ``base`` mean and where ``+1`` leads. ``down_revision`` and ``depends_on``
    together decide what must be applied before what.

    Attributes:
        revisions: by id, oldest first: parents and dependencies before what needs them, ties by file name.
        heads: revisions that are nobody's ``down_revision``, by file name; what Alembic's ``heads`` lists.
        tips: heads that nobody depends on either; what the version table holds when all are applied.
        bases: revisions without ``down_revision``.
        labels: the revision that each branch label stands on.

    Raises:
        GraphError: the revisions do not form a graph; every fault is listed.
    """

    __slots__ = (
        "_all_children",
        "_all_parents",
        "_contents",
        "_line_children",
        "_line_parents",
        "bases",
        "heads",
        "labels",
        "revisions",
        "tips",
    )

    def __init__(
        self, revisions: Iterable[Revision] = (), *, version_column_length: int = VERSION_COLUMN_LENGTH
    ) -> None:
        found = sorted(revisions, key=file_order)
        faults = find_faults(found, version_column_length=version_column_length)
        if faults:
            raise graph_error(faults)
        by_id = {revision.id: revision for revision in found}
        labels = label_owners(found)
        self._all_parents = all_parents(by_id, labels)
        self._contents: dict[str, Contents] = {}
        self._all_children = inverted(self._all_parents)
        self._line_parents = {id_: revision.parents for id_, revision in by_id.items()}
        self._line_children = inverted(self._line_parents)
        self.labels: Mapping[str, str] = MappingProxyType(labels)
        self.revisions: Mapping[str, Revision] = MappingProxyType(
            {id_: by_id[id_] for id_ in in_order(self._all_parents)[0]}
        )
        self.heads = tuple(id_ for id_ in by_id if not self._line_children[id_])
        self.tips = tuple(id_ for id_ in by_id if not self._all_children[id_])
        self.bases = tuple(id_ for id_, revision in by_id.items() if not revision.parents)

    def __len__(self) -> int:
        return len(self.revisions)

    def __contains__(self, id_: object) -> bool:
        return id_ in self.revisions

    def __repr__(self) -> str:
        return f"<Graph of {len(self)} revisions, heads {', '.join(self.heads) or 'none'}>"

    def parents_of(self, id_: str) -> tuple[str, ...]:
        """What this revision needs directly: its ``down_revision``, then its dependencies."""
        return self._all_parents[id_]

    def dependents_of(self, id_: str) -> tuple[str, ...]:
        """What names this revision as parent or dependency."""
        return self._all_children[id_]

    def children_of(self, id_: str) -> tuple[str, ...]:
        """What names this revision in ``down_revision``."""
        return self._line_children[id_]

    def ancestors(self, ids: Iterable[str]) -> frozenset[str]:
        """These revisions and all they need; empty for none. Unknown ids raise ``KeyError``."""
        return _reach(ids, self._all_parents)

    def applied(self, rows: Iterable[str]) -> dict[str, str]:
        """What version rows say is applied: each revision with its description, oldest first.

        Rows that this checkout does not hold are left out.
        """
        present = self.ancestors(row for row in rows if row in self)
        return {id_: revision.description for id_, revision in self.revisions.items() if id_ in present}

    def fingerprints(self, ids: Iterable[str]) -> dict[str, str]:
        """What the ledger keeps of these revisions' files, which are opened; unreadable ones are left out."""
        found = {id_: self.fingerprint(id_) for id_ in ids}
        return {id_: written for id_, written in found.items() if written is not None}

    def fingerprint(self, id_: str) -> str | None:
        """What the ledger keeps of one; ``None`` when its file cannot be read."""
        revision = self.revisions[id_]
        try:
            return str(fingerprint(revision.path, links(revision), self._contents_beside(revision).known))
        except OSError:
            return None

    def keep_fingerprints(self) -> None:
        """Keep what was fingerprinted for the next run here, where Python keeps bytecode."""
        for contents in self._contents.values():
            contents.save(revision.digest for revision in self.revisions.values())

    def _contents_beside(self, revision: Revision) -> Contents:
        folder = os.path.dirname(revision.path)  # noqa: PTH120  # once for each revision of a run
        if folder not in self._contents:
            self._contents[folder] = Contents(folder)
        return self._contents[folder]

    def descendants(self, ids: Iterable[str]) -> frozenset[str]:
        """These revisions and all that needs them; empty for none. Unknown ids raise ``KeyError``."""
        return _reach(ids, self._all_children)

    def line_ancestors(self, ids: Iterable[str]) -> frozenset[str]:
        """These revisions and all below them by ``down_revision`` alone."""
        return _reach(ids, self._line_parents)

    def line_descendants(self, ids: Iterable[str]) -> frozenset[str]:
        """These revisions and all above them by ``down_revision`` alone."""
        return _reach(ids, self._line_children)

    def line(self, id_: str) -> frozenset[str]:
        """The branch a revision belongs to: all above and below it by ``down_revision`` alone."""
        return self.line_ancestors([id_]) | self.line_descendants([id_])

    def at_head(self, rows: Iterable[str]) -> bool:
        """Whether version rows are its heads; nothing is at the head of no revisions."""
        return bool(self.heads) and set(rows) == set(self.heads)

    def maximal(self, applied: frozenset[str]) -> frozenset[str]:
        """The rows a version table holds when exactly these are applied (a set closed under ancestors)."""
        return frozenset(id_ for id_ in applied if applied.isdisjoint(self._all_children[id_]))


def _reach(starts: Iterable[str], edges: Mapping[str, Iterable[str]]) -> frozenset[str]:
    seen: set[str] = set()
    todo = list(starts)
    while todo:
        id_ = todo.pop()
        if id_ not in seen:
            seen.add(id_)
            todo.extend(edges[id_])
    return frozenset(seen)
