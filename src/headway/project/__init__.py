"""A project's Alembic configuration, read without Alembic."""

from headway.project.configuration import Project, load_project, project_of_config
from headway.project.envfile import VersionTable

__all__ = ["Project", "VersionTable", "load_project", "project_of_config"]
