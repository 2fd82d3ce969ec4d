"""The FastAPI application: ``uvicorn --factory taskman.app:create_app``."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, status
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError

from headway import StartupMode
from headway.asgi import Probes, lifespan
from taskman.database import DatabaseUnavailableError, engine_scope, session_factory
from taskman.routes import documents, projects, tasks
from taskman.settings import migrations

logger = logging.getLogger("taskman")

# Classes of PostgreSQL's error codes that speak of the values sent (manual, appendix A).
DATA_EXCEPTION = "22"
INTEGRITY_CONSTRAINT_VIOLATION = "23"


def create_app(*, database_url: str | None = None, mode: StartupMode = StartupMode.AUTO) -> FastAPI:
    """Build the application.

    Args:
        database_url: the database to use; without it the one that is configured, as for the migrations.
        mode: what is done at the start about a database that is not at head: in development it is upgraded,
            elsewhere refused, unless another mode is given.

    Returns:
        An application that sees to its database first, then opens its engine, and disposes of it at the end;
        ``/livez`` and ``/readyz`` are for probes.

    Raises:
        headway.ConfigurationError: a setting is wrong.
    """
    migrator = migrations(database_url)

    @asynccontextmanager
    async def resources(app: FastAPI) -> AsyncIterator[None]:
        async with engine_scope(database_url) as engine:
            app.state.sessions = session_factory(engine)
            yield

    app = FastAPI(title="taskman", lifespan=lifespan(migrator, mode, wraps=resources))
    app.router.routes.extend(Probes(migrator).routes())
    for module in (projects, tasks, documents):
        app.include_router(module.router)
    app.add_exception_handler(RequestValidationError, not_what_was_asked_for)
    app.add_exception_handler(DatabaseUnavailableError, unavailable)
    app.add_exception_handler(DBAPIError, refused_by_the_database)
    return app


async def not_what_was_asked_for(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001  # FastAPI's
    """Say what is wrong with a request without repeating it: not all that was sent could be sent back."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  # FastAPI's contract, for the type checker
    faults = [{name: fact for name, fact in fault.items() if name != "input"} for fault in error.errors()]
    return JSONResponse({"detail": jsonable_encoder(faults)}, status.HTTP_422_UNPROCESSABLE_CONTENT)


async def unavailable(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001  # FastAPI's
    """Answer 503 while there is no database to be had; the log says why."""
    logger.warning("taskman: %s", error)
    return JSONResponse({"detail": "The database is not available."}, status.HTTP_503_SERVICE_UNAVAILABLE)


async def refused_by_the_database(request: Request, error: Exception) -> JSONResponse:
    """Turn a value that PostgreSQL refuses into a 422 and a lost connection into a 503.

    Anything else stays the server's own failure.
    """
    refusal = getattr(error, "orig", None)
    if getattr(error, "connection_invalidated", False):
        return await unavailable(request, refusal or error)
    sqlstate = getattr(refusal, "sqlstate", None) or ""
    if sqlstate[:2] not in {DATA_EXCEPTION, INTEGRITY_CONSTRAINT_VIOLATION}:
        raise error
    constraint = getattr(getattr(refusal, "__cause__", None), "constraint_name", None)
    reason = f"it breaks {constraint}" if constraint else f"SQLSTATE {sqlstate}"
    return JSONResponse(
        {"detail": f"The database refused a value: {reason}."}, status.HTTP_422_UNPROCESSABLE_CONTENT
    )
