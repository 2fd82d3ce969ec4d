"""A project's Alembic configuration, read without Alembic."""

from headway.project.configuration import Project, load_project, project_of_config
from headway.project.envfile import VersionTable, connects_itself, hands_over

__all__ = [
    "Project",
    "VersionTable",
    "connects_itself",
    "hands_over",
    "load_project",
    "project_of_config",
]
