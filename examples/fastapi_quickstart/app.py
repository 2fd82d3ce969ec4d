"""The application: it brings its database to head when it starts in development, and checks it elsewhere."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI
from models import Task
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from headway import Migrator, open_database
from headway.asgi import Probes, lifespan

migrator = Migrator()


@asynccontextmanager
async def database(app: FastAPI) -> AsyncIterator[None]:
    """The engine, for as long as the application runs."""
    async with open_database(migrator.settings, migrator.project.root) as url:
        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(**url.connect_arguments())
        )
        app.state.engine = engine
        yield
        await engine.dispose()


app = FastAPI(lifespan=lifespan(migrator, wraps=database))
app.router.routes.extend(Probes(migrator).routes())


@app.post("/tasks", status_code=201)
async def add(title: str) -> dict[str, int]:
    """Add a task."""
    async with AsyncSession(app.state.engine, expire_on_commit=False) as session:
        task = Task(title=title)
        session.add(task)
        await session.commit()
        return {"id": task.id}


@app.get("/tasks")
async def titles() -> list[str]:
    """The titles of all tasks, oldest first."""
    async with AsyncSession(app.state.engine) as session:
        return [*await session.scalars(select(Task.title).order_by(Task.id))]
