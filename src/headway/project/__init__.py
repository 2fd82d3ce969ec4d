"""A project's Alembic configuration, read without Alembic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.exports import on_first_use
from headway.project.configuration import Project, load_project, project_of_config

if TYPE_CHECKING:
    from headway.project.envfile import VersionTable, connects_itself, hands_over

__getattr__, __dir__ = on_first_use(
    __name__, {"headway.project.envfile": ("VersionTable", "connects_itself", "hands_over")}
)

__all__ = [
    "Project",
    "VersionTable",
    "connects_itself",
    "hands_over",
    "load_project",
    "project_of_config",
]
