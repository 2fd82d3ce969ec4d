"""daily figures, from another team"""

from alembic import op

revision = "r1"
down_revision = None
branch_labels = ("reports",)
depends_on = "c2"


def upgrade():
    op.execute(
        """
        CREATE SCHEMA reports;
        CREATE MATERIALIZED VIEW reports.daily AS
            SELECT tenant_id, date_trunc('day', at, 'UTC') AS day, count(*) FROM app.events GROUP BY 1, 2;
        CREATE UNIQUE INDEX daily_key ON reports.daily (tenant_id, day);
        """
    )


def downgrade():
    op.execute("DROP SCHEMA reports CASCADE")
