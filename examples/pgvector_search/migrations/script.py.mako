<%!
    def statements(text):
        """What Alembic generated, without the two lines it puts around it; `pass` when there is nothing."""
        lines = [line for line in (text or "pass").splitlines() if not line.lstrip().startswith("# ### ")]
        return "\n".join(lines).strip()
%>\
"""${message}

Revision ID: ${up_revision}
Revises: ${comma(down_revision) or "nothing"}
Create Date: ${create_date}
"""

from __future__ import annotations

% if "op." in (upgrades or "") + (downgrades or ""):
import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
% else:
import sqlalchemy as sa  # noqa: F401  # at hand for whoever fills this in
from alembic import op  # noqa: F401  # at hand for whoever fills this in
% endif

revision: str = ${repr(up_revision)}
down_revision: str | tuple[str, ...] | None = ${repr(down_revision)}
branch_labels: str | tuple[str, ...] | None = ${repr(branch_labels)}
depends_on: str | tuple[str, ...] | None = ${repr(depends_on)}


def upgrade() -> None:
    """Apply this revision."""
    ${statements(upgrades)}


def downgrade() -> None:
    """Undo this revision."""
    ${statements(downgrades)}
