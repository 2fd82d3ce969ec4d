"""Begin a project, or take over one that Alembic runs: ``headway init``."""

from headway.scaffold.adoption import Adoption, adopt, examine
from headway.scaffold.beginning import Beginning, begin, is_project

__all__ = ["Adoption", "Beginning", "adopt", "begin", "examine", "is_project"]
