"""Say of a revision that failed on SQLite what in it only PostgreSQL understands."""

from __future__ import annotations

import re

from sqlalchemy.exc import CompileError, DBAPIError

from headway.errors import RefusedError
from headway.sqltext import presentable, skeleton

BRANCH = (
    'Branch on the database: `if op.get_context().dialect.name == "postgresql":` around what SQLite has not.'
)

_OBJECTS = (
    r"(?:CREATE|ALTER|DROP)\s+(?:OR\s+REPLACE\s+)?"
    r"(?:TYPE|DOMAIN|SEQUENCE|FUNCTION|PROCEDURE|ROLE|USER|SCHEMA|MATERIALIZED\s+VIEW|POLICY|PUBLICATION)\b"
)
_CONCURRENTLY = r"(?:CREATE|DROP)\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\b|REINDEX\b.*\bCONCURRENTLY\b"
_ALTERATIONS = r"ALTER\s+TABLE\b.*\b(?:VALIDATE\s+CONSTRAINT|SET\s+\(|OWNER\s+TO|ENABLE\s+ROW)"
# Looked for in a statement that SQLite has refused, comments and literals taken out; the first that fits.
_ONLY_POSTGRESQL = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), name)
    for pattern, name in (
        (r"(?:CREATE|ALTER|DROP)\s+EXTENSION\b", "extensions"),
        (_CONCURRENTLY, "CONCURRENTLY"),
        (_OBJECTS, "types, sequences, functions, roles, schemas and the like"),
        (r"(?:GRANT|REVOKE)\b", "GRANT and REVOKE"),
        (r"COMMENT\s+ON\b", "COMMENT ON"),
        (r"(?:DO|SET|RESET|LOCK|TRUNCATE|COPY|REFRESH|CALL|NOTIFY)\b", "that statement"),
        (_ALTERATIONS, "that ALTER TABLE"),
        (r".*\bUSING\s+(?:gin|gist|spgist|brin|hash|btree|hnsw|ivfflat)\b", "index methods"),
        (r".*::\s*\w", "casts with ::"),
    )
)
_NEEDS_BATCH = re.compile(
    r"ALTER\s+TABLE\b.*\b(?:ALTER\s+COLUMN|(?:ADD|DROP)\s+CONSTRAINT|ADD\s+(?:PRIMARY|FOREIGN|UNIQUE|CHECK))\b",
    re.IGNORECASE | re.DOTALL,
)
_BATCH = "SQLite alters a table by making it anew: use `with op.batch_alter_table(...) as batch:`. "


def explained(error: Exception) -> RefusedError | None:
    """The error in words that help; ``None`` where its own do.

    Args:
        error: what a revision raised.
    """
    if isinstance(error, CompileError):
        return RefusedError(
            f"SQLite has no such type or expression: {error.args[0]}",
            hint="Give a type a variant, as sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'). "
            f"{BRANCH}",
        )
    if isinstance(error, NotImplementedError):  # Alembic's word for what its SQLite dialect cannot do
        return RefusedError(f"SQLite cannot do that: {error}", hint=_BATCH + BRANCH)
    if isinstance(error, DBAPIError) and error.statement is not None:
        return _explained_statement(error, error.statement)
    return None


def _explained_statement(error: DBAPIError, statement: str) -> RefusedError | None:
    bare = skeleton(statement)
    for pattern, name in _ONLY_POSTGRESQL:
        if pattern.match(bare):
            return RefusedError(f"only PostgreSQL has {name}:\n  {presentable(statement)}", hint=BRANCH)
    if _NEEDS_BATCH.match(bare):
        return RefusedError(
            f"SQLite refuses that ALTER TABLE ({error.orig}):\n  {presentable(statement)}",
            hint=_BATCH + BRANCH,
        )
    return None
