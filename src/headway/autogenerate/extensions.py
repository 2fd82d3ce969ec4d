"""The extensions that operations need: for a type, an access method or an operator class."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops
from sqlalchemy.dialects import postgresql

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alembic.operations import MigrateOperation
    from sqlalchemy.types import TypeEngine

    from headway.autogenerate.facts import Facts

# Each is in PostgreSQL's contrib, or pgvector's.
_EXTENSIONS = {
    "vector": "vector",
    "halfvec": "vector",
    "sparsevec": "vector",
    "hnsw": "vector",
    "ivfflat": "vector",
    "citext": "citext",
    "hstore": "hstore",
    "ltree": "ltree",
    "lquery": "ltree",
    "ltxtquery": "ltree",
    "gin_trgm_ops": "pg_trgm",
    "gist_trgm_ops": "pg_trgm",
}
# What btree_gist and btree_gin have operator classes for, by SQLAlchemy's classes (manual, F.7 and F.8). GiST
# and GIN have none of their own for these.
_SCALARS = (
    sa.Integer,
    sa.Numeric,
    sa.String,
    sa.Enum,
    sa.Uuid,
    sa.Date,
    sa.Time,
    sa.DateTime,
    sa.Interval,
    sa.LargeBinary,
    postgresql.INTERVAL,
    postgresql.BIT,
    postgresql.MONEY,
    postgresql.MACADDR,
)
_BTREE = {"gist": "btree_gist", "gin": "btree_gin"}
_FIRST_WORD = re.compile(r'(?:[\w"]+\.)?"?(\w+)')


def needed(operations: Iterable[MigrateOperation], facts: Facts) -> list[str]:
    """The extensions that operations need, in the order of their first use; empty when they need none."""
    return list(
        dict.fromkeys(found for operation in operations for found in _needed_by(operation, facts) if found)
    )


def _needed_by(operation: MigrateOperation, facts: Facts) -> Iterator[str | None]:
    for type_ in _types(operation):
        if found := _FIRST_WORD.match(facts.sql_of(type_)):
            yield _EXTENSIONS.get(found[1].lower())
    if isinstance(operation, ops.CreateIndexOp):
        method = str(operation.kw.get("postgresql_using") or "").lower()
        classes = operation.kw.get("postgresql_ops") or {}
        yield _EXTENSIONS.get(method)
        yield from map(_EXTENSIONS.get, classes.values())
        yield from (_for_scalar(method, column, classes) for column in operation.columns)
    for constraint in _exclusions(operation):
        for expression, _, _ in constraint._render_exprs:  # noqa: SLF001  # nothing else holds them
            yield _for_scalar(str(constraint.using).lower(), expression, constraint.ops)


def _for_scalar(method: str, element: Any, classes: Any) -> str | None:
    """The extension by which ``method`` takes a column of an everyday type; ``None`` when it needs none."""
    if not isinstance(element, sa.Column) or element.key in classes or not isinstance(element.type, _SCALARS):
        return None
    return _BTREE.get(method)


def _exclusions(operation: MigrateOperation) -> Iterator[Any]:
    if isinstance(operation, CreateExcludeConstraintOp):
        yield operation.to_constraint()
    elif isinstance(operation, ops.CreateTableOp):
        yield from (item for item in operation.columns if isinstance(item, postgresql.ExcludeConstraint))


def _types(operation: MigrateOperation) -> Iterator[TypeEngine[Any]]:
    if isinstance(operation, ops.CreateTableOp):
        yield from (column.type for column in operation.columns if isinstance(column, sa.Column))
    elif isinstance(operation, ops.AddColumnOp):
        yield operation.column.type
    elif isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None:
        yield operation.modify_type
