"""The files of a new project."""

from __future__ import annotations

ENV = '''\
"""Migration environment, run by `headway` and `alembic` alike."""

from headway import env
from {module} import {name}

env.run({expression})
'''

ENV_WITHOUT_MODELS = '''\
"""Migration environment, run by `headway` and `alembic` alike."""

from headway import env

# Hand over the metadata of your models, for `headway revision --autogenerate` and `headway check`:
#
#     from myapp.models import Base
#
#     env.run(Base.metadata)
env.run()
'''

TEMPLATE = '''\
"""${message}

Revision ID: ${up_revision}
Revises: ${comma(down_revision) or "nothing"}
Create Date: ${create_date}
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision: str = ${repr(up_revision)}
down_revision: str | tuple[str, ...] | None = ${repr(down_revision)}
branch_labels: str | tuple[str, ...] | None = ${repr(branch_labels)}
depends_on: str | tuple[str, ...] | None = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
'''

INI = """\
# There is no sqlalchemy.url: DATABASE_URL names the database, so that no password lies under version control.
# There are no [loggers] either: logging belongs to the process that runs the migrations.

[alembic]
script_location = %(here)s/{directory}
prepend_sys_path = %(here)s{source}
path_separator = os
file_template = %%(year)d%%(month).2d%%(day).2d_%%(hour).2d%%(minute).2d_%%(rev)s_%%(slug)s
timezone = UTC
"""

TOML = """\

[tool.alembic]
# There is no sqlalchemy.url: DATABASE_URL names the database, so that no password lies under version control.
script_location = "%(here)s/{directory}"
prepend_sys_path = ["%(here)s{source}"]
file_template = "%%(year)d%%(month).2d%%(day).2d_%%(hour).2d%%(minute).2d_%%(rev)s_%%(slug)s"
timezone = "UTC"
"""

DOTENV = """\
# Copy this file to .env and take the # off what you need; as it stands it changes nothing.

# The database, as your provider's console prints it. With none, development uses an embedded PostgreSQL.
#DATABASE_URL='postgresql://user:secret@localhost:5432/database'

# The direct host for migrations, when the application goes through a pooler.
#MIGRATION_DATABASE_URL='postgresql://user:secret@direct.example.com:5432/database'

# development, staging or production. Outside development no PostgreSQL is started.
#APP_ENVIRONMENT=development
"""

MAKEFILE = """\
.PHONY: migrate migration rollback status

migrate:
\theadway upgrade

migration:
\theadway revision --autogenerate -m "$(m)"

rollback:
\theadway downgrade -1

status:
\theadway status
"""
