"""What a run did, for whoever watches the application.

``Migrator(listeners=[LogListener()])``. Nothing is configured: handlers, levels and formats are the
application's.
"""

from __future__ import annotations

from headway.telemetry.logs import LogListener

__all__ = ["LogListener"]
