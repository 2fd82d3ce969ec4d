"""The FastAPI application: ``uvicorn --factory taskman.app:create_app``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from fastapi import FastAPI, Request, Response, status
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError

from taskman.database import DatabaseUnavailableError, engine_scope, session_factory
from taskman.readiness import logger, shortcoming
from taskman.routes import documents, projects, tasks
from taskman.settings import migrations

# Classes of PostgreSQL's error codes that speak of the values sent (manual, appendix A).
DATA_EXCEPTION = "22"
INTEGRITY_CONSTRAINT_VIOLATION = "23"


class Health(BaseModel):
    """Whether requests can be served, and if not, what is missing."""

    status: Literal["ok", "unavailable"] = "ok"
    reason: str | None = None


def create_app(*, database_url: str | None = None) -> FastAPI:
    """Build the application.

    Args:
        database_url: the database to use; without it the one that is configured, as for the migrations.

    Returns:
        An application that opens its engine when its lifespan begins and disposes of it at the end. It
        starts on a database that is not migrated, too, and says so in its log and at ``/health``.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with engine_scope(database_url) as engine, migrations(database_url) as app.state.migrations:
            app.state.sessions = session_factory(engine)
            if missing := await shortcoming(app.state.migrations):
                logger.warning("taskman: %s", missing)
            yield

    app = FastAPI(title="taskman", lifespan=lifespan)
    for module in (projects, tasks, documents):
        app.include_router(module.router)
    app.add_api_route("/health", health, tags=["health"], response_model_exclude_none=True)
    app.add_exception_handler(RequestValidationError, not_what_was_asked_for)
    app.add_exception_handler(DatabaseUnavailableError, unavailable)
    app.add_exception_handler(DBAPIError, refused_by_the_database)
    return app


async def health(request: Request, response: Response) -> Health:
    """Answer 200 when the database does and holds every revision this code knows, else 503."""
    missing = await shortcoming(request.app.state.migrations)
    if missing is None:
        return Health()
    response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return Health(status="unavailable", reason=missing)


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
