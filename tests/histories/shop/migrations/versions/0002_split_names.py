"""split the name in two"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.add_column("customers", sa.Column("first_name", sa.String(50)))
    op.add_column("customers", sa.Column("last_name", sa.String(50)))
    connection = op.get_bind()
    for row in connection.execute(sa.text("SELECT id, name FROM customers")).fetchall():
        first, _, last = row.name.partition(" ")
        connection.execute(
            sa.text("UPDATE customers SET first_name = :first, last_name = :last WHERE id = :id"),
            {"first": first, "last": last, "id": row.id},
        )
    op.alter_column("customers", "first_name", nullable=False)
    op.alter_column("customers", "last_name", nullable=False)
    op.drop_column("customers", "name")


def downgrade():
    op.add_column("customers", sa.Column("name", sa.String(100)))
    op.execute("UPDATE customers SET name = first_name || ' ' || last_name")
    op.alter_column("customers", "name", nullable=False)
    op.drop_column("customers", "last_name")
    op.drop_column("customers", "first_name")
