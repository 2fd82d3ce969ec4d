"""For web applications: a lifespan that looks after the database, and endpoints that say how it stands.

``lifespan(migrator)`` is what FastAPI and Starlette take as ``lifespan=``, and Litestar in its list of that
name; anything else awaits ``Migrator.startup`` itself. ``Probes(migrator)`` holds the endpoints; none is
there unless it is mounted. Nothing of a web framework is imported before it is asked for.
"""

from headway.asgi.lifespan import Wrapped, lifespan
from headway.asgi.probes import LIVENESS, READINESS, Probes

__all__ = ["LIVENESS", "READINESS", "Probes", "Wrapped", "lifespan"]
