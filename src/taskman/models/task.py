"""Tasks: what one or two people do in days."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from taskman.models.declarative import (
    Base,
    Timestamped,
    identifier,
    json_array,
    json_object,
    only_words_of,
    progress,
    progress_is_a_percentage,
    word,
)
from taskman.models.json_shapes import (
    Attachment,
    ChecklistItem,
    Comment,
    Dependency,
    KeyResult,
    Link,
    Risk,
    StatusChange,
    TestCase,
    WorkLogEntry,
)
from taskman.models.vocabulary import Level, Priority, TaskKind, TaskStatus


class Task(Timestamped, Base):
    """A piece of work on a project's board, in a sprint or in the backlog; goes with either."""

    __tablename__ = "tasks"

    id: Mapped[UUID] = identifier()
    title: Mapped[str] = mapped_column(String(200), doc="What is to be done.")
    description: Mapped[str | None] = mapped_column(Text, doc="What else one should know.")
    kind: Mapped[TaskKind] = word(TaskKind, "What sort of work it is.", default=TaskKind.STORY)
    status: Mapped[TaskStatus] = word(TaskStatus, "Its column on the board.", default=TaskStatus.BACKLOG)
    priority: Mapped[Priority] = word(Priority, "How soon it matters.", default=Priority.MEDIUM)
    severity: Mapped[Level | None] = word(Level, "How much a bug hurts; NULL for other work.")
    risk_level: Mapped[Level] = word(Level, "How uncertain the estimate is.", default=Level.LOW)
    owner: Mapped[str | None] = mapped_column(String(120), doc="Who does it; NULL until somebody takes it.")
    reporter: Mapped[str | None] = mapped_column(String(120), doc="Who asked for it.")
    reviewer: Mapped[str | None] = mapped_column(String(120), doc="Who checks it.")
    primary_project: Mapped[UUID] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), doc="The project it belongs to."
    )
    primary_sprint: Mapped[UUID | None] = mapped_column(
        ForeignKey("sprints.id", ondelete="CASCADE"), doc="The sprint it is planned for; NULL in the backlog."
    )
    story_points: Mapped[int | None] = mapped_column(SmallInteger, doc="Relative size.")
    estimate_hours: Mapped[Decimal | None] = mapped_column(Numeric(7, 2), doc="Hours expected at the start.")
    spent_hours: Mapped[Decimal] = mapped_column(
        Numeric(7, 2), server_default=text("0"), doc="Hours worked so far."
    )
    remaining_hours: Mapped[Decimal | None] = mapped_column(Numeric(7, 2), doc="Hours expected from here.")
    start_date: Mapped[date | None] = mapped_column(Date, doc="Day work is planned to begin.")
    due_date: Mapped[date | None] = mapped_column(Date, doc="Day it should be done.")
    started_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), doc="When it was first in progress."
    )
    completed_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), doc="When it was done; NULL again when reopened."
    )
    board_rank: Mapped[int] = mapped_column(
        Integer, server_default=text("0"), doc="Order within its column, lowest first."
    )
    progress: Mapped[int] = progress()
    blocked_reason: Mapped[str | None] = mapped_column(Text, doc="What it is stuck on.")

    acceptance_criteria: Mapped[list[str]] = json_array("When it will be accepted.")
    definition_of_done: Mapped[list[str]] = json_array("What it must satisfy beyond the sprint's own list.")
    checklist: Mapped[list[ChecklistItem]] = json_array("Lines to tick off.")
    subtasks: Mapped[list[ChecklistItem]] = json_array("Parts too small to be tasks.")
    dependencies: Mapped[list[Dependency]] = json_array("What it waits for.")
    key_results: Mapped[list[KeyResult]] = json_array("The key results it moves.")
    risks: Mapped[list[Risk]] = json_array("What could go wrong.")
    labels: Mapped[list[str]] = json_array("Words to find it by.")
    components: Mapped[list[str]] = json_array("Parts of the product it touches.")
    collaborators: Mapped[list[str]] = json_array("Who helps.")
    watchers: Mapped[list[str]] = json_array("Who wants to hear of changes.")
    attachments: Mapped[list[Attachment]] = json_array("Files kept elsewhere.")
    links: Mapped[list[Link]] = json_array("Pages elsewhere.")
    comments: Mapped[list[Comment]] = json_array("What people said.")
    work_log: Mapped[list[WorkLogEntry]] = json_array("Hours by person and day.")
    status_history: Mapped[list[StatusChange]] = json_array("Its moves across the board, oldest first.")
    test_cases: Mapped[list[TestCase]] = json_array("How to see that it works.")
    custom_fields: Mapped[dict[str, Any]] = json_object("What this team alone keeps.")

    __table_args__ = (
        only_words_of(TaskKind, "kind"),
        only_words_of(TaskStatus, "status"),
        only_words_of(Priority, "priority"),
        only_words_of(Level, "severity"),
        only_words_of(Level, "risk_level"),
        progress_is_a_percentage(),
        CheckConstraint("story_points >= 0", name="story_points"),
        CheckConstraint("estimate_hours >= 0", name="estimate_hours"),
        CheckConstraint("spent_hours >= 0", name="spent_hours"),
        CheckConstraint("remaining_hours >= 0", name="remaining_hours"),
        CheckConstraint("due_date >= start_date", name="due_after_start"),
        Index("idx_tasks_status", "status"),
        Index("idx_tasks_priority", "priority"),
        Index("idx_tasks_owner", "owner"),
        Index("idx_tasks_primary_project", "primary_project"),
        Index("idx_tasks_primary_sprint", "primary_sprint"),
        Index("idx_tasks_status_priority", "status", "priority"),
        Index("idx_tasks_project_status", "primary_project", "status"),
        Index("idx_tasks_sprint_status", "primary_sprint", "status"),
        Index("idx_tasks_created_at", "created_at"),
        Index("idx_tasks_updated_at", "updated_at"),
    )
