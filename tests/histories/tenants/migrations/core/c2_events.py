"""events, partitioned by month"""

from alembic import op

revision = "c2"
down_revision = "c1"


def upgrade():
    op.execute(
        """
        CREATE TABLE app.events (
            tenant_id uuid NOT NULL REFERENCES app.tenants (id),
            at timestamptz NOT NULL,
            body jsonb NOT NULL DEFAULT '{"a": [1, 2], "b:c": "50%"}',
            PRIMARY KEY (tenant_id, at)
        ) PARTITION BY RANGE (at)
        """
    )
    for month in (1, 2, 3):
        op.execute(
            f"CREATE TABLE app.events_{month:02} PARTITION OF app.events "
            f"FOR VALUES FROM ('2026-{month:02}-01') TO ('2026-{month + 1:02}-01')"
        )


def downgrade():
    op.drop_table("events", schema="app")
