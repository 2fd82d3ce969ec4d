"""score in words

Fails half-way: the table and the column are made, then the conversion meets a value that is none.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "v003"
down_revision: str | tuple[str, ...] | None = "v002"
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table("grades", sa.Column("name", sa.Text(), primary_key=True))
    op.add_column("assessment_results", sa.Column("grade", sa.Text(), nullable=True))
    op.execute("SELECT 'excellent'::numeric")


def downgrade() -> None:
    """Undo this revision."""
    op.drop_column("assessment_results", "grade")
    op.drop_table("grades")
