"""The statements of a step in their order, each with what is known when its turn comes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from headway.lint import deeds
from headway.lint.columntypes import Chance
from headway.lint.effects import Effect, effects
from headway.lint.names import Name, read_name
from headway.lint.parsing import read
from headway.results import RelationLock, StatementReview

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from headway.lint.deeds import Deed
    from headway.lint.schema import Schema
    from headway.results import StepReview


@dataclass(frozen=True, slots=True)
class Act:
    """One statement in its place.

    Attributes:
        review: the statement; what nobody watched is told by its text.
        deeds: what it does, in the order of its clauses; none where it does not parse.
        texts: the string constants in it.
        statements: how many statements its text holds, each an act; 0 where it does not parse.
        schema: what is known before it.
        fresh: tables and views that the step made before it, which nobody else uses yet.
        transaction: the number of its transaction within the step.
    """

    review: StatementReview
    deeds: tuple[Deed, ...]
    texts: frozenset[str]
    statements: int
    schema: Schema
    fresh: tuple[Name, ...]
    transaction: int

    def is_fresh(self, name: Name) -> bool:
        """Whether a relation is one that the step made itself."""
        return any(each.means(name) for each in self.fresh)

    def existed(self, name: Name) -> bool:
        """Whether a relation was there before the step; where that was watched, it was locked."""
        if self.is_fresh(name):
            return False
        return not self._watched or self.lock(name) is not None

    @property
    def _watched(self) -> bool:
        return self.review.traced and self.review.error is None

    def lock(self, name: Name) -> RelationLock | None:
        """The lock on a relation that was there before; ``None`` when there is none."""
        return next((each for each in self.review.locks if read_name(each.relation).means(name)), None)

    def lock_named(self, relation: str) -> RelationLock | None:
        """The lock on a relation as the statement's facts call it; ``None`` when there is none."""
        return next((each for each in self.review.locks if each.relation == relation), None)

    def covers(self, relation: Name, other: Name) -> bool:
        """Whether a relation is another one, or is divided into it and more."""
        return relation.means(other) or self.schema.is_part(other, relation)

    def rewrites(self, deed: Deed) -> tuple[Name, ...]:
        """The relations that are written anew because of a deed."""
        return self._because_of(deed, self.review.rewritten, lambda effect: effect.rewrites)

    def scans(self, deed: Deed) -> tuple[Name, ...]:
        """The relations that are read through because of a deed."""
        found = (*self.review.scanned, *self.review.rewritten)  # what is written anew is read as well
        return self._because_of(deed, found, lambda effect: effect.scans)

    def _because_of(
        self, deed: Deed, found: Iterable[str], chance: Callable[[Effect], Chance]
    ) -> tuple[Name, ...]:
        """Of the relations that were hit, those for which a deed is the likeliest reason of all."""
        here = {id(each): effects(each, self.schema, self.deeds) for each in self.deeds}
        every = [effect for each in here.values() for effect in each]
        hit = [read_name(each) for each in found]
        blamed = []
        for effect in here.get(id(deed), ()):
            if self.is_fresh(effect.relation) or not any(self._is_about(effect, name, every) for name in hit):
                continue
            rivals = [chance(other) for other in every if other.relation.means(effect.relation)]
            if chance(effect) == max(rivals):
                blamed.append(effect.relation)
        return tuple(dict.fromkeys(blamed))

    def _is_about(self, effect: Effect, name: Name, every: Iterable[Effect]) -> bool:
        """Whether a relation is that of an effect, or a partition of it that no effect names."""
        if effect.relation.means(name):
            return True
        named = any(other.relation.means(name) for other in every)
        return not named and self.schema.is_part(name, effect.relation)


@dataclass(slots=True)
class _Progress:
    """What holds between two statements."""

    schema: Schema
    fresh: tuple[Name, ...] = ()
    transaction: int = 0
    outside: bool = False
    acts: list[Act] = field(default_factory=list)


def acts_of(step: StepReview, before: Schema) -> tuple[Act, ...]:
    """The acts of a step, in order.

    Raises:
        ConfigurationError: PostgreSQL's parser (extra ``lint``) is not installed.
    """
    progress = _Progress(before)
    for review in step.statements:
        _take(progress, review)
    return tuple(progress.acts)


def _take(progress: _Progress, review: StatementReview) -> None:
    reading = read(review.sql)
    if not review.transactional or progress.outside:
        progress.transaction += 1
    progress.outside = not review.transactional
    several = len(reading.statements)
    for done, texts in zip(reading.statements or ((),), reading.texts or (frozenset(),), strict=True):
        act = Act(review, done, texts, several, progress.schema, progress.fresh, progress.transaction)
        if not review.traced or review.error is not None:
            act = replace(act, review=_told(act))
        progress.acts.append(act)
        progress.fresh = _fresher(act)
        progress.schema = progress.schema.having(done)


def _told(act: Act) -> StatementReview:
    """A statement with what its text tells, in the place of what nobody watched."""
    found = [
        effect
        for deed in act.deeds
        for effect in effects(deed, act.schema, act.deeds)
        if not act.is_fresh(effect.relation)
    ]
    strongest: dict[Name, RelationLock] = {}
    for effect in found:
        known = strongest.get(effect.relation)
        if known is None or effect.mode.strength > known.mode.strength:
            strongest[effect.relation] = RelationLock(str(effect.relation), effect.kind, effect.mode)
    return replace(
        act.review,
        locks=tuple(sorted(strongest.values(), key=lambda lock: -lock.mode.strength)),
        rewritten=_names(effect for effect in found if effect.rewrites is Chance.SURE),
        scanned=_names(effect for effect in found if effect.scans is Chance.SURE),
    )


def _names(found: Iterable[Effect]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(effect.relation) for effect in found))


def _fresher(act: Act) -> tuple[Name, ...]:
    """The relations that the step has made once an act is done."""
    fresh = list(act.fresh)
    for deed in act.deeds:
        match deed:
            case deeds.CreateTable(name=name) if not _was_there(act, deed):
                fresh.append(name)
            case deeds.CreateView(name=name, replaces=False):
                fresh.append(name)
            case deeds.Rename(name=name, to=to) if any(each.means(name) for each in fresh):
                fresh = [to if each.means(name) else each for each in fresh]
            case deeds.Drop(name=name):
                fresh = [each for each in fresh if not each.means(name)]
    return tuple(fresh)


def _was_there(act: Act, deed: deeds.CreateTable) -> bool:
    known = act.schema.table(deed.name)
    return deed.if_not_exists and known is not None and known.whole
