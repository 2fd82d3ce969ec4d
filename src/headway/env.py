"""What a project's ``env.py`` calls.

The whole of an env.py is::

    from headway import env
    from myapp.models import Base

    env.run(Base.metadata)

The same file serves ``alembic`` (online, ``--sql``, ``--autogenerate``), ``alembic.command`` called from
code, and :class:`headway.Migrator`. It works with no event loop running and inside a running one, and takes
an ``AsyncEngine``, ``AsyncConnection`` or ``Connection`` from ``config.attributes["connection"]``. It never
touches the logging configuration.
"""

from __future__ import annotations

import logging
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from headway.alembic_bridge import (
    HANDOVER,
    CommandError,
    CommandScope,
    CommandStep,
    EnvironmentContext,
    EnvironmentOptions,
    TargetMetadata,
    alembics_own_environment,
    configure_offline,
    load_all_sql,
    run_offline,
    see_sql_revisions,
)
from headway.database import EMBEDDED, open_database
from headway.door import open_door
from headway.doorway import ledger_for
from headway.errors import INSUFFICIENT_PRIVILEGE, DatabaseError, HeadwayError, RefusedError
from headway.events import LockWaiting, StepBlocked, StepRetrying, StepStarted, Warned, tell
from headway.latecomers import require_none_late
from headway.loops import drive, drive_on_loop_of
from headway.narration.changes import changed_error
from headway.narration.sentences import in_words
from headway.planning import changes, unfinished
from headway.project import project_of_config
from headway.results import Direction
from headway.runs import run_behind
from headway.session import open_session
from headway.settings import load_limits, load_settings
from headway.sqlite import DIALECT as SQLITE
from headway.threads import in_thread
from headway.url import SQLiteURL
from headway.work import Work

if TYPE_CHECKING:
    from headway.doorway import Doorway
    from headway.events import Event, Listener
    from headway.ledger import Ledger
    from headway.project import Project
    from headway.results import RunOptions
    from headway.session import Session, Source

_logger = logging.getLogger("headway")


def run(target_metadata: TargetMetadata = None, **options: Any) -> None:
    """Run the command that loaded this env.py, whichever it is.

    Args:
        target_metadata: the models' ``MetaData`` (or several), for autogenerate and ``check``; without it
            everything but those two works.
        **options: what ``alembic.context.configure`` takes (``include_schemas``, ``include_object``,
            ``version_table``, …). ``compare_type`` and ``compare_server_default`` are on unless
            given. The connection, its dialect and its transactions are headway's business and refused here.

    Raises:
        ConfigurationError: an option is not env.py's to give, or no database is configured.
        TransactionOpenError: the connection handed over has already begun a transaction.
        CapabilityError: the server cannot be migrated safely, or lacks an extension that a revision creates.
        LockBusyError: another migrator kept the lock until the deadline (``HEADWAY_LOCK_WAIT``).
        StepFailedError: a revision failed.
        alembic.util.CommandError: in place of any of these when the ``alembic`` command is running, which
            prints it in its own way.
    """
    environment = alembics_own_environment()
    handover = environment.config.attributes.get(HANDOVER)
    if handover is not None:
        handover.append(EnvironmentOptions.of(target_metadata, options))
        return
    see_sql_revisions(environment.script)
    try:
        _run(environment, EnvironmentOptions.of(target_metadata, options))
    except HeadwayError as error:
        if environment.config.cmd_opts is None:
            raise
        raise CommandError(str(error)) from None


def _run(environment: EnvironmentContext, options: EnvironmentOptions) -> None:
    if environment.is_offline_mode():
        configure_offline(environment, options, dialect=_dialect_configured(environment))
        run_offline(environment)
        return
    source = environment.config.attributes.get("connection")
    if isinstance(source, AsyncConnection):
        drive_on_loop_of(source, _run_on(source, environment, options))
    elif source is None or isinstance(source, AsyncEngine | Connection):
        drive(_run_on(source, environment, options))
    else:
        raise RefusedError(
            f"config.attributes['connection'] is a {type(source).__name__}",
            hint="Hand over an AsyncEngine, an AsyncConnection or a Connection.",
        )


def _dialect_configured(environment: EnvironmentContext) -> str:
    """For which database system SQL is written; PostgreSQL unless a setting that can be read says else."""
    try:
        database = load_settings(_project_of(environment)).database
    except HeadwayError:
        return "postgresql"
    return SQLITE if isinstance(database, SQLiteURL) else "postgresql"


async def _run_on(
    source: AsyncEngine | AsyncConnection | Connection | None,
    environment: EnvironmentContext,
    options: EnvironmentOptions,
) -> None:
    if source is not None:
        limits = load_limits(_project_of(environment) if environment.config.config_file_name else None)
        await _run_in_session(source, "the connection", limits, environment, options)
        return
    project = _project_of(environment)
    settings = load_settings(project)
    async with open_database(settings, project.root) as url:
        await _run_in_session(url, settings.source or EMBEDDED, settings.limits, environment, options)


def _project_of(environment: EnvironmentContext) -> Project:
    config = environment.config
    return project_of_config(
        config.config_file_name, config.toml_file_name, section=config.config_ini_section
    )


async def _run_in_session(
    source: Source,
    origin: str,
    limits: RunOptions,
    environment: EnvironmentContext,
    options: EnvironmentOptions,
) -> None:
    async with open_session(source, origin=origin) as session:
        await _run_command(session, limits, environment, options)


async def _run_command(
    session: Session, limits: RunOptions, environment: EnvironmentContext, options: EnvironmentOptions
) -> None:
    def begin(connection: Connection) -> tuple[CommandScope, tuple[str, ...], list[CommandStep]]:
        options.configure(environment, connection=connection)
        scope = CommandScope(environment)
        versions = scope.known_versions()
        return scope, versions, scope.steps(versions)

    scope, versions, steps = await session.run(begin)
    load_all_sql((step.path, step.direction) for step in steps if step.path)
    ledger = ledger_for(session.dialect, options.ledger, options.version_table)
    graph = scope.sql_graph()
    if graph is not None:
        await require_none_late(session, ledger, graph, versions)
    if scope.migrating:
        await _require_unchanged(session, ledger, scope, versions, steps)
    if not steps and not scope.purging:
        if scope.migrating:
            await _require_settled(session, ledger)
        return
    async with open_door(
        session,
        table=options.version_table,
        ledger=ledger,
        applies={
            step.revision: step.path for step in steps if step.path and step.direction is Direction.UPGRADE
        },
        options=limits,
        run_id=uuid.uuid4().hex,
        emit=partial(tell, _listeners(environment)),
    ) as door:
        await _run_steps(door, scope, versions, steps)


async def _require_settled(session: Session, ledger: Ledger) -> None:
    """``alembic upgrade`` has nothing to do; that is no success while a revision is half-way."""
    try:
        dirty = await session.run(ledger.dirty)
    except DatabaseError as error:
        if error.sqlstate == INSUFFICIENT_PRIVILEGE:
            return  # a role that may only look at the version table
        raise
    if dirty is not None:
        raise unfinished(dirty)


async def _require_unchanged(
    session: Session,
    ledger: Ledger,
    scope: CommandScope,
    versions: tuple[str, ...],
    steps: list[CommandStep],
) -> None:
    """What is applied and stays so must be what was applied; what the command undoes goes anyway."""
    try:
        record = await session.run(ledger.record_of)
    except DatabaseError as error:
        if error.sqlstate == INSUFFICIENT_PRIVILEGE:
            return
        raise
    if not record:
        return
    undone = {step.revision for step in steps if step.direction is Direction.DOWNGRADE}
    staying = scope.applied(versions).keys() - undone
    changed = await in_thread(lambda: changes(scope.revisions(), staying, record))
    if changed:
        raise changed_error(session.database, changed)


async def _run_steps(
    door: Doorway, scope: CommandScope, versions: tuple[str, ...], steps: list[CommandStep]
) -> None:
    def again(_: Connection) -> tuple[tuple[str, ...], list[CommandStep]]:
        now = scope.known_versions()
        return now, steps if now == versions else scope.steps(now)

    # Another migrator may have been at work until the lock was ours.
    now, due = await door.session.run(again)
    if scope.purging:
        await door.session.run(lambda _: scope.purge())
    if due:
        await door.session.run(lambda _: scope.create_version_table())
        await door.adopt(scope.applied(now), scope.fingerprints)
        run = run_behind(door, due[0].operation, scope)
        await run.execute([_work(scope, step) for step in due], before=now, after=())


def _work(scope: CommandScope, step: CommandStep) -> Work:
    return Work(
        revision=step.revision,
        operation=step.operation,
        direction=step.direction,
        description=step.description,
        path=step.path,
        code=lambda: step.code,
        checksum=lambda: scope.fingerprints([step.revision]).get(step.revision) if step.path else None,
        write=lambda: scope.write_command_step(step),
    )


def _listeners(environment: EnvironmentContext) -> list[Listener]:
    """Who hears of the run: the log, and ``alembic``'s own output when it is the ``alembic`` command."""

    def print_step(event: Event) -> None:
        # Alembic's own logger is silent unless somebody configured it.
        if isinstance(event, StepStarted):
            title = f"{event.revision}, {event.description}" if event.description else event.revision
            environment.config.print_stdout(f"Running {event.direction.value} {title}")

    return [_log_what_holds_it_up, *([print_step] if environment.config.cmd_opts is not None else [])]


def _log_what_holds_it_up(event: Event) -> None:
    """As warnings, which logging shows on stderr where nobody configured it."""
    if isinstance(event, LockWaiting | StepBlocked | StepRetrying | Warned):
        _logger.warning(in_words(event))
