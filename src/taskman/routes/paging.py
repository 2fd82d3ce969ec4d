"""Long lists, a page at a time."""

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

Item = TypeVar("Item")
Row = TypeVar("Row")

INT32_MAX = 2**31 - 1


class Paging(BaseModel):
    """Which page is wanted. A parameter nobody knows is an error rather than a filter ignored."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100)] = 50
    offset: Annotated[int, Field(ge=0, le=INT32_MAX)] = 0


class Page(BaseModel, Generic[Item]):
    """A page of a list, and how long the whole list is."""

    model_config = ConfigDict(from_attributes=True)

    items: list[Item]
    total: int


async def rows_of(session: AsyncSession, query: Select[Row], paging: Paging) -> tuple[Sequence[Row], int]:
    """The rows of one page and the length of the whole list; ``query`` decides the order."""
    total = await session.scalar(select(func.count()).select_from(query.order_by(None).subquery()))
    rows = await session.scalars(query.limit(paging.limit).offset(paging.offset))
    return rows.all(), total or 0
