"""The façade: everything headway can do to one database, on the caller's event loop."""

from __future__ import annotations

from headway.migrator.adopting import Adopting
from headway.migrator.bundling import Bundling
from headway.migrator.previewing import Previewing
from headway.migrator.starting import Starting

__all__ = ["Migrator"]


class Migrator(Bundling, Previewing, Adopting, Starting):
    """One project on one database.

    Every method returns data and prints nothing; none blocks the event loop while the database works;
    each may be cancelled at any await, which rolls back the revision that was running. Methods that
    change the database take the migrator lock; those that only look take none.

    Args:
        project: the project, its alembic.ini, pyproject.toml or folder; ``None`` searches from the working
            directory upwards.
        url: the database; before every other setting.
        environment: ``development``, ``staging`` or ``production``; before ``APP_ENVIRONMENT``.
        settings: ready-made settings, in place of ``url`` and ``environment``.
        connection: the caller's own engine or connection, in place of any URL. Runs take a new connection
            that the engine's pool does not keep; a connection is used as it is and must have no transaction
            open.
        listeners: called with each event of a run.
        x_arguments: ``key=value`` strings for ``context.get_x_argument()``, as ``alembic -x`` gives them.

    Raises:
        ConfigurationError: the project cannot be found or read, or a setting is wrong.
    """
