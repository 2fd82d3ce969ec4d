"""The FastAPI application: ``uvicorn --factory taskman.app:create_app``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, status
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from taskman.database import engine_scope, session_factory
from taskman.routes import documents, projects, tasks
from taskman.routes.session import Session

# Classes of PostgreSQL's error codes that speak of the values sent (manual, appendix A).
DATA_EXCEPTION = "22"
INTEGRITY_CONSTRAINT_VIOLATION = "23"


def create_app(*, database_url: str | None = None) -> FastAPI:
    """Build the application.

    Args:
        database_url: the database to use; without it the one that is configured, as for the migrations.

    Returns:
        An application that opens its engine when its lifespan begins and disposes of it at the end.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with engine_scope(database_url) as engine:
            app.state.sessions = session_factory(engine)
            yield

    app = FastAPI(title="taskman", lifespan=lifespan)
    for module in (projects, tasks, documents):
        app.include_router(module.router)
    app.add_api_route("/health", health, tags=["health"])
    app.add_exception_handler(DBAPIError, refused_by_the_database)
    return app


async def health(session: Session) -> dict[str, str]:
    """Answer when the database does."""
    await session.execute(text("SELECT 1"))
    return {"status": "ok"}


async def refused_by_the_database(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001  # FastAPI's
    """Turn a value that PostgreSQL refuses into a 422; anything else stays the server's own failure."""
    refusal = getattr(error, "orig", None)
    sqlstate = getattr(refusal, "sqlstate", None) or ""
    if sqlstate[:2] not in {DATA_EXCEPTION, INTEGRITY_CONSTRAINT_VIOLATION}:
        raise error
    constraint = getattr(getattr(refusal, "__cause__", None), "constraint_name", None)
    reason = f"it breaks {constraint}" if constraint else f"SQLSTATE {sqlstate}"
    return JSONResponse(
        {"detail": f"The database refused a value: {reason}."}, status.HTTP_422_UNPROCESSABLE_CONTENT
    )
