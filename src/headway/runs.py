"""The run that fits an open door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.door import Door
from headway.file_run import FileRun
from headway.server_run import ServerRun

if TYPE_CHECKING:
    from headway.alembic_bridge import Scope
    from headway.doorway import Doorway
    from headway.runner import Run


def run_behind(door: Doorway, operation: str, scope: Scope) -> Run:
    """One execution of a plan behind this door.

    Args:
        door: the open door.
        operation: what the run does, such as ``upgrade``.
        scope: the migration context on the door's session.
    """
    return ServerRun(operation, door, scope) if isinstance(door, Door) else FileRun(operation, door, scope)
