"""A plan beside the database it is for: how large what it touches is, and who is in its way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.results.review import Effort

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headway.results.review import Finding, LockMode, StatementReview, StepReview
    from headway.results.running import Loss, Peer
    from headway.results.words import Direction


@dataclass(frozen=True, slots=True)
class LiveTable:
    """A table or index of the database, as it is now.

    Attributes:
        relation: its name, as :class:`~headway.results.RelationLock` has it.
        kind: as there.
        rows: the planner's estimate (``pg_class.reltuples``); ``None`` when it was never analysed.
        size_bytes: its own, TOAST included and indexes not; of a partitioned one, that of all partitions.
        partition_of: the partitioned table at the top, of a partition; else ``None``.
    """

    relation: str
    kind: str
    rows: int | None
    size_bytes: int
    partition_of: str | None = None


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A session that a statement would wait for, if it ran now.

    Attributes:
        revision: the step.
        statement: the first of its statements that would wait, by its position.
        relation: what that one would lock.
        wanted: how.
        held: how the session holds it, or waits in front for it; ``None`` when it only has a snapshot, which
            ``CONCURRENTLY`` waits for.
        peer: the session; ``since`` is when its transaction began.
    """

    revision: str
    statement: int
    relation: str
    wanted: LockMode
    held: LockMode | None
    peer: Peer


@dataclass(frozen=True, slots=True)
class Preview:
    """What a plan would do, and to what. ``steps`` is empty when there is nothing to do.

    Attributes:
        database: masked.
        direction: which way.
        before: the version rows it begins at.
        after: those it leads to.
        steps: in order.
        tables: what the steps touch and is there, by name; empty where nobody could tell what they touch.
        obstacles: who would keep them waiting now.
        oracle: the server that was watched running them (``PostgreSQL 18.4``); ``None`` when none was.
        unwatched: why none was, in words.
    """

    database: str
    direction: Direction
    before: tuple[str, ...]
    after: tuple[str, ...]
    steps: tuple[StepReview, ...] = ()
    tables: tuple[LiveTable, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    oracle: str | None = None
    unwatched: str | None = None

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What data the steps destroy, in order."""
        return tuple(loss for step in self.steps for loss in step.losses)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What lint has to say of them and no revision silences, in order."""
        return tuple(it for step in self.steps for it in step.findings if it.silenced is None)

    def touched(self, statement: StatementReview) -> tuple[LiveTable, ...]:
        """What a statement rewrites, or else reads through, as far as it is there; largest first.

        A partition beside its partitioned table is left out, whose size has it.
        """
        names = {*_worked_on(statement)}
        found = [it for it in self.tables if it.relation in names and it.partition_of not in names]
        return tuple(sorted(found, key=lambda it: it.size_bytes, reverse=True))

    def size_of(self, statement: StatementReview) -> int | None:
        """Bytes that a statement rewrites, or else reads through; ``None`` when that is nothing known."""
        found = self.touched(statement)
        return sum(it.size_bytes for it in found) if found else None


def _worked_on(statement: StatementReview) -> Iterable[str]:
    return statement.rewritten if statement.effort is Effort.REWRITE else statement.scanned


def relations_of(steps: Iterable[StepReview]) -> Iterator[str]:
    """Every table and index that statements lock, rewrite or read through, as often as they do."""
    for step in steps:
        for statement in step.statements:
            yield from (lock.relation for lock in statement.locks)
            yield from (*statement.rewritten, *statement.scanned)
