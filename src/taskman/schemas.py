"""What goes over the wire, as pydantic models."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from taskman.models import EMBEDDING_DIMENSIONS
from taskman.models.json_shapes import KeyResult, Objective, StatusChange
from taskman.models.vocabulary import (
    Health,
    Level,
    Methodology,
    Priority,
    ProjectStatus,
    SprintStatus,
    TaskKind,
    TaskStatus,
)

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Person = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Hours = Annotated[Decimal, Field(ge=0, max_digits=7, decimal_places=2)]

# Wide enough for any embedding, and within what a vector's 4-byte floats can square and add up.
Component = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
SMALLEST_COMPONENT = 1e-6


class _Received(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Sent(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    created_at: datetime
    updated_at: datetime


class NewProject(_Received):
    """A project to be created."""

    name: Title
    description: str | None = None
    status: ProjectStatus = ProjectStatus.PROPOSED
    priority: Priority = Priority.MEDIUM
    methodology: Methodology = Methodology.SCRUM
    owner: Person
    start_date: date | None = None
    target_date: date | None = None
    budget: Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=2)] | None = None
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")] | None = None
    objectives: list[Objective] = []
    key_results: list[KeyResult] = []
    tags: list[str] = []


class ProjectView(_Sent):
    """A project as it is."""

    name: str
    description: str | None
    status: ProjectStatus
    priority: Priority
    health: Health
    methodology: Methodology
    owner: str
    start_date: date | None
    target_date: date | None
    end_date: date | None
    budget: Decimal | None
    currency: str | None
    progress: int
    objectives: list[Objective]
    key_results: list[KeyResult]
    tags: list[str]


class NewSprint(_Received):
    """A sprint to be created in a project."""

    name: Title
    number: Annotated[int, Field(ge=1, le=10_000)]
    goal: str | None = None
    owner: Person
    start_date: date
    end_date: date
    capacity_hours: Hours | None = None
    objectives: list[Objective] = []
    definition_of_done: list[str] = []


class SprintView(_Sent):
    """A sprint as it is."""

    name: str
    number: int
    goal: str | None
    status: SprintStatus
    owner: str
    primary_project: UUID
    start_date: date
    end_date: date
    capacity_hours: Decimal | None
    committed_points: int
    completed_points: int
    objectives: list[Objective]
    definition_of_done: list[str]


class NewTask(_Received):
    """A task to be created; without a sprint it waits in the backlog."""

    title: Title
    description: str | None = None
    kind: TaskKind = TaskKind.STORY
    priority: Priority = Priority.MEDIUM
    risk_level: Level = Level.LOW
    owner: Person | None = None
    primary_project: UUID
    primary_sprint: UUID | None = None
    story_points: Annotated[int, Field(ge=0, le=1000)] | None = None
    estimate_hours: Hours | None = None
    due_date: date | None = None
    acceptance_criteria: list[str] = []
    labels: list[str] = []


class TaskView(_Sent):
    """A task as it is."""

    title: str
    description: str | None
    kind: TaskKind
    status: TaskStatus
    priority: Priority
    risk_level: Level
    owner: str | None
    primary_project: UUID
    primary_sprint: UUID | None
    story_points: int | None
    estimate_hours: Decimal | None
    due_date: date | None
    started_at: datetime | None
    completed_at: datetime | None
    blocked_reason: str | None
    acceptance_criteria: list[str]
    labels: list[str]
    status_history: list[StatusChange]


class Move(_Received):
    """A task's way to another column of the board."""

    status: TaskStatus
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] | None = None

    @model_validator(mode="after")
    def _reason_belongs_to_a_block(self) -> Self:
        if (self.status is TaskStatus.BLOCKED) != (self.reason is not None):
            raise ValueError("say the reason when a task is blocked, and only then")
        return self


Embedding = Annotated[
    list[Component], Field(min_length=EMBEDDING_DIMENSIONS, max_length=EMBEDDING_DIMENSIONS)
]


def _has_a_direction(embedding: list[float] | None) -> None:
    if embedding is not None and max(map(abs, embedding)) < SMALLEST_COMPONENT:
        raise ValueError("an embedding of zeros has no direction to compare")


class NewDocument(_Received):
    """A text to be kept; without an embedding of the sender's own it gets one from its words."""

    title: Title
    body: Annotated[str, StringConstraints(min_length=1)]
    source: str | None = None
    metadata: dict[str, Any] = {}
    embedding: Embedding | None = None

    @model_validator(mode="after")
    def _embedding_has_a_direction(self) -> Self:
        _has_a_direction(self.embedding)
        return self


class DocumentView(_Sent):
    """A document as it is, without the numbers of its embedding."""

    title: str
    body: str
    source: str | None
    # A model's own ``metadata`` is SQLAlchemy's; the column is on the attribute ``meta``.
    metadata: dict[str, Any] = Field(validation_alias="meta")


class Search(_Received):
    """What to look for: a text, or an embedding made elsewhere."""

    text: str | None = None
    embedding: Embedding | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 10

    @model_validator(mode="after")
    def _one_thing_to_look_for(self) -> Self:
        if (self.text is None) == (self.embedding is None):
            raise ValueError("give either a text or an embedding")
        _has_a_direction(self.embedding)
        return self


class Match(BaseModel):
    """A document found; ``distance`` is 0 for the same direction and 1 for nothing in common."""

    document: DocumentView
    distance: float
