"""The start of a web application: first its database, then what it does itself."""

from __future__ import annotations

import inspect
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import TYPE_CHECKING, Any, TypeAlias

from headway.errors import ConfigurationError
from headway.results import StartupMode
from headway.startup import wish
from headway.telemetry.logs import LogListener
from headway.waiting import TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from headway import Migrator, RunOptions

Wrapped: TypeAlias = "Callable[[Any], Any] | AbstractAsyncContextManager[Any] | AbstractContextManager[Any]"
"""An application's own lifespan: a function of the application that returns a context manager, is a generator
function, or just does what is to be done at the start, each of them async or not; or a context manager
itself."""

_MANAGERS = (AbstractAsyncContextManager, AbstractContextManager)


def lifespan(  # the arguments of Migrator.startup, and the lifespan to wrap
    migrator: Migrator,
    mode: StartupMode | str = StartupMode.AUTO,
    *,
    wraps: Wrapped | None = None,
    timeout_s: float = TIMEOUT_S,
    strict: bool = False,
    background: bool = False,
    options: RunOptions | None = None,
) -> Callable[[Any], AbstractAsyncContextManager[Any]]:
    """A lifespan that lets the application in when its database is what it needs.

    It belongs to the application that is served: the lifespan of one mounted in another is run by nobody.

    Args:
        migrator: of the application's database; what it does is logged by the logger ``headway``, unless it
            has a ``LogListener`` already, and it is closed when the application ends.
        mode: ``off``, ``check``, ``wait``, ``upgrade``, or ``auto``, as in ``Migrator.startup``.
        wraps: the application's own lifespan; it begins when the database is ready and ends before headway
            lets go of it. What it yields is passed on.
        timeout_s: how long the server, and in mode ``wait`` the revisions, are waited for, in seconds.
        strict: refuse a database that is ahead, too.
        background: start at once; ``Probes.readyz`` answers 503 until the database is ready.
        options: for mode ``upgrade``.

    Returns:
        What FastAPI and Starlette take as ``lifespan=``, and Litestar in its list of that name.

    Raises:
        ConfigurationError: there is no such mode, ``timeout_s`` is no number of seconds, or ``wraps`` none of
            the things it may be.
        HeadwayError: when the application starts: what ``Migrator.startup`` raises.
    """
    # Said here, where the mistake is, rather than when the application starts.
    wish(mode, in_development=False, timeout_s=timeout_s, strict=strict, options=options)
    if not (wraps is None or callable(wraps) or isinstance(wraps, _MANAGERS)):
        raise ConfigurationError(
            "wraps", f"{wraps!r} is neither a function nor a context manager", example="wraps=my_lifespan"
        )
    if not any(isinstance(listener, LogListener) for listener in migrator.listeners):
        migrator.listen(LogListener())

    @asynccontextmanager
    async def around(app: Any) -> AsyncIterator[Any]:
        started = migrator.startup(
            mode, timeout_s=timeout_s, strict=strict, background=background, options=options
        )
        async with started, _begun(wraps, app) as state:
            yield state

    return around


@asynccontextmanager
async def _begun(wraps: Wrapped | None, app: Any) -> AsyncIterator[Any]:
    """The application's own lifespan, whatever it was written as."""
    begun: Any = wraps
    # Managers made by contextlib can be called too, as decorators: they are not functions of the application.
    if callable(wraps) and not isinstance(wraps, _MANAGERS):
        begun = wraps(app)
        if inspect.isawaitable(begun):
            begun = await begun
        if inspect.isasyncgen(begun) or inspect.isgenerator(begun):
            begun = _managed(begun)
    if isinstance(begun, AbstractAsyncContextManager):
        async with begun as state:
            yield state
    elif isinstance(begun, AbstractContextManager):
        with begun as state:
            yield state
    else:
        yield begun


def _managed(generator: Any) -> Any:
    """A generator with one ``yield`` as a context manager."""
    make = asynccontextmanager if inspect.isasyncgen(generator) else contextmanager
    return make(lambda: generator)()
