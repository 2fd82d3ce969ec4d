"""The application: in development its start brings the database to head, elsewhere it only checks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from sqlalchemy import text

from headway.asgi import Probes, lifespan
from orchestrator.database import engine_of
from orchestrator.settings import migrator


def create_app() -> FastAPI:
    """The application, for ``uvicorn --factory``."""
    migrations = migrator()

    @asynccontextmanager
    async def with_engine(app: FastAPI) -> AsyncIterator[None]:
        assert migrations.settings.application is not None  # alembic.ini names one at least
        engine = engine_of(migrations.settings.application)
        app.state.engine = engine
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan(migrations, wraps=with_engine))
    app.router.routes.extend(Probes(migrations).routes())

    @app.get("/jobs")
    async def jobs(request: Request) -> list[str]:
        """The names of all jobs, the most urgent first."""
        async with request.app.state.engine.connect() as connection:
            return list(await connection.scalars(text("SELECT name FROM jobs ORDER BY priority DESC, name")))

    return app
