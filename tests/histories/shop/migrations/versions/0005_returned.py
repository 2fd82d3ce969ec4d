"""orders can come back: a value that an enum gets by hand"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade():
    with op.get_context().autocommit_block():
        op.execute("ALTER TYPE order_status ADD VALUE IF NOT EXISTS 'returned' AFTER 'shipped'")
    op.execute("UPDATE orders SET status = 'returned' WHERE total > 15")
    op.create_unique_constraint("customers_email", "customers", ["email"])
    op.alter_column("customers", "email", type_=sa.Text(), existing_type=sa.String(100))


def downgrade():
    op.alter_column("customers", "email", type_=sa.String(100), existing_type=sa.Text())
    op.drop_constraint("customers_email", "customers")
    op.execute("UPDATE orders SET status = 'shipped' WHERE status = 'returned'")
    op.execute(
        """
        ALTER TABLE orders ALTER COLUMN status DROP DEFAULT;
        ALTER TYPE order_status RENAME TO order_status_old;
        CREATE TYPE order_status AS ENUM ('new', 'paid', 'shipped');
        ALTER TABLE orders ALTER COLUMN status TYPE order_status USING status::text::order_status;
        ALTER TABLE orders ALTER COLUMN status SET DEFAULT 'new';
        DROP TYPE order_status_old;
        """
    )
