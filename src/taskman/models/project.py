"""Projects: what a team works towards, over months."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, Index, Numeric, String, Text
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
from taskman.models.json_shapes import Dependency, KeyResult, Link, Member, Milestone, Objective, Risk, Scope
from taskman.models.vocabulary import Health, Methodology, Priority, ProjectStatus


class Project(Timestamped, Base):
    """What a team works towards, with its objectives, key results, people and money."""

    __tablename__ = "projects"

    id: Mapped[UUID] = identifier()
    name: Mapped[str] = mapped_column(String(200), doc="What people call it.")
    description: Mapped[str | None] = mapped_column(Text, doc="What it is about.")
    status: Mapped[ProjectStatus] = word(ProjectStatus, "Where it stands.", default=ProjectStatus.PROPOSED)
    priority: Mapped[Priority] = word(Priority, "How soon it matters.", default=Priority.MEDIUM)
    health: Mapped[Health] = word(Health, "The owner's judgement.", default=Health.ON_TRACK)
    methodology: Mapped[Methodology] = word(
        Methodology, "How the team organises the work.", default=Methodology.SCRUM
    )
    owner: Mapped[str] = mapped_column(String(120), doc="Who answers for it.")
    sponsor: Mapped[str | None] = mapped_column(String(120), doc="Who pays for it.")
    start_date: Mapped[date | None] = mapped_column(Date, doc="First day of work.")
    target_date: Mapped[date | None] = mapped_column(Date, doc="Day by which it should be finished.")
    end_date: Mapped[date | None] = mapped_column(Date, doc="Day it was finished.")
    budget: Mapped[Decimal | None] = mapped_column(Numeric(14, 2), doc="Money granted, in `currency`.")
    currency: Mapped[str | None] = mapped_column(String(3), doc="ISO 4217 code of the budget.")
    progress: Mapped[int] = progress()

    objectives: Mapped[list[Objective]] = json_array("What it is to achieve.")
    key_results: Mapped[list[KeyResult]] = json_array("How to measure that.")
    success_criteria: Mapped[list[str]] = json_array("When it counts as a success.")
    scope: Mapped[Scope] = json_object("What belongs to it and what does not.")
    stakeholders: Mapped[list[Member]] = json_array("Who must be heard.")
    team: Mapped[list[Member]] = json_array("Who works on it.")
    milestones: Mapped[list[Milestone]] = json_array("Days by which something is to be there.")
    risks: Mapped[list[Risk]] = json_array("What could go wrong.")
    dependencies: Mapped[list[Dependency]] = json_array("What it waits for.")
    metrics: Mapped[dict[str, float]] = json_object("Latest figures by name, such as velocity.")
    tags: Mapped[list[str]] = json_array("Words to find it by.")
    links: Mapped[list[Link]] = json_array("Pages elsewhere.")
    settings: Mapped[dict[str, Any]] = json_object("Preferences of the project's board.")

    __table_args__ = (
        only_words_of(ProjectStatus, "status"),
        only_words_of(Priority, "priority"),
        only_words_of(Health, "health"),
        only_words_of(Methodology, "methodology"),
        progress_is_a_percentage(),
        CheckConstraint("target_date >= start_date", name="target_after_start"),
        CheckConstraint("end_date >= start_date", name="end_after_start"),
        CheckConstraint("(budget IS NULL) = (currency IS NULL)", name="budget_has_currency"),
        CheckConstraint("budget >= 0", name="budget_not_negative"),
        Index("idx_projects_status", "status"),
        Index("idx_projects_owner", "owner"),
        Index("idx_projects_start_date", "start_date"),
        Index("idx_projects_created_at", "created_at"),
        Index("idx_projects_updated_at", "updated_at"),
    )
