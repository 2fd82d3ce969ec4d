"""Projects and their sprints."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, status
from sqlalchemy import select

from taskman.models import Project, Sprint
from taskman.models.vocabulary import ProjectStatus
from taskman.routes.paging import Page, Paging, rows_of
from taskman.routes.session import Session, found
from taskman.routes.strict_json import StrictRoute
from taskman.schemas import NewProject, NewSprint, ProjectView, SprintView

router = APIRouter(prefix="/projects", tags=["projects"], route_class=StrictRoute)


class ProjectFilter(Paging):
    """Which projects are wanted; all of them when nothing is said."""

    status: ProjectStatus | None = None
    owner: str | None = None


@router.post("", status_code=status.HTTP_201_CREATED)
async def create_project(new: NewProject, session: Session) -> ProjectView:
    """Create a project."""
    project = Project(**new.model_dump())
    session.add(project)
    await session.commit()
    return ProjectView.model_validate(project)


@router.get("")
async def list_projects(wanted: Annotated[ProjectFilter, Query()], session: Session) -> Page[ProjectView]:
    """List projects, newest first."""
    query = select(Project).order_by(Project.created_at.desc(), Project.id)
    if wanted.status is not None:
        query = query.where(Project.status == wanted.status)
    if wanted.owner is not None:
        query = query.where(Project.owner == wanted.owner)
    rows, total = await rows_of(session, query, wanted)
    return Page(items=[ProjectView.model_validate(row) for row in rows], total=total)


@router.get("/{project_id}")
async def get_project(project_id: UUID, session: Session) -> ProjectView:
    """Read one project."""
    return ProjectView.model_validate(await found(session, Project, project_id))


@router.delete("/{project_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_project(project_id: UUID, session: Session) -> None:
    """Delete a project with its sprints and tasks; action lists stay, and forget it."""
    await session.delete(await found(session, Project, project_id))
    await session.commit()


@router.post("/{project_id}/sprints", status_code=status.HTTP_201_CREATED)
async def create_sprint(project_id: UUID, new: NewSprint, session: Session) -> SprintView:
    """Plan a sprint in a project."""
    await found(session, Project, project_id)
    sprint = Sprint(primary_project=project_id, **new.model_dump())
    session.add(sprint)
    await session.commit()
    return SprintView.model_validate(sprint)


@router.get("/{project_id}/sprints")
async def list_sprints(
    project_id: UUID, wanted: Annotated[Paging, Query()], session: Session
) -> Page[SprintView]:
    """List a project's sprints in the order of their numbers."""
    await found(session, Project, project_id)
    query = select(Sprint).where(Sprint.primary_project == project_id).order_by(Sprint.number, Sprint.id)
    rows, total = await rows_of(session, query, wanted)
    return Page(items=[SprintView.model_validate(row) for row in rows], total=total)
