"""The endpoints as Litestar's route handlers; importing this module needs Litestar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar import asgi

from headway.asgi.probes import LIVENESS, READINESS

if TYPE_CHECKING:
    from litestar.handlers import ASGIRouteHandler
    from litestar.types import Receive, Scope, Send

    from headway.asgi.probes import Endpoint, Probes


def handlers(probes: Probes) -> list[ASGIRouteHandler]:
    """``/livez`` and ``/readyz`` for ``Litestar(route_handlers=[...])``."""
    return [mounted(LIVENESS, probes.livez), mounted(READINESS, probes.readyz)]


def mounted(path: str, endpoint: Endpoint) -> ASGIRouteHandler:
    """One endpoint at a path, ``Probes.migrations`` for example."""

    @asgi(path, is_mount=False, copy_scope=True)
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await endpoint(scope, receive, send)

    return serve
