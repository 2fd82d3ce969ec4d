"""A project's Alembic configuration, read without Alembic."""

from headway.project.configuration import Project, load_project, project_of_config
from headway.project.envfile import VersionTable, connects_itself, hands_over
from headway.project.lintsection import lint_sections

__all__ = [
    "Project",
    "VersionTable",
    "connects_itself",
    "hands_over",
    "lint_sections",
    "load_project",
    "project_of_config",
]
