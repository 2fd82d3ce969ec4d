"""Add documents, and find those that are nearest to a text.

    python search.py add "Title" "Body"
    python search.py find "what to look for"

The embedding is a stand-in that needs no model: how often words with each of eight hashes occur. Put a real
one in its place; nothing else changes.
"""

import asyncio
import sys
from zlib import crc32

import asyncpg
from models import DIMENSIONS, Document
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from headway import load_project, load_settings, open_database


def embed(text: str) -> list[float]:
    """Where a text lies among others."""
    counts = [0.0] * DIMENSIONS
    for word in text.lower().split():
        counts[crc32(word.encode()) % DIMENSIONS] += 1.0
    return counts


async def add(session: AsyncSession, title: str, body: str) -> None:
    """Store a document with its embedding."""
    session.add(Document(title=title, body=body, embedding=embed(f"{title} {body}")))
    await session.commit()


async def find(session: AsyncSession, text: str) -> None:
    """Print the three nearest titles, nearest first."""
    nearest = select(Document.title).order_by(Document.embedding.cosine_distance(embed(text))).limit(3)
    for title in await session.scalars(nearest):
        print(title)  # what it is for


async def main(verb: str, *words: str) -> None:
    """Do what the command line asks for."""
    project = load_project()
    async with open_database(load_settings(project), project.root) as url:
        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(**url.connect_arguments())
        )
        async with AsyncSession(engine) as session:
            await {"add": add, "find": find}[verb](session, *words)
        await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
