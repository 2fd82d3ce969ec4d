"""A run that one of Alembic's own commands started: its steps, one by one.

Everything here is synchronous and runs inside ``run_sync``.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alembic.runtime.migration import HeadMaintainer, RevisionStep, StampStep
from alembic.script import Script
from alembic.util import CommandError, to_tuple
from sqlalchemy import delete

from headway.alembic_bridge.execution import Scope
from headway.alembic_bridge.revision_code import code_of, load_code
from headway.alembic_bridge.sql_scripts import sql_graph
from headway.errors import HeadwayError, VersionConflictError
from headway.integrity import digest, fingerprint
from headway.results import Direction
from headway.revisions import Revision

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alembic.runtime.environment import EnvironmentContext

    from headway.alembic_bridge.code import RevisionCode
    from headway.revisions import Graph


@dataclass(frozen=True, slots=True)
class CommandStep:
    """One step of an Alembic command, taken apart; ``path`` is ``None`` for a stamp, which runs no file."""

    operation: str
    revision: str
    direction: Direction
    description: str
    path: Path | None
    alembic: RevisionStep | StampStep

    @property
    def code(self) -> RevisionCode:
        """The step's function, and what its file says about how to run it."""
        if self.path is not None and self.path.suffix == ".sql":
            return load_code(self.path, self.direction)
        script = self.alembic.revision if isinstance(self.alembic, RevisionStep) else None
        module = script.module if isinstance(script, Script) else None
        return code_of(self.alembic.migration_fn, module)


class CommandScope(Scope):
    """The scope of a run that one of Alembic's own commands started: the steps are the command's."""

    def __init__(self, environment: EnvironmentContext) -> None:
        super().__init__(environment)
        self._maintainer: HeadMaintainer | None = None
        self._writing: tuple[CommandStep, frozenset[str]] | None = None

    def steps(self, versions: tuple[str, ...]) -> list[CommandStep]:
        """Ask the command for its steps; commands that only look do their looking here and return none."""
        function = self.context._migrations_fn  # noqa: SLF001  # Alembic offers no other way to it
        if function is None:
            return []
        self._maintainer = HeadMaintainer(self.context, versions)
        with self.routed(), self.connection.begin():
            return [_taken_apart(step) for step in function(versions, self.context)]

    @property
    def migrating(self) -> bool:
        """Whether the command goes to a revision, as ``upgrade`` and ``downgrade`` do, rather than looks."""
        return self._environment.context_opts.get("destination_rev") is not None

    def sql_graph(self) -> Graph | None:
        """The revisions as headway reads them; ``None`` where none is in SQL, or the command only looks."""
        return sql_graph(self._environment.script) if self.migrating else None

    @property
    def purging(self) -> bool:
        """Whether the command is ``alembic stamp --purge``."""
        return bool(self.context.purge)

    def known_versions(self) -> tuple[str, ...]:
        """The version rows as the command is to see them: none when it purges."""
        return () if self.purging else self.versions()

    def applied(self, versions: Sequence[str]) -> dict[str, str]:
        """What version rows say is applied: each revision with its description, oldest first."""
        revisions = self._environment.script.revision_map
        found: dict[str, str] = {}
        waiting = list(versions)
        while waiting:
            for script in revisions.get_revisions(waiting.pop()):
                if isinstance(script, Script) and script.revision not in found:
                    found[script.revision] = script.doc or ""
                    waiting += [*to_tuple(script.down_revision, ()), *to_tuple(script.dependencies, ())]
        return dict(reversed(found.items()))

    def revisions(self) -> dict[str, Revision]:
        """Alembic's revisions as headway sees them, their files read anew; unreadable ones are left out."""
        graph = sql_graph(self._environment.script)
        if graph is not None:
            return dict(graph.revisions)
        found = {}
        for script in self._environment.script.walk_revisions():
            with suppress(OSError):
                found[script.revision] = _seen_by_headway(script)
        return found

    def fingerprints(self, ids: Iterable[str]) -> dict[str, str]:
        """What the ledger keeps of these revisions' files; unreadable ones are left out."""
        graph = sql_graph(self._environment.script)
        if graph is not None:
            return graph.fingerprints(ids)
        found = {}
        for script in self._environment.script.revision_map.get_revisions(tuple(ids)):
            with suppress(OSError):
                if isinstance(script, Script):
                    found[script.revision] = str(fingerprint(Path(script.path), _links(script)))
        return found

    def purge(self) -> None:
        """Empty the version table (``alembic stamp --purge``)."""
        self.create_version_table()
        with self.connection.begin():
            self.connection.execute(delete(self._table))

    def write_command_step(self, command_step: CommandStep) -> None:
        """Write the version of one of Alembic's steps; inside the step's transaction.

        Raises:
            VersionConflictError: the version table did not hold what the step expects.
        """
        if self._maintainer is None:
            raise HeadwayError("steps() was not asked before write_command_step()")
        step = command_step.alembic
        if self._writing is None or self._writing[0] is not command_step:
            self._writing = (command_step, frozenset(self._maintainer.heads))
        # A step that is tried again begins where it began before: an attempt may fail as late as in COMMIT.
        self._maintainer.heads = set(self._writing[1])
        try:
            self._maintainer.update_to_step(step)
        except CommandError as error:
            raise VersionConflictError(
                step.short_log, str(error), hint="This step was rolled back; run the command again."
            ) from None
        for callback in self.context.on_version_apply_callbacks:
            callback(ctx=self.context, step=step.info, heads=set(self._maintainer.heads), run_args={})


def _seen_by_headway(script: Script) -> Revision:
    path = Path(script.path)
    return Revision(
        script.revision,
        parents=to_tuple(script.down_revision, ()),
        depends_on=to_tuple(script.dependencies, ()),
        labels=(),
        description=script.doc or "",
        path=path,
        line=1,
        digest=digest(path.read_bytes()),
    )


def _links(script: Script) -> tuple[str, ...]:
    return (*to_tuple(script.down_revision, ()), *to_tuple(script.dependencies, ()))


def _taken_apart(step: RevisionStep | StampStep) -> CommandStep:
    info = step.info
    script = step.revision if isinstance(step, RevisionStep) else None
    direction = Direction.UPGRADE if info.is_upgrade else Direction.DOWNGRADE
    return CommandStep(
        operation="stamp" if info.is_stamp else direction.value,
        revision=", ".join(info.up_revision_ids) or "base",
        direction=direction,
        description=(script.doc or "") if isinstance(script, Script) else "",
        path=Path(script.path) if isinstance(script, Script) else None,
        alembic=step,
    )
