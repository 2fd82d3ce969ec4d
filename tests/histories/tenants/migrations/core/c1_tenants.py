"""tenants, a schema for each kind of data"""

import sqlalchemy as sa
from alembic import op

revision = "c1"
down_revision = None
branch_labels = ("core",)


def upgrade():
    op.execute("CREATE SCHEMA app")
    op.execute("CREATE DOMAIN app.email AS text CHECK (VALUE ~ '^[^@]+@[^@]+$')")
    op.create_table(
        "tenants",
        sa.Column("id", sa.Uuid, primary_key=True, server_default=sa.text("gen_random_uuid()")),
        sa.Column("Name", sa.Text, nullable=False, unique=True),
        schema="app",
    )
    op.execute(
        'ALTER TABLE app.tenants ADD COLUMN contact app.email; CREATE SEQUENCE app."Odd Numbers" INCREMENT 2'
    )


def downgrade():
    op.execute('DROP SEQUENCE app."Odd Numbers"')
    op.drop_table("tenants", schema="app")
    op.execute("DROP DOMAIN app.email; DROP SCHEMA app")
