"""What a database holds, and how that compares with what the revisions make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from headway.catalogue import Catalogue, Parts, read_catalogue, read_parts
from headway.errors import StepFailedError
from headway.results import BaselineReport

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from headway.errors import HeadwayError
    from headway.results import Difference
    from headway.target import Target


@dataclass(frozen=True, slots=True)
class Holding:
    """What a database holds, read at one moment.

    Attributes:
        database: what it is called.
        server: its PostgreSQL, ``PostgreSQL 18.4``.
        parts: everything but the version table and the ledger.
        catalogue: tables, enums and sequences of the same schemas, in their parts.
        version_schema: the schema that the version table is in by configuration; ``None`` without one.
    """

    database: str
    server: str
    parts: Parts
    catalogue: Catalogue
    version_schema: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of a replay: where it was, what differs, what the way back left, or why it failed."""

    server: str
    differences: tuple[Difference, ...] = ()
    left: tuple[Difference, ...] = ()
    failure: str | None = None


async def holding_of(target: Target, schemas: Sequence[str] | None) -> Holding:
    """Read what a database holds, in eight statements, whatever its size.

    Args:
        target: which database.
        schemas: only these; every one but the system's when ``None``.

    Raises:
        ConnectionFailedError: the database cannot be reached.
        DatabaseError: the catalogue cannot be read.
    """
    async with target.session() as session:
        table = target.alembic.options.version_table
        return await session.run(
            lambda connection: _read(connection, session.database, schemas, (table.schema, table.name))
        )


def _read(
    connection: Connection,
    database: str,
    schemas: Sequence[str] | None,
    version_table: tuple[str | None, str],
) -> Holding:
    try:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        version = connection.execute(text("SELECT pg_catalog.current_setting('server_version')")).scalar_one()
        parts = read_parts(connection, schemas, version_table=version_table)
        found = schemas or {part.schema for part in parts.all if part.schema}
        catalogue = read_catalogue(connection, found)
    finally:
        connection.rollback()
    server = f"PostgreSQL {str(version).split()[0]}"
    return Holding(database, server, parts, catalogue, version_table[0])


def reported(
    held: Holding, revision: str | None, proof: Proof, paths: tuple[Path, ...] = ()
) -> BaselineReport:
    """The report on a comparison; nothing is stamped yet."""
    return BaselineReport(
        held.database,
        revision,
        paths,
        differences=proof.differences,
        left=proof.left,
        failure=proof.failure,
        unspoken=held.parts.unspoken,
        servers=(held.server, proof.server),
    )


def told(error: HeadwayError) -> str:
    """Why a replay failed; the hint of a step that failed speaks of the database's own run."""
    alone = isinstance(error, StepFailedError) or not error.hint
    return error.message if alone else f"{error.message} {error.hint}"
