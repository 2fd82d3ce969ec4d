"""an index that nobody waits for"""

import sqlalchemy as sa
from alembic import op

revision = "c3"
down_revision = "c2"


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index(
            "tenants_contact",
            "tenants",
            ["contact"],
            schema="app",
            postgresql_concurrently=True,
            if_not_exists=True,
        )
    if not sa.inspect(op.get_bind()).has_table("settings", schema="app"):
        op.create_table(
            "settings",
            sa.Column("tenant_id", sa.Uuid, sa.ForeignKey("app.tenants.id"), primary_key=True),
            sa.Column("tags", sa.ARRAY(sa.String(20)), server_default="{}"),
            schema="app",
        )


def downgrade():
    op.drop_table("settings", schema="app")
    with op.get_context().autocommit_block():
        op.drop_index("tenants_contact", table_name="tenants", schema="app", postgresql_concurrently=True)
