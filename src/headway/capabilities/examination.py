"""What ``headway doctor`` tells: settings, versions, capabilities, the revisions' standing."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from headway.capabilities.extensions import wanted_extensions
from headway.capabilities.requirements import checks_of
from headway.errors import CapabilityError, GraphError, LedgerError
from headway.narration.figures import readable_duration
from headway.planning import assess, interruption, pending, unfinished
from headway.results import Check, DoctorReport, Setting
from headway.settings import LIMITS
from headway.sqlfiles import down_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from headway.errors import HeadwayError
    from headway.project import Project, VersionTable
    from headway.results import Capabilities, LedgerEntry
    from headway.revisions import Graph
    from headway.settings import Settings

_PACKAGES = ("headway", "alembic", "sqlalchemy", "asyncpg")
_NOT_SET = "default"


def examine(  # noqa: PLR0913  # each is one thing the report tells of
    *,
    project: Project,
    settings: Settings,
    version_table: VersionTable,
    database: str,
    capabilities: Capabilities | None,
    graph: Graph | None,
    current: tuple[str, ...] | None,
    lock_key: int | None,
    dirty: LedgerEntry | None = None,
    failures: Sequence[HeadwayError] = (),
    needs_create: bool = True,
    of_file: tuple[Check, ...] | None = None,
    notes: Sequence[str] = (),
) -> DoctorReport:
    """Put together what is known; asks nobody, and reads no file but the revisions'.

    Args:
        project: the project.
        settings: what was configured.
        version_table: where the applied revisions are kept.
        database: what to call the database, masked.
        capabilities: ``None`` when it was not reached.
        graph: ``None`` when the revision files do not form one.
        current: the version table's rows; ``None`` when they could not be read.
        lock_key: the migrator lock's key, if it is known.
        dirty: the step that was interrupted, as the ledger says; ``None`` as a rule.
        failures: what went wrong on the way; each becomes a check that did not pass.
        needs_create: as for :func:`headway.capabilities.require_migratable`.
        of_file: what was found where the database is a file, and so has no capabilities.
        notes: what the settings could not honour.
    """
    judged = [*map(_failed, failures)]
    if graph is not None:
        judged.append(Check("revisions", passed=True, finding=_headline(graph)))
    if dirty is not None:
        judged.append(_half_way(dirty, here=graph is not None and dirty.revision in graph))
    if capabilities is not None:
        wanted = wanted_extensions(_pending_files(graph, current or ())) if graph is not None else {}
        judged += checks_of(capabilities, needs_create=needs_create, wanted=wanted)
    judged += of_file or ()
    return DoctorReport(
        database=database,
        settings=tuple(_settings(project, settings, version_table)),
        versions=_versions(capabilities),
        capabilities=capabilities,
        lock_key=lock_key,
        state=assess(graph, current, dirty=dirty) if graph is not None and current is not None else None,
        current=current or (),
        heads=graph.heads if graph is not None else (),
        checks=tuple(judged),
        notes=(*notes, *_remarks(capabilities)),
    )


def _failed(error: HeadwayError) -> Check:
    match error:
        case GraphError():
            name = "revisions"
        case LedgerError() | CapabilityError(capability="ledger"):
            name = "ledger"
        case _:
            name = "connection"
    return Check(name, passed=False, finding=error.message, way_out=error.hint)


def _half_way(dirty: LedgerEntry, *, here: bool) -> Check:
    """What was interrupted is in the way where its file is not at hand to go on with, or it cannot go on."""
    passed = here and not dirty.transactional
    return Check("interrupted", passed=passed, finding=interruption(dirty), way_out=unfinished(dirty).hint)


def _headline(graph: Graph) -> str:
    heads = ", ".join(graph.heads) or "none"
    stuck = [
        revision.id
        for revision in graph.revisions.values()
        if revision.path.suffix == ".sql" and not down_path(revision.path).exists()
    ]
    end = f"; without a .down.sql, so that it cannot be undone: {', '.join(stuck)}" if stuck else ""
    return f"the files form a graph of {len(graph)}; head: {heads}{end}"


def _pending_files(graph: Graph, current: tuple[str, ...]) -> dict[str, Path]:
    return {id_: graph.revisions[id_].path for id_ in pending(graph, current)}


def _settings(project: Project, settings: Settings, table: VersionTable) -> Iterator[Setting]:
    sources = settings.sources
    config = project.config_file or project.pyproject or project.script_location
    yield Setting("project", str(config), "SQL revisions" if project.plain_sql else f"[{project.section}]")
    yield Setting("environment", settings.environment.value, sources.get("environment", _NOT_SET))
    if settings.marked:
        yield Setting("protected", "as production is", sources.get("marked", _NOT_SET))
    if settings.database is None:
        yield Setting("database", "the embedded server, or the caller's own connection", _NOT_SET)
    else:
        yield Setting("database", settings.database.masked, settings.source or _NOT_SET)
    if settings.application is not None and settings.application is not settings.database:
        yield Setting("application", settings.application.masked, settings.application.variable)
    name = f"{table.schema}.{table.name}" if table.schema else table.name
    yield Setting("version table", name, project.env_file.name if project.env_file.is_file() else _NOT_SET)
    yield from _limits(settings)
    if settings.postgres_binaries is not None:
        source = sources.get("postgres_binaries", _NOT_SET)
        yield Setting("postgres binaries", str(settings.postgres_binaries), source)


def _limits(settings: Settings) -> Iterator[Setting]:
    """How long a run waits, where somebody has said so."""
    limits = settings.limits
    milliseconds = (
        None if limits.lock_wait_s is None else limits.lock_wait_s * 1000,
        limits.lock_timeout_ms,
        limits.statement_timeout_ms,
    )
    for variable, value in zip(LIMITS, milliseconds, strict=True):
        if value is not None:
            title = variable.removeprefix("HEADWAY_").lower().replace("_", " ")
            yield Setting(title, readable_duration(value), settings.sources.get(variable, variable))


def _versions(capabilities: Capabilities | None) -> dict[str, str]:
    found = {name: _installed(name) for name in _PACKAGES} | {"python": platform.python_version()}
    return found | ({"server": capabilities.server_version} if capabilities is not None else {})


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a source tree
        return "not installed"


def _remarks(capabilities: Capabilities | None) -> Iterator[str]:
    """What works less well than it could, and does not keep from migrating."""
    if capabilities is None:
        return
    if not capabilities.activity_visible:
        yield (
            "who blocks a step can be named, what they run cannot: it takes "
            f'GRANT pg_read_all_stats TO "{capabilities.user}"'
        )
    if not capabilities.transaction_status:
        yield "pg_xact_status is not available: whether a lost COMMIT took effect cannot be found out"
