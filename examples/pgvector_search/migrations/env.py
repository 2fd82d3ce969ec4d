"""Migration environment, run by `headway` and `alembic` alike."""

from models import Base

from headway import env

env.run(Base.metadata)
