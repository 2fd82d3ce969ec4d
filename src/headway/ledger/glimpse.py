"""All that decides where a database stands, in one question, for whoever asks it again and again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import text

from headway.errors import DatabaseError
from headway.ledger.names import quoted

if TYPE_CHECKING:
    from sqlalchemy import TextClause
    from sqlalchemy.engine import Connection

    from headway.ledger.schema import Place
    from headway.project import VersionTable

# A ledger only grows, and a closed entry is not changed: no two states of it have all three alike. The word
# in front is looked at: a pooler that mixes up prepared statements could answer another question.
_WITH_LEDGER = """
    SELECT CAST('headway' AS text) AS word, ARRAY(SELECT version_num FROM {versions}) AS versions,
        (
            SELECT revision FROM {rows} AS entry
            WHERE outcome <> 'succeeded' AND pg_catalog.jsonb_array_length(journal) > 0
                AND NOT EXISTS (
                    SELECT FROM {rows} AS later
                    WHERE later.revision = entry.revision AND later.id > entry.id
                        AND later.outcome = 'succeeded'
                )
            ORDER BY id DESC
            LIMIT 1
        ) AS dirty,
        (
            SELECT pg_catalog.concat_ws('/', pg_catalog.count(*), pg_catalog.max(id),
                pg_catalog.date_part('epoch', pg_catalog.max(finished_at)))
            FROM {rows} AS entry WHERE outcome = 'succeeded'
        ) AS ledger
"""
# Whether one has come since, or may be read now.
_WITHOUT = """
    SELECT CAST('headway' AS text) AS word, ARRAY(SELECT version_num FROM {versions}) AS versions,
        CAST(NULL AS text) AS dirty,
        pg_catalog.concat_ws('/', CAST(found.ledger AS oid),
            pg_catalog.has_table_privilege(found.ledger, 'SELECT')) AS ledger
    FROM (SELECT pg_catalog.to_regclass(CAST(:history AS text)) AS ledger) AS found
"""


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a database said of its revisions.

    Attributes:
        versions: the version table's rows, sorted.
        dirty: the revision that was interrupted; ``None`` as a rule.
        ledger: another text whenever the ledger says something else.
    """

    versions: tuple[str, ...]
    dirty: str | None
    ledger: str


def glimpse(connection: Connection, place: Place, table: VersionTable, *, readable: bool) -> Glimpse:
    """Ask; one statement.

    Args:
        connection: where.
        place: where the ledger is, or would be.
        table: the version table, as the project names it.
        readable: whether this role may read the ledger.

    Raises:
        DatabaseError: the answer is to another question, or the version table is none of Alembic's.
        sqlalchemy.exc.DBAPIError: there is no version table, or the ledger is not what it was.
    """
    versions = ".".join(quoted(part) for part in (table.schema, table.name) if part)
    if place.layout is not None and readable:
        question = _question(_WITH_LEDGER, versions, place.rows)
        parameters = {"version_table": place.version_table}
    else:
        question = _question(_WITHOUT, versions)
        parameters = {"history": place.history.replace(r"\:", ":")}
    row = connection.execute(question, parameters).one()
    if row.word != "headway" or not all(isinstance(version, str) for version in row.versions):
        raise DatabaseError("the version table was asked for, and something else answered")
    return Glimpse(tuple(sorted(row.versions)), row.dirty, row.ledger)


@lru_cache(maxsize=64)
def _question(template: str, versions: str, rows: str = "") -> TextClause:
    """Kept: for SQLAlchemy to read the text anew takes longer than to ask."""
    return text(template.format(versions=versions, rows=rows))
