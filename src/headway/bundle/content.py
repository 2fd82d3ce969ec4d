"""What is in a bundle, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headway.kinds import refusal
from headway.ledger import written_by
from headway.lock import DEFAULT_LOCK_WAIT_S
from headway.retry import RetryPolicy
from headway.timeouts import Timeouts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from headway.alembic_bridge import ScriptedStatement, ScriptedStep
    from headway.ledger import LedgerNames
    from headway.project import VersionTable
    from headway.results import Direction, RunOptions
    from headway.revisions import Graph


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a bundle's scripts find their tables, and how long they wait.

    Attributes:
        table: the version table; without a schema it is found on the search path, as by a run.
        table_ddl: the statement that makes it, in a schema called ``headway_schema``.
        ledger: what the ledger's table and view are called.
        lock_wait_s: how long another migrator is waited for, in seconds.
        versions: of the packages that wrote the bundle, by name.
    """

    table: VersionTable
    table_ddl: str
    ledger: LedgerNames
    lock_wait_s: float
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BundleStep:
    """One step as the scripts have it.

    Attributes:
        number: its place in the bundle, from 1, by the order in which revisions are applied.
        revision: its id.
        direction: which way.
        description: of the revision.
        path: its file, from the project's folder.
        source: the file's text, for a step that must be run by headway.
        before: the version table's rows before it, sorted.
        after: its rows afterwards, sorted.
        parents: its ``down_revision``, then its dependencies.
        checksum: what the ledger keeps of the file; ``None`` when it cannot be read.
        transactional: whether it runs in one transaction.
        timeouts: of the step.
        statements: what it sends.
        unseen: why it must be run by headway, or cannot be run at all; ``None`` when the script does it.
        reads: whether headway can run it.
        asked_offline: whether the revision asked if it was offline.
    """

    number: int
    revision: str
    direction: Direction
    description: str
    path: Path
    source: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    parents: tuple[str, ...]
    checksum: str | None
    transactional: bool
    timeouts: Timeouts
    statements: tuple[ScriptedStatement, ...]
    unseen: str | None
    reads: bool
    asked_offline: bool

    @property
    def by_hand(self) -> bool:
        """Whether the script stops before it."""
        return self.unseen is not None

    @property
    def lock_timeout_ms(self) -> int:
        """How long a statement waits for a lock.

        A script does not try again, so where nobody says it is the patient one of a run's attempts.
        """
        asked = self.timeouts.lock_timeout_ms
        return RetryPolicy().patient_ms if asked is None else asked

    @property
    def title(self) -> str:
        """Id and description, on one line."""
        told = " ".join(self.description.split())
        return f"{self.revision} ({told})" if told else self.revision


@dataclass(frozen=True, slots=True)
class Content:
    """A whole bundle.

    Attributes:
        setting: where and how its scripts run.
        upgrade: the steps of the way there.
        rollback: those of the way back, newest first.
        applied: the revisions that are applied before the upgrade, oldest first: id, description, checksum.
    """

    setting: Setting
    upgrade: tuple[BundleStep, ...]
    rollback: tuple[BundleStep, ...]
    applied: tuple[tuple[str, str, str | None], ...] = ()

    @property
    def base(self) -> tuple[str, ...]:
        """The version table's rows before the upgrade."""
        return self.upgrade[0].before

    @property
    def goal(self) -> tuple[str, ...]:
        """Its rows afterwards."""
        return self.upgrade[-1].after


@dataclass(frozen=True, slots=True)
class Scripts:
    """What Alembic and env.py have to say of a bundle.

    Attributes:
        upgrade: the steps of the way there, as SQL.
        rollback: those of the way back.
        table: the version table.
        table_ddl: the statement that makes it, in a schema called ``headway_schema``.
        ledger: what the ledger is called.
    """

    upgrade: tuple[ScriptedStep, ...]
    rollback: tuple[ScriptedStep, ...]
    table: VersionTable
    table_ddl: str
    ledger: LedgerNames


def content_of(scripts: Scripts, graph: Graph, root: Path, limits: RunOptions) -> Content:
    """Everything that the scripts of a bundle say.

    Args:
        scripts: what Alembic and env.py have to say.
        graph: this checkout's revisions.
        root: the project's folder, from which paths are told.
        limits: how long the settings let a run wait.

    Raises:
        ConfigurationError: a timeout that a revision asks for is none.
    """
    base = graph.applied(scripts.upgrade[0].step.before)
    numbers = {each.step.revision: number for number, each in enumerate(scripts.upgrade, start=1)}
    checksums = graph.fingerprints([*base, *numbers])

    def steps(scripted: Iterable[ScriptedStep]) -> tuple[BundleStep, ...]:
        return tuple(
            _step(each, numbers[each.step.revision], checksums.get(each.step.revision), root, limits)
            for each in scripted
        )

    found = written_by()
    return Content(
        setting=Setting(
            table=scripts.table,
            table_ddl=scripts.table_ddl,
            ledger=scripts.ledger,
            lock_wait_s=DEFAULT_LOCK_WAIT_S if limits.lock_wait_s is None else limits.lock_wait_s,
            versions={name: found[name] for name in ("alembic", "headway")},
        ),
        upgrade=steps(scripts.upgrade),
        rollback=steps(scripts.rollback),
        applied=tuple((id_, told, checksums.get(id_)) for id_, told in base.items()),
    )


def _step(
    scripted: ScriptedStep, number: int, checksum: str | None, root: Path, limits: RunOptions
) -> BundleStep:
    step = scripted.step
    timeouts = Timeouts().merged(limits, scripted.code, origin=step.revision)
    unseen, reads = scripted.unseen, scripted.reads
    if unseen is None and not scripted.transactional:
        unseen, reads = _unrepeatable(scripted.statements), False
    return BundleStep(
        number=number,
        revision=step.revision,
        direction=step.direction,
        description=step.description,
        path=step.path.relative_to(root) if step.path.is_relative_to(root) else Path(step.path.name),
        source=step.path.read_text(encoding="utf-8", errors="replace") if unseen else "",
        before=step.before,
        after=step.after,
        parents=step.parents,
        checksum=checksum,
        transactional=scripted.transactional,
        timeouts=timeouts,
        statements=scripted.statements,
        unseen=unseen,
        reads=reads,
        asked_offline=scripted.asked_offline,
    )


def _unrepeatable(statements: Iterable[ScriptedStatement]) -> str | None:
    """Why a run would refuse one of the statements of a revision that is not transactional."""
    refused = (refusal(statement.sql) for statement in statements)
    return next((f"a run would refuse it: {why[0]}" for why in refused if why is not None), None)
