"""Documents: text that is found by meaning."""

from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import Vector
from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from taskman.models.declarative import Base, Timestamped, identifier, json_object

EMBEDDING_DIMENSIONS = 384
"""Numbers in an embedding: what the small sentence transformers (the MiniLM family) give out."""


class Document(Timestamped, Base):
    """A text with its embedding, searched by cosine distance."""

    __tablename__ = "documents"

    id: Mapped[UUID] = identifier()
    title: Mapped[str] = mapped_column(String(200), doc="What people call it.")
    body: Mapped[str] = mapped_column(Text, doc="The text itself.")
    source: Mapped[str | None] = mapped_column(Text, doc="Where it came from: a path, a URL, a person.")
    # Declarative classes keep the name "metadata" for themselves.
    meta: Mapped[dict[str, Any]] = json_object("Facts about the text, by name.", name="metadata")
    embedding: Mapped[list[float]] = mapped_column(
        Vector(EMBEDDING_DIMENSIONS), doc="Where the text lies in the space of meanings."
    )

    __table_args__ = (
        Index(
            "idx_documents_embedding",
            "embedding",
            postgresql_using="hnsw",
            postgresql_ops={"embedding": "vector_cosine_ops"},
        ),
    )
