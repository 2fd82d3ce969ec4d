"""Sprints: a project's work, in weeks."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, Integer, Numeric, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from taskman.models.declarative import (
    Base,
    Timestamped,
    identifier,
    json_array,
    json_object,
    only_words_of,
    word,
)
from taskman.models.json_shapes import (
    BurndownPoint,
    Ceremony,
    Impediment,
    KeyResult,
    Objective,
    Retrospective,
    Review,
    Risk,
)
from taskman.models.vocabulary import SprintStatus


class Sprint(Timestamped, Base):
    """A stretch of days in which a team does what it committed to; goes with its project."""

    __tablename__ = "sprints"

    id: Mapped[UUID] = identifier()
    name: Mapped[str] = mapped_column(String(200), doc="What people call it.")
    number: Mapped[int] = mapped_column(Integer, doc="Its place in the project's row of sprints, from 1.")
    goal: Mapped[str | None] = mapped_column(Text, doc="What it is for, in a sentence.")
    status: Mapped[SprintStatus] = word(SprintStatus, "Where it stands.", default=SprintStatus.PLANNED)
    owner: Mapped[str] = mapped_column(String(120), doc="Who runs it.")
    primary_project: Mapped[UUID] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), doc="The project it belongs to."
    )
    start_date: Mapped[date] = mapped_column(Date, doc="First day.")
    end_date: Mapped[date] = mapped_column(Date, doc="Last day.")
    capacity_hours: Mapped[Decimal | None] = mapped_column(Numeric(7, 2), doc="Hours the team has.")
    committed_points: Mapped[int] = mapped_column(
        Integer, server_default=text("0"), doc="Story points taken on."
    )
    completed_points: Mapped[int] = mapped_column(Integer, server_default=text("0"), doc="Story points done.")

    objectives: Mapped[list[Objective]] = json_array("What it contributes to the project's objectives.")
    key_results: Mapped[list[KeyResult]] = json_array("How to measure that.")
    team_capacity: Mapped[dict[str, float]] = json_object("Hours by person.")
    ceremonies: Mapped[list[Ceremony]] = json_array("Planning, stand-ups, review, retrospective.")
    definition_of_done: Mapped[list[str]] = json_array("What every task must satisfy to be done.")
    risks: Mapped[list[Risk]] = json_array("What could go wrong.")
    impediments: Mapped[list[Impediment]] = json_array("What held the team up.")
    burndown: Mapped[list[BurndownPoint]] = json_array("Points left, day by day.")
    review: Mapped[Review] = json_object("What the review showed.")
    retrospective: Mapped[Retrospective] = json_object("What the team says of it.")
    tags: Mapped[list[str]] = json_array("Words to find it by.")

    __table_args__ = (
        only_words_of(SprintStatus, "status"),
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint("end_date >= start_date", name="end_after_start"),
        CheckConstraint("capacity_hours >= 0", name="capacity_hours"),
        CheckConstraint("committed_points >= 0", name="committed_points"),
        CheckConstraint("completed_points >= 0", name="completed_points"),
        Index("idx_sprints_status", "status"),
        Index("idx_sprints_primary_project", "primary_project"),
        Index("idx_sprints_owner", "owner"),
        Index("idx_sprints_start_date", "start_date"),
        Index("idx_sprints_end_date", "end_date"),
        Index("idx_sprints_project_status", "primary_project", "status"),
        Index("idx_sprints_created_at", "created_at"),
        Index("idx_sprints_updated_at", "updated_at"),
    )
