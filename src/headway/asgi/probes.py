"""Endpoints: whether the process lives, whether it can serve, and which revisions its database has."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from headway.asgi.documents import migrations_document, shortcoming
from headway.asgi.progress import Progress
from headway.asgi.remembered import Remembered
from headway.errors import ConfigurationError, HeadwayError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.routing import Route

    from headway import Migrator

    # Wide enough for what each framework makes of them.
    Scope: TypeAlias = Mapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Any]]
    Send: TypeAlias = Callable[[Any], Awaitable[None]]

T = TypeVar("T")

LIVENESS = "/livez"
READINESS = "/readyz"
FORMAT_VERSION = 1
"""Raised only when a key is renamed, removed or changes its meaning; a new key does not raise it."""
DEADLINE_S = 2.0
"""How long a probe's question to the database may take, in seconds.

With what hanging up takes, the answer is there before a probe's ``timeoutSeconds`` of 5.
"""
DOCUMENT_DEADLINE_S = 10.0
"""The same for the migrations document, no probe's concern: its first question loads env.py, and so the
models.
"""

_LOGGER = logging.getLogger("headway")


@dataclass(frozen=True, slots=True)
class Answer:
    """A status code and a document."""

    status: HTTPStatus
    document: dict[str, Any]


class Endpoint:
    """An ASGI application of one read-only document, for GET and HEAD.

    Args:
        answer: makes the document.
    """

    def __init__(self, answer: Callable[[], Awaitable[Answer]]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's
        """Answer one request.

        Raises:
            NotImplementedError: it is not one of HTTP; a server takes that for "not supported", as ASGI has
            it.
        """
        if scope["type"] != "http":
            raise NotImplementedError(f"this endpoint serves http, not {scope['type']}")
        headers = [(b"cache-control", b"no-store")]
        if scope["method"] in {"GET", "HEAD"}:
            answer = await self._answer()
        else:
            answer = Answer(HTTPStatus.METHOD_NOT_ALLOWED, {"error": "only GET and HEAD"})
            headers.append((b"allow", b"GET, HEAD"))
        body = json.dumps({"format_version": FORMAT_VERSION, **answer.document}).encode()
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": int(answer.status), "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class Probes:
    """The endpoints of one Migrator, each an ASGI application to mount anywhere; none writes anything.

    No document holds a secret, a statement or the database's address. A probe's question to the database
    has a deadline of 2 s; each is asked once for all who wait, and its answer is good for ``cache_s``.

    Args:
        migrator: of the application's database.
        strict: a database that is ahead is not ready, too.
        cache_s: how long an answer is good for, in seconds.

    Attributes:
        livez: 200 as long as the event loop turns; asks no database.
        readyz: 200 when the database is what this code needs, else 503 with ``reason``; while a start-up runs
            in the background 503 with the ``step`` at work, and after one that failed 503 until the database
            is found ready all the same.
        migrations: state, pending and unknown revisions, and each revision with when it was applied, how long
            it took and the checksum of its file then; 503 when the database cannot be asked.
    """

    def __init__(self, migrator: Migrator, *, strict: bool = False, cache_s: float = 2.0) -> None:
        self._migrator = migrator
        self._strict = strict
        self._progress = Progress()
        migrator.listen(self._progress)
        self._standing = Remembered(self._ask_standing, for_s=cache_s)
        self._all = Remembered(self._ask_all, for_s=cache_s)
        self._logged: str | None = None
        self.livez = Endpoint(self._alive)
        self.readyz = Endpoint(self._ready)
        self.migrations = Endpoint(self._all.get)

    def routes(self, *, migrations: str | None = None) -> list[Route]:
        """``/livez`` and ``/readyz`` for ``app.router.routes.extend(...)`` of FastAPI and Starlette.

        Args:
            migrations: where the migrations document is served; nowhere when ``None``.

        Raises:
            ConfigurationError: Starlette is not installed.
        """
        try:
            from starlette.routing import Route
        except ImportError as error:
            raise ConfigurationError(
                "Probes.routes", "Starlette is not installed", example="pip install starlette"
            ) from error

        endpoints = {LIVENESS: self.livez, READINESS: self.readyz}
        if migrations is not None:
            endpoints[migrations] = self.migrations
        return [Route(path, endpoint, include_in_schema=False) for path, endpoint in endpoints.items()]

    async def _alive(self) -> Answer:
        return Answer(HTTPStatus.OK, {"status": "alive"})

    async def _ready(self) -> Answer:
        if self._progress.starting:
            self._standing.forget()
            document = {"status": "starting", "reason": self._progress.reason, "step": self._progress.step}
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, document)
        return await self._standing.get()

    async def _ask_standing(self) -> Answer:
        found = await self._asked(self._migrator.pending(), DEADLINE_S)
        if isinstance(found, str):
            return _unready(found)
        missing = shortcoming(found, strict=self._strict)
        known = {"state": found.state.value, "pending": [*found.pending], "unknown": [*found.unknown]}
        if missing is None:
            self._progress.failure = None  # whatever may be wrong later, it will not be because of that
            return Answer(HTTPStatus.OK, {"status": "ready", "reason": None, **known})
        return _unready(self._progress.reason or missing, **known, step=self._progress.step)

    async def _ask_all(self) -> Answer:
        found = await self._asked(migrations_document(self._migrator), DOCUMENT_DEADLINE_S)
        return _unready(found) if isinstance(found, str) else Answer(HTTPStatus.OK, found)

    async def _asked(self, question: Awaitable[T], deadline_s: float) -> T | str:
        """The answer, or in words for everybody why there is none; the log gets the whole story, once."""
        try:
            async with asyncio.timeout(deadline_s):
                found = await question
        except TimeoutError:
            reason = story = f"no answer within {deadline_s:g} s"
        except HeadwayError as error:
            reason, story = f"the database could not be asked ({type(error).__name__})", str(error)
        else:
            self._logged = None
            return found
        if story != self._logged:
            self._logged = story
            _LOGGER.warning("probe: %s", story)
        return f"{reason}; the log says more" if reason != story else reason


def _unready(reason: str, **known: Any) -> Answer:
    return Answer(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "unready", "reason": reason, **known})
