"""Models of any number of tables, with what those of applications have, in eight columns each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgvector.sqlalchemy import VECTOR
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Enum,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.schema import SchemaItem

FAMILY = 6
"""Tables that hang together by foreign keys; of each, one has a computed column and one a check."""
_CHECKED, _COMPUTED = 4, 5


def models(tables: int) -> MetaData:
    """Models of so many tables, which another call gives anew."""
    metadata = MetaData()
    status = Enum("new", "open", "closed", name="status", metadata=metadata)
    priority = Enum("low", "high", name="priority", metadata=metadata)
    for number in range(tables):
        Table(f"t{number:04}", metadata, *_columns(number, status, priority), *_parts(number))
    return metadata


def _columns(number: int, status: Enum, priority: Enum) -> Iterator[Column[Any]]:
    place = number % FAMILY
    parent = [ForeignKey(f"t{number - 1:04}.id", ondelete="CASCADE")] if place else []
    yield Column("id", BigInteger, *([Identity(always=True)] if place % 2 else []), primary_key=True)
    yield Column("parent_id", BigInteger, *parent, index=True)
    yield Column("name", String(40 + 10 * place), nullable=False)
    yield Column("status", (status, priority)[number % 2], server_default=("new", "low")[number % 2])
    yield Column("data", JSONB, server_default=text("'{}'::jsonb"), nullable=False)
    yield Column("tags", ARRAY(Text), server_default="{}", nullable=False)
    if place == _COMPUTED:
        yield Column("slug", Text, Computed("lower(name) || '-' || id", persisted=True))
    elif place % 2:
        yield Column("embedding", VECTOR(8))
    else:
        yield Column("amount", Numeric(12, 2), server_default="0", nullable=False)
    yield Column("made_at", DateTime(timezone=True), server_default=func.now(), nullable=False)


def _parts(number: int) -> Iterator[SchemaItem]:
    name, place = f"t{number:04}", number % FAMILY
    yield Index(f"{name}_by_status", "status", "made_at")
    yield Index(f"{name}_by_data", "data", postgresql_using="gin")
    yield UniqueConstraint("parent_id", "name", name=f"{name}_name")
    if place == 1:
        yield Index(
            f"{name}_by_embedding",
            "embedding",
            postgresql_using="hnsw",
            postgresql_ops={"embedding": "vector_cosine_ops"},
        )
    if place == _CHECKED:
        yield CheckConstraint("amount >= 0", name=f"{name}_amount")
