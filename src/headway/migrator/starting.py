"""Around the life of an application."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from headway import results
from headway.migrator.looking import Looking
from headway.migrator.running import Running
from headway.settings import Environment
from headway.waiting import TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headway.results import RunOptions
    from headway.startup import Startup


class Starting(Looking, Running):
    """Around the life of an application."""

    @asynccontextmanager
    async def startup(
        self,
        mode: results.StartupMode | str = results.StartupMode.AUTO,
        *,
        timeout_s: float = TIMEOUT_S,
        strict: bool = False,
        background: bool = False,
        options: RunOptions | None = None,
    ) -> AsyncIterator[Startup]:
        """Around the life of an application: see that its database is what it needs, then let it run.

        ``headway.asgi.lifespan`` does this for web frameworks. SIGINT or SIGTERM meanwhile ends it: what was
        under way is rolled back, and whatever else the process does at a signal happens as well. The event
        loop is free while PostgreSQL works, but not while a revision computes in Python. At the end the
        migrator is closed; it may be used again.

        Args:
            mode: ``off``, ``check``, ``wait``, ``upgrade``; ``auto`` is ``upgrade`` in development and
                ``check`` elsewhere.
            timeout_s: how long the server is waited for, in seconds, and in mode ``wait`` the revisions. How
                long ``upgrade`` waits for another migrator is in ``options``.
            strict: refuse a database that is ahead, too; else it is let in with a warning, for that is what
                an old replica meets when it restarts in the midst of a rollout.
            background: enter the block at once. Nothing is raised then: ``Startup.error`` says what was
                wrong, and ``Startup.wait`` raises it. What is still under way at the end is cancelled and
                rolled back.
            options: for mode ``upgrade``; headway's defaults when ``None``.

        Yields:
            The start-up: over, unless in the background.

        Raises:
            ConfigurationError: there is no such mode, or ``timeout_s`` is no number of seconds.
            NotAtHeadError: revisions are missing, and in mode ``wait`` still were at the deadline.
            UnknownRevisionsError: revisions are missing while there are others, unknown here; or any are, if
                ``strict``.
            DirtyError: a revision is half-way.
            ConnectionFailedError: the server did not answer until the deadline, or lets nobody in.
            StartupInterruptedError: a signal came.
            HeadwayError: in mode ``upgrade`` whatever that method raises.
        """
        from headway.startup import Startup, started, wish

        wanted = wish(
            mode,
            in_development=self.settings.environment is Environment.DEVELOPMENT,
            timeout_s=timeout_s,
            strict=strict,
            options=options,
        )
        try:
            async with started(Startup(wanted, self, self._target.tell), background=background) as startup:
                yield startup
        finally:
            await self.aclose()
