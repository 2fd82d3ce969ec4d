"""Documents, found by cosine distance."""

from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import APIRouter, HTTPException, status
from sqlalchemy import func, select

from taskman.embedding import NothingToEmbedError, embed
from taskman.models import Document
from taskman.routes.session import Session, found
from taskman.routes.strict_json import StrictRoute
from taskman.schemas import DocumentView, Match, NewDocument, Search

if TYPE_CHECKING:
    from sqlalchemy import Select

router = APIRouter(prefix="/documents", tags=["documents"], route_class=StrictRoute)

EF_SEARCH_DEFAULT = 40
"""How many candidates an HNSW scan gathers unless told otherwise (pgvector's README, "Query Options")."""


@router.post("", status_code=status.HTTP_201_CREATED)
async def create_document(new: NewDocument, session: Session) -> DocumentView:
    """Keep a document."""
    embedding = new.embedding if new.embedding is not None else _embedded(f"{new.title} {new.body}")
    document = Document(
        title=new.title, body=new.body, source=new.source, meta=new.metadata, embedding=embedding
    )
    session.add(document)
    await session.commit()
    return DocumentView.model_validate(document)


@router.post("/search")
async def search_documents(wanted: Search, session: Session) -> list[Match]:
    """The documents nearest to a text or an embedding, nearest first."""
    embedding = wanted.embedding if wanted.embedding is not None else _embedded(wanted.text or "")
    # The scan returns no more rows than it gathers candidates; the setting ends with the transaction.
    candidates = str(max(wanted.limit, EF_SEARCH_DEFAULT))
    await session.execute(select(func.set_config("hnsw.ef_search", candidates, True)))  # noqa: FBT003  # SQL
    rows = await session.execute(nearest(embedding, wanted.limit))
    return [
        Match(document=DocumentView.model_validate(document), distance=distance)
        for document, distance in rows
    ]


@router.get("/{document_id}")
async def get_document(document_id: UUID, session: Session) -> DocumentView:
    """Read one document."""
    return DocumentView.model_validate(await found(session, Document, document_id))


def nearest(embedding: list[float], limit: int) -> "Select[Document, float]":
    """The query behind the search: ordered by nothing but the distance, so that the HNSW index serves it."""
    # The annotation is quoted because SQLAlchemy 2.0, which writes it otherwise, must not evaluate it.
    distance = Document.embedding.cosine_distance(embedding)
    return select(Document, distance.label("distance")).order_by(distance).limit(limit)


def _embedded(text: str) -> list[float]:
    try:
        return embed(text)
    except NothingToEmbedError as error:
        raise HTTPException(
            status.HTTP_422_UNPROCESSABLE_CONTENT, f"No embedding can be made: {error}."
        ) from error
