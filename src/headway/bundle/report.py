"""What a reviewer is told of a bundle, as plain data; ``markdown`` and ``page`` write it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.bundle.alterations import altered, is_ours
from headway.results import Effort, LintReport, LockMode, Severity, StatementReview, StepReview

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from headway.bundle.alterations import TableChange
    from headway.bundle.content import BundleStep, Content
    from headway.catalogue import Catalogue

BLOCKED = {
    LockMode.ACCESS_EXCLUSIVE: "reads and writes wait",
    LockMode.EXCLUSIVE: "writes wait",
    LockMode.SHARE_ROW_EXCLUSIVE: "writes wait",
    LockMode.SHARE: "writes wait",
}
"""What waits behind a lock; nothing that an application does behind the others (manual, 13.3.1)."""

EFFORTS = {
    Effort.METADATA: "catalogue only",
    Effort.SCAN: "reads whole tables",
    Effort.REWRITE: "writes tables or indexes anew",
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """The catalogue on both sides of a bundle; ``undrawn`` says why there is none to draw."""

    before: Catalogue | None = None
    after: Catalogue | None = None
    undrawn: str | None = "nobody looked"

    @property
    def changes(self) -> tuple[TableChange, ...]:
        """The tables that come, go or change."""
        return () if self.before is None or self.after is None else altered(self.before, self.after)

    @property
    def untouched(self) -> tuple[str, ...]:
        """The names of the tables that stay as they are."""
        if self.before is None or self.after is None:
            return ()
        changed = {change.name for change in self.changes}
        tables = {named(*key) for key, table in self.after.tables.items() if not is_ours(table)}
        return tuple(sorted(tables - changed))


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A step with what is known of it."""

    step: BundleStep
    review: StepReview

    @property
    def strongest(self) -> LockMode | None:
        """The strongest lock that it takes on what existed before."""
        modes = (each.strongest for each in self.review.statements)
        return max((mode for mode in modes if mode), key=lambda mode: mode.strength, default=None)

    @property
    def effort(self) -> Effort | None:
        """The most that one of its statements does; ``None`` where none was watched."""
        order = list(Effort)
        seen = (each.effort for each in self.review.statements if each.traced)
        return max(seen, key=order.index, default=None)

    def count(self, severity: Severity) -> int:
        """How many of its findings are so bad."""
        return sum(each.severity is severity and each.silenced is None for each in self.review.findings)

    @property
    def loses(self) -> bool:
        """Whether it is known to destroy data."""
        return any(loss.kind != "unknown" for loss in self.review.losses)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the report of a bundle says.

    Attributes:
        content: the bundle.
        upgrade: its steps, with what is known of them.
        rollback: the statements of the way back, by revision.
        drawn: the catalogue on both sides.
        oracle: the server that was watched; ``None`` when none was.
        unwatched: why none was.
        scripts: the SHA-256 of each script, by name.
    """

    content: Content
    upgrade: tuple[Reviewed, ...]
    rollback: Mapping[str, BundleStep]
    drawn: Drawn
    oracle: str | None
    unwatched: str | None
    scripts: Mapping[str, str]


def report_of(content: Content, lint: LintReport, drawn: Drawn, scripts: Mapping[str, str]) -> Report:
    """Put together what is known.

    Args:
        content: the bundle.
        lint: what lint and the watched server say of the upgrade's steps; of a step that is not there the
            text alone is shown.
        drawn: the catalogue on both sides.
        scripts: the SHA-256 of each script, by name.
    """
    known = {each.revision: each for each in lint.steps}
    return Report(
        content=content,
        upgrade=tuple(Reviewed(step, known.get(step.revision) or _by_text(step)) for step in content.upgrade),
        rollback={step.revision: step for step in content.rollback},
        drawn=drawn,
        oracle=lint.oracle,
        unwatched=lint.unwatched,
        scripts=scripts,
    )


def by_text(steps: Iterable[BundleStep], why: str) -> LintReport:
    """The report of steps that nobody has watched."""
    return LintReport(tuple(_by_text(step) for step in steps), unwatched=why)


def named(schema: str, name: str) -> str:
    """A relation's name, with its schema unless that is ``public``."""
    return name if schema == "public" else f"{schema}.{name}"


def _by_text(step: BundleStep) -> StepReview:
    return StepReview(
        revision=step.revision,
        direction=step.direction,
        description=step.description,
        path=step.path,
        transactional=step.transactional,
        statements=tuple(
            StatementReview(number, each.sql, transactional=step.transactional and not each.alone)
            for number, each in enumerate(step.statements, start=1)
        ),
        unseen=step.unseen,
    )
