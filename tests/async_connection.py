"""A connection on asyncpg, as SQLAlchemy's synchronous half has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection


async def on_asyncpg(url: str, work: Callable[[Connection], Any]) -> Any:
    """What ``work`` returns; what it does is not committed."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()
