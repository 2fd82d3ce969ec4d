"""headway: the async-first migration engine for SQLAlchemy 2 and PostgreSQL.

``Migrator`` is the façade; ``headway.env`` is what an ``env.py`` calls. Names are loaded when first used,
so that a short command does not pay for SQLAlchemy and Alembic.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headway.database import open_database
    from headway.errors import (
        ConfigurationError,
        ConnectionFailedError,
        DatabaseError,
        EmbeddedServerError,
        EnvironmentFileError,
        ExitCode,
        GraphError,
        HeadwayError,
        NotAtHeadError,
        RefusedError,
        ResolutionError,
        StepFailedError,
        TransactionOpenError,
        UnknownRevisionsError,
        VersionConflictError,
    )
    from headway.events import (
        Event,
        Listener,
        RunFinished,
        RunStarted,
        ServerStarting,
        StepFailed,
        StepFinished,
        StepStarted,
    )
    from headway.migrator import Migrator
    from headway.planning import Plan, Step
    from headway.project import Project, load_project
    from headway.results import (
        CheckReport,
        Direction,
        Loss,
        Mark,
        PendingReport,
        RevisionReport,
        RevisionStatus,
        RunReport,
        State,
        StatusReport,
        StepResult,
    )
    from headway.settings import Environment, Settings, load_settings
    from headway.url import DatabaseURL

_HOMES = {
    "headway.database": ("open_database",),
    "headway.errors": (
        "ConfigurationError",
        "ConnectionFailedError",
        "DatabaseError",
        "EmbeddedServerError",
        "EnvironmentFileError",
        "ExitCode",
        "GraphError",
        "HeadwayError",
        "NotAtHeadError",
        "RefusedError",
        "ResolutionError",
        "StepFailedError",
        "TransactionOpenError",
        "UnknownRevisionsError",
        "VersionConflictError",
    ),
    "headway.events": (
        "Event",
        "Listener",
        "RunFinished",
        "RunStarted",
        "ServerStarting",
        "StepFailed",
        "StepFinished",
        "StepStarted",
    ),
    "headway.migrator": ("Migrator",),
    "headway.planning": ("Plan", "Step"),
    "headway.project": ("Project", "load_project"),
    "headway.results": (
        "CheckReport",
        "Direction",
        "Loss",
        "Mark",
        "PendingReport",
        "RevisionReport",
        "RevisionStatus",
        "RunReport",
        "State",
        "StatusReport",
        "StepResult",
    ),
    "headway.settings": ("Environment", "Settings", "load_settings"),
    "headway.url": ("DatabaseURL",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "CheckReport",
    "ConfigurationError",
    "ConnectionFailedError",
    "DatabaseError",
    "DatabaseURL",
    "Direction",
    "EmbeddedServerError",
    "Environment",
    "EnvironmentFileError",
    "Event",
    "ExitCode",
    "GraphError",
    "HeadwayError",
    "Listener",
    "Loss",
    "Mark",
    "Migrator",
    "NotAtHeadError",
    "PendingReport",
    "Plan",
    "Project",
    "RefusedError",
    "ResolutionError",
    "RevisionReport",
    "RevisionStatus",
    "RunFinished",
    "RunReport",
    "RunStarted",
    "ServerStarting",
    "Settings",
    "State",
    "StatusReport",
    "Step",
    "StepFailed",
    "StepFailedError",
    "StepFinished",
    "StepResult",
    "StepStarted",
    "TransactionOpenError",
    "UnknownRevisionsError",
    "VersionConflictError",
    "load_project",
    "load_settings",
    "open_database",
]
