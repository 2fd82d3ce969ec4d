"""A step with all its acts, and every rule upon it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headway.lint import deeds
from headway.lint.acts import acts_of
from headway.lint.alarms import COPIED, READ, Alarm
from headway.lint.judging import (
    breaking,
    columns,
    constraints,
    data,
    indexes,
    partitions,
    texts,
    transactions,
    wayback,
)
from headway.lint.judging.limits import limits_at_the_top
from headway.lint.names import read_name
from headway.lint.pen import Pen
from headway.results import Direction, StatementReview

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headway.lint.acts import Act
    from headway.lint.subject import Subject

_RULES: dict[type, Callable[..., Iterator[Alarm]]] = {
    deeds.AddColumn: columns.add_column,
    deeds.AlterType: columns.alter_type,
    deeds.SetNotNull: columns.set_not_null,
    deeds.AddConstraint: constraints.add_constraint,
    deeds.DropConstraint: constraints.drop_constraint,
    deeds.AlterDomain: constraints.alter_domain,
    deeds.CreateIndex: indexes.create_index,
    deeds.Reindex: indexes.reindex,
    deeds.Vacuum: indexes.vacuum,
    deeds.Cluster: indexes.cluster,
    deeds.Refresh: indexes.refresh,
    deeds.AttachPartition: partitions.attach,
    deeds.DetachPartition: partitions.detach,
    deeds.CreateTable: partitions.create_table,
    deeds.Drop: breaking.drop,
    deeds.DropColumn: breaking.drop_column,
    deeds.RenameColumn: breaking.rename_column,
    deeds.Rename: breaking.rename,
    deeds.RenameLabel: breaking.rename_label,
    deeds.ChangeRows: data.change_rows,
    deeds.Truncate: data.truncate,
    deeds.LockTable: data.lock_table,
    deeds.AlterTable: data.alter_table,
    deeds.SetParameter: data.set_parameter,
}
# What a downgrade does on purpose: it takes away what its upgrade made.
_OF_UPGRADES = frozenset(
    {"drop-column", "drop-table", "drop-view", "rename-column", "rename-table", "required-column"}
    | {"type-change-incompatible", "enum-value-renamed", "data-dependent", "truncate-table"}
)


@dataclass(frozen=True, slots=True)
class Scene:
    """A step, read."""

    subject: Subject
    acts: tuple[Act, ...]
    undone: tuple[Act, ...] | None
    pen: Pen

    @classmethod
    def of(cls, subject: Subject) -> Scene:
        """The scene of a step.

        Raises:
            ConfigurationError: PostgreSQL's parser (extra ``lint``) is not installed.
        """
        acts = acts_of(subject.step, subject.before)
        undone = None
        if subject.undo is not None:
            undone = acts_of(subject.undo, subject.before.after(subject.step))
        return cls(subject, acts, undone, Pen(python=subject.step.path.suffix != ".sql"))

    @property
    def statements(self) -> tuple[StatementReview, ...]:
        """The step's statements, with what their text tells where nobody watched."""
        merged: dict[int, StatementReview] = {}
        for review in (act.review for act in self.acts):
            known = merged.get(review.position)
            merged[review.position] = review if known is None else _both(known, review)
        return tuple(merged.values())


def _both(first: StatementReview, second: StatementReview) -> StatementReview:
    """What two statements of one string do."""
    return replace(
        first,
        locks=tuple(dict.fromkeys([*first.locks, *second.locks])),
        rewritten=tuple(dict.fromkeys([*first.rewritten, *second.rewritten])),
        scanned=tuple(dict.fromkeys([*first.scanned, *second.scanned])),
    )


def alarms(scene: Scene) -> list[Alarm]:
    """All alarms of a step, those of statements first, in their order."""
    found = [alarm for act in scene.acts for alarm in _of_statement(scene, act)]
    for rule in (
        transactions.outside_only,
        transactions.mixed,
        transactions.validated_at_once,
        transactions.held_meanwhile,
        transactions.used_at_once,
    ):
        found += rule(scene.acts, scene.pen)
    found += texts.several_statements(scene.subject, scene.acts, scene.pen)
    found += limits_at_the_top(scene.subject, scene.acts, scene.pen)
    found += wayback.way_back(scene.subject, scene.acts, scene.undone, scene.pen)
    if scene.subject.step.direction is Direction.DOWNGRADE:
        found = [alarm for alarm in found if alarm.rule not in _OF_UPGRADES]
    return found


def _of_statement(scene: Scene, act: Act) -> Iterator[Alarm]:
    raised: list[Alarm] = []
    for deed in act.deeds:
        rule = _RULES.get(type(deed))
        if rule is not None and not _excused(scene, act, deed):
            raised += rule(act, deed, scene.pen)
    yield from raised
    yield from _unexplained(act, raised)
    yield from texts.long_names(act, scene.pen)


def _excused(scene: Scene, act: Act, deed: deeds.Deed) -> bool:
    """Whether the step itself takes the edge off what a deed does."""
    later = scene.acts[scene.acts.index(act) + 1 :]
    match deed:
        case deeds.Drop(kind="view" | "materialized view", name=name) | deeds.Rename(name=name):
            return breaking.replaced(act, name, later)
        case deeds.SetParameter(name="lock_timeout"):
            # A concurrent build that gives up waiting leaves an INVALID index, and nobody queues behind it.
            return bool(later) and all(_waits_alone(each) for each in later)
        case _:
            return False


def _waits_alone(act: Act) -> bool:
    return not act.review.transactional and all(
        isinstance(deed, deeds.SetParameter) or getattr(deed, "concurrently", False) for deed in act.deeds
    )


def _unexplained(act: Act, raised: list[Alarm]) -> Iterator[Alarm]:
    """Scans and rewrites under a lock that no rule has named."""
    if any(getattr(deed, "concurrently", False) for deed in act.deeds):
        return  # it reads under the weakest lock there is for it
    known = [name for alarm in raised for name in alarm.explains]
    for relations, rule, what, during in (
        (act.review.rewritten, "table-rewrite", "written anew", COPIED),
        (act.review.scanned, "table-scan-under-lock", "read through", READ),
    ):
        for relation in relations:
            name = read_name(relation)
            lock = act.lock_named(relation)
            if any(act.covers(each, name) for each in known) or act.is_fresh(name):
                continue
            if lock is not None and lock.kind != "index" and lock.mode.blocks_writes:
                known.append(name)
                yield Alarm(
                    rule=rule,
                    act=act,
                    on=name,
                    during=during,
                    hazard=f"{relation} is {what} while it is locked",
                )
