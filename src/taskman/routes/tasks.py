"""Tasks and their way across the board."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, status
from sqlalchemy import select

from taskman.models import Sprint, Task
from taskman.models.json_shapes import StatusChange
from taskman.models.vocabulary import Priority, TaskStatus
from taskman.routes.paging import Page, Paging, rows_of
from taskman.routes.session import Session, found
from taskman.routes.strict_json import StrictRoute
from taskman.schemas import Move, NewTask, TaskView

router = APIRouter(prefix="/tasks", tags=["tasks"], route_class=StrictRoute)


class TaskFilter(Paging):
    """Which tasks are wanted; all of them when nothing is said."""

    status: TaskStatus | None = None
    priority: Priority | None = None
    owner: str | None = None
    primary_project: UUID | None = None
    primary_sprint: UUID | None = None


@router.post("", status_code=status.HTTP_201_CREATED)
async def create_task(new: NewTask, session: Session) -> TaskView:
    """Create a task; it begins in the backlog, or ready when a sprint is named."""
    begins = TaskStatus.BACKLOG
    if new.primary_sprint is not None:
        sprint = await session.get(Sprint, new.primary_sprint)
        # A sprint that does not exist is left to the foreign key, which cannot be outrun.
        if sprint is not None and sprint.primary_project != new.primary_project:
            raise HTTPException(
                status.HTTP_422_UNPROCESSABLE_CONTENT,
                f"Sprint {sprint.id} belongs to project {sprint.primary_project}.",
            )
        begins = TaskStatus.READY
    task = Task(status=begins, **new.model_dump())
    session.add(task)
    await session.commit()
    return TaskView.model_validate(task)


@router.get("")
async def list_tasks(wanted: Annotated[TaskFilter, Query()], session: Session) -> Page[TaskView]:
    """List tasks in the order of the board, and oldest first where that says nothing."""
    query = select(Task).order_by(Task.board_rank, Task.created_at, Task.id)
    for name, value in wanted.model_dump(exclude={"limit", "offset"}, exclude_none=True).items():
        query = query.where(getattr(Task, name) == value)
    rows, total = await rows_of(session, query, wanted)
    return Page(items=[TaskView.model_validate(row) for row in rows], total=total)


@router.get("/{task_id}")
async def get_task(task_id: UUID, session: Session) -> TaskView:
    """Read one task."""
    return TaskView.model_validate(await found(session, Task, task_id))


@router.post("/{task_id}/move")
async def move_task(task_id: UUID, move: Move, session: Session) -> TaskView:
    """Move a task to another column; the move is remembered. Moving it where it is changes nothing."""
    # Two moves at once would otherwise each append to the history they read, and one be lost.
    task = await found(session, Task, task_id, lock=True)
    if task.status is not move.status:
        _move(task, move.status, at=datetime.now(UTC))
    task.blocked_reason = move.reason
    await session.commit()
    return TaskView.model_validate(task)


def _move(task: Task, after: TaskStatus, *, at: datetime) -> None:
    change = StatusChange(before=task.status.value, after=after.value, at=at.isoformat())
    # A new list, because SQLAlchemy does not notice a JSON value that is changed in place.
    task.status_history = [*task.status_history, change]
    task.status = after
    if after is TaskStatus.IN_PROGRESS and task.started_at is None:
        task.started_at = at
    task.completed_at = at if after is TaskStatus.DONE else None
