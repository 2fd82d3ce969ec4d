"""customers and orders"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.execute("CREATE TYPE order_status AS ENUM ('new', 'payed', 'shipped')")
    op.create_table(
        "customers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("email", sa.String(100)),
    )
    op.execute(
        """
        CREATE TABLE orders (
            id serial PRIMARY KEY,
            customer_id int NOT NULL REFERENCES customers (id),
            status order_status NOT NULL DEFAULT 'new',
            total numeric(10, 2) NOT NULL CHECK (total >= 0)
        );
        CREATE INDEX orders_customer ON orders (customer_id);
        COMMENT ON TABLE orders IS 'what was bought; see wiki';
        INSERT INTO customers (name, email) VALUES ('Ada Lovelace', 'ada@example.org'), ('Bob Miller', NULL);
        INSERT INTO orders (customer_id, status, total) SELECT id, 'payed', 10 * id FROM customers;
        """
    )


def downgrade():
    op.execute("DROP TABLE orders; DROP TABLE customers; DROP TYPE order_status;")
