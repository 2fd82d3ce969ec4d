from orchestrator.models import Base

from headway import env

env.run(Base.metadata)
