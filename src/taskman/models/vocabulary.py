"""The words that columns such as ``status`` and ``priority`` may hold."""

from enum import StrEnum


class ProjectStatus(StrEnum):
    """Where a project stands."""

    PROPOSED = "proposed"
    ACTIVE = "active"
    ON_HOLD = "on_hold"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class SprintStatus(StrEnum):
    """Where a sprint stands."""

    PLANNED = "planned"
    ACTIVE = "active"
    IN_REVIEW = "in_review"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class TaskStatus(StrEnum):
    """The columns of the board."""

    BACKLOG = "backlog"
    READY = "ready"
    IN_PROGRESS = "in_progress"
    BLOCKED = "blocked"
    IN_REVIEW = "in_review"
    DONE = "done"
    CANCELLED = "cancelled"


class ActionListStatus(StrEnum):
    """Where a list of actions stands."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    DROPPED = "dropped"


class Priority(StrEnum):
    """How soon it matters."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Health(StrEnum):
    """The owner's judgement of a project."""

    ON_TRACK = "on_track"
    AT_RISK = "at_risk"
    OFF_TRACK = "off_track"


class Methodology(StrEnum):
    """How the team organises the work."""

    SCRUM = "scrum"
    KANBAN = "kanban"
    SCRUMBAN = "scrumban"
    XP = "xp"


class TaskKind(StrEnum):
    """What sort of work a task is."""

    STORY = "story"
    BUG = "bug"
    CHORE = "chore"
    SPIKE = "spike"


class Level(StrEnum):
    """Three steps, for severity and risk."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class ActionSource(StrEnum):
    """The occasion a list of actions came out of."""

    RETROSPECTIVE = "retrospective"
    REVIEW = "review"
    PLANNING = "planning"
    INCIDENT = "incident"
    MEETING = "meeting"
