"""Migration environment, run by `headway` and `alembic` alike."""

from headway import env
from taskman.models import Base

env.run(Base.metadata, drop_extensions=True)
