"""A plan's steps as SQL, each by itself: which statements, and which of them are committed on their own."""

from __future__ import annotations

import io
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from sqlalchemy import MetaData
from sqlalchemy.exc import CompileError
from sqlalchemy.schema import CreateTable

from headway.alembic_bridge.destruction import reads_data
from headway.alembic_bridge.offline import configure_offline, in_one_line, unwritable
from headway.alembic_bridge.revision_code import load_code
from headway.alembic_bridge.routing import environment_of, operations_of
from headway.diagnosis import line_running
from headway.errors import IrreversibleMigration, RefusedError
from headway.results import Direction
from headway.sqltext import skeleton, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from alembic.runtime.migration import MigrationContext

    from headway.alembic_bridge.code import RevisionCode
    from headway.alembic_bridge.environment import AlembicProject
    from headway.planning import Plan, Step
    from headway.sqlfiles import Place

_FROM_STDIN = re.compile(r"COPY\b.*\bFROM\s+STDIN\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ScriptedStatement:
    """One statement, without a semicolon; ``alone`` when the revision has put it outside its transaction.

    ``line`` is where it comes from in the revision's file; ``None`` where that cannot be told.
    """

    sql: str
    alone: bool = False
    line: int | None = None


@dataclass(frozen=True, slots=True)
class ScriptedStep:
    """One step as SQL.

    Attributes:
        step: the step.
        code: what the file says about how to run it; ``None`` where it cannot even be loaded.
        statements: what it sends, as far as it can be told beforehand.
        unseen: why they end early, or why the step cannot be run at all; ``None`` when all are there.
        reads: whether that is because it reads data, so that a run can do it.
        asked_offline: whether it asked if it was offline, and so may do more in a run.
    """

    step: Step
    code: RevisionCode | None
    statements: tuple[ScriptedStatement, ...] = ()
    unseen: str | None = None
    reads: bool = False
    asked_offline: bool = False

    @property
    def transactional(self) -> bool:
        """Whether it runs in one transaction."""
        return self.code is None or self.code.transactional


def script_steps(project: AlembicProject, plan: Plan) -> tuple[ScriptedStep, ...]:
    """The steps of a plan as SQL, in order; empty for an empty plan. The revisions run without a connection.

    Unlike ``render_sql`` it goes on behind a step that cannot be written as SQL; that says why in ``unseen``.

    Raises:
        StepFailedError: a revision's file cannot be loaded.
    """
    return tuple(_scripted(project, step) for step in plan.steps)


def version_table_ddl(project: AlembicProject, schema: str) -> str:
    """The statement that makes the version table as a run would, in a schema."""
    context = _offline(project, (), io.StringIO()).get_context()
    options = project.options
    table = context.impl.version_table_impl(
        version_table=options.version_table.name,
        version_table_schema=schema,
        version_table_pk=bool(options.options.get("version_table_pk", True)),
    )
    # A schema of its own: a name that needs no quotes would otherwise be looked up among the models.
    table = table.to_metadata(MetaData(), schema=schema)
    return str(CreateTable(table).compile(dialect=context.dialect)).strip()


def _scripted(project: AlembicProject, step: Step) -> ScriptedStep:
    written = _Written(step.path)
    environment = _offline(project, step.before, written)
    context = environment.get_context()
    asked: list[bool] = []

    def offline() -> bool:
        asked.append(True)
        return True

    # On this one object: revisions reach it by `context.is_offline_mode()`.
    environment.is_offline_mode = offline  # type: ignore[method-assign]
    code: RevisionCode | None = None
    unseen: str | None = None
    reads = False
    try:
        with _alone(context, written), environment_of(environment), operations_of(Operations(context)):
            code = load_code(step.path, step.direction)
            written.place = code.place
            code.function()
    except Exception as error:  # what it means is told apart below
        if code is None and step.direction is Direction.UPGRADE:
            raise unwritable(step, error) from error
        unseen, reads = _why(error, step, loaded=code is not None)
    statements, flaw = written.statements()
    return ScriptedStep(step, code, statements, unseen or flaw, reads, bool(asked))


def _offline(project: AlembicProject, before: tuple[str, ...], output: io.StringIO) -> EnvironmentContext:
    environment = EnvironmentContext(
        project.config,
        project.script,
        fn=lambda *_: [],
        as_sql=True,
        starting_rev=before or None,
        destination_rev=None,
    )
    configure_offline(environment, project.options, output_buffer=output)
    return environment


def _why(error: Exception, step: Step, *, loaded: bool) -> tuple[str, bool]:
    """Why a step cannot be written as SQL, and whether a run could do it all the same."""
    told = in_one_line(error)
    if isinstance(error, CompileError):
        return f"it holds a value that cannot be written without a connection ({told})", True
    if not loaded or isinstance(error, NotImplementedError | IrreversibleMigration | RefusedError):
        return f"it has no {step.direction.value} that could be run ({told})", False
    if reads_data(error):
        return f"it reads data, which only a run can ({told})", True
    # What else it raises may well be for want of rows.
    return f"it raises without a database ({told})", step.direction is Direction.UPGRADE


@contextmanager
def _alone(context: MigrationContext, written: _Written) -> Iterator[None]:
    """Within it, an ``autocommit_block`` marks its statements, and prints neither COMMIT nor BEGIN."""

    @contextmanager
    def block() -> Iterator[None]:
        written.alone = True
        try:
            yield
        finally:
            written.alone = False

    # On this one context; revisions reach it by op.get_context().
    context.autocommit_block = block  # type: ignore[method-assign]
    try:
        yield
    finally:
        del context.autocommit_block


class _Written(io.StringIO):
    """What Alembic prints in offline mode, each text by itself with where it stood."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.alone = False
        self.place: Callable[[int | None], Place | None] = lambda _: None
        self._path = path
        self._texts: list[tuple[str, bool, int | None]] = []

    def write(self, text: str) -> int:
        place = self.place(None)
        line = place.line if place else line_running(self._path)
        self._texts.append((text, self.alone, line))
        return len(text)

    def statements(self) -> tuple[tuple[ScriptedStatement, ...], str | None]:
        """One by one, for a text may hold several; and what is wrong with the first that no script can hold.

        psql would take a backslash outside quotes for a command of its own, and the lines behind a
        ``COPY … FROM STDIN`` for data.
        """
        found: list[ScriptedStatement] = []
        for text, alone, line in self._texts:
            pieces, flaws = split(text)
            if flaws:
                return tuple(found), f"it sends what cannot be told apart: {flaws[0].message}"
            for piece in pieces:
                if _FROM_STDIN.match(skeleton(piece.text)):
                    return tuple(found), "it sends COPY … FROM STDIN, whose data is not in it"
                found.append(ScriptedStatement(piece.text, alone, line))
        return tuple(found), None
