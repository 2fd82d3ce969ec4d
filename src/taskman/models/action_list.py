"""Action lists: what a meeting agreed to do."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Date, DateTime, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from taskman.models.declarative import (
    Base,
    Timestamped,
    identifier,
    json_array,
    only_words_of,
    progress,
    progress_is_a_percentage,
    word,
)
from taskman.models.json_shapes import ActionItem, Decision, Link
from taskman.models.vocabulary import ActionListStatus, ActionSource, Priority


class ActionList(Timestamped, Base):
    """What a meeting agreed to do; outlives the project and the sprint it came from."""

    __tablename__ = "action_lists"

    id: Mapped[UUID] = identifier()
    title: Mapped[str] = mapped_column(String(200), doc="What people call it.")
    description: Mapped[str | None] = mapped_column(Text, doc="What it is about.")
    status: Mapped[ActionListStatus] = word(
        ActionListStatus, "Where it stands.", default=ActionListStatus.OPEN
    )
    priority: Mapped[Priority] = word(Priority, "How soon it matters.", default=Priority.MEDIUM)
    source: Mapped[ActionSource] = word(
        ActionSource, "The occasion it came out of.", default=ActionSource.MEETING
    )
    owner: Mapped[str] = mapped_column(String(120), doc="Who sees it through.")
    project_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("projects.id", ondelete="SET NULL"), doc="The project it concerns, while that exists."
    )
    sprint_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("sprints.id", ondelete="SET NULL"), doc="The sprint it came from, while that exists."
    )
    due_date: Mapped[date | None] = mapped_column(Date, doc="Day all of it should be done.")
    completed_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), doc="When all of it was done."
    )
    progress: Mapped[int] = progress()

    items: Mapped[list[ActionItem]] = json_array("The actions.")
    decisions: Mapped[list[Decision]] = json_array("What was decided along the way.")
    participants: Mapped[list[str]] = json_array("Who was there.")
    links: Mapped[list[Link]] = json_array("Pages elsewhere.")
    tags: Mapped[list[str]] = json_array("Words to find it by.")

    __table_args__ = (
        only_words_of(ActionListStatus, "status"),
        only_words_of(Priority, "priority"),
        only_words_of(ActionSource, "source"),
        progress_is_a_percentage(),
        Index("idx_action_lists_owner", "owner"),
        Index("idx_action_lists_sprint_id", "sprint_id"),
        Index("idx_action_lists_project_id", "project_id"),
        Index("idx_action_lists_project_status", "project_id", "status"),
        Index("idx_action_lists_created_at", "created_at"),
        Index("idx_action_lists_updated_at", "updated_at"),
    )
