"""The database session an endpoint works with."""

from collections.abc import AsyncIterator
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Depends, HTTPException, Request, status
from sqlalchemy.ext.asyncio import AsyncSession

from taskman.models import Base

Row = TypeVar("Row", bound=Base)


async def _session(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.app.state.sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(_session)]
"""One session per request. Endpoints commit for themselves: what runs after ``yield`` may run only
when the response has already gone out, too late to report that the commit failed."""


async def found(session: AsyncSession, model: type[Row], key: UUID, *, lock: bool = False) -> Row:
    """The row with that key, or a 404; with ``lock``, nobody else changes it until the commit."""
    row = await session.get(model, key, with_for_update=lock or None)
    if row is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"{model.__name__} {key} does not exist.")
    return row
