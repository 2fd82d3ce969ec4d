"""The tables of the reference application, one module per noun."""

from taskman.models.action_list import ActionList
from taskman.models.declarative import Base
from taskman.models.document import EMBEDDING_DIMENSIONS, Document
from taskman.models.project import Project
from taskman.models.sprint import Sprint
from taskman.models.task import Task

__all__ = ["EMBEDDING_DIMENSIONS", "ActionList", "Base", "Document", "Project", "Sprint", "Task"]
