"""What the JSONB columns hold. Days and instants inside JSON are ISO 8601 strings."""

from typing import NotRequired

# pydantic accepts the standard library's TypedDict from Python 3.12 on only.
from typing_extensions import TypedDict


class KeyResult(TypedDict):
    """A measurable sign that an objective is being met."""

    name: str
    unit: str
    start: float
    target: float
    current: float


class Objective(TypedDict):
    """What is to be achieved, in words."""

    title: str
    why: NotRequired[str]


class Scope(TypedDict, total=False):
    """What belongs to a project and what does not."""

    included: list[str]
    excluded: list[str]


class Member(TypedDict):
    """Somebody with a part to play."""

    name: str
    role: str


class Milestone(TypedDict):
    """A day by which something is to be there."""

    name: str
    due: str
    reached: bool


class Risk(TypedDict):
    """What could go wrong, and what is done about it."""

    description: str
    likelihood: str
    impact: str
    mitigation: NotRequired[str]


class Dependency(TypedDict):
    """Something this waits for: a task's id, or a name outside taskman."""

    on: str
    reason: NotRequired[str]


class Link(TypedDict):
    """A page elsewhere."""

    title: str
    url: str


class Attachment(TypedDict):
    """A file kept elsewhere; ``size`` in bytes."""

    name: str
    url: str
    size: int


class Ceremony(TypedDict):
    """A meeting of the sprint; ``minutes`` is its length."""

    name: str
    at: str
    minutes: int


class Impediment(TypedDict):
    """What held the team up."""

    description: str
    raised_by: str
    resolved: bool


class BurndownPoint(TypedDict):
    """Story points left at the end of a day."""

    day: str
    remaining: float


class Review(TypedDict, total=False):
    """What the sprint review showed."""

    shown: list[str]
    feedback: list[str]
    accepted: bool


class Retrospective(TypedDict, total=False):
    """What the team says of its own sprint."""

    went_well: list[str]
    went_badly: list[str]
    to_try: list[str]


class ChecklistItem(TypedDict):
    """A line to tick off."""

    text: str
    done: bool


class Comment(TypedDict):
    """What somebody said, and when."""

    author: str
    text: str
    at: str


class WorkLogEntry(TypedDict):
    """Time spent, in hours."""

    person: str
    day: str
    hours: float
    note: NotRequired[str]


class StatusChange(TypedDict):
    """A move across the board."""

    before: str
    after: str
    at: str


class TestCase(TypedDict):
    """How to see that the task works."""

    title: str
    expected: str
    passed: NotRequired[bool]


class ActionItem(TypedDict):
    """One agreed action."""

    text: str
    owner: str
    done: bool
    due: NotRequired[str]


class Decision(TypedDict):
    """What was decided, and why."""

    decision: str
    reason: NotRequired[str]
