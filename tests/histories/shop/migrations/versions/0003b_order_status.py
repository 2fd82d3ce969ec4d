"""correct a word of the order status, made on the other branch"""

from alembic import op

revision = "0003b"
down_revision = "0002"


def _exchange(old, new, mapping):
    words = ", ".join(f"'{word}'" for word in new)
    cases = " ".join(f"WHEN '{was}' THEN '{becomes}'" for was, becomes in mapping.items())
    op.execute("ALTER TABLE orders ALTER COLUMN status DROP DEFAULT")
    op.execute("ALTER TYPE order_status RENAME TO order_status_old")
    op.execute(f"CREATE TYPE order_status AS ENUM ({words})")
    op.execute(
        "ALTER TABLE orders ALTER COLUMN status TYPE order_status "
        f"USING (CASE status::text {cases} ELSE status::text END)::order_status"
    )
    op.execute("DROP TYPE order_status_old; ALTER TABLE orders ALTER COLUMN status SET DEFAULT 'new'")


def upgrade():
    _exchange(("new", "payed", "shipped"), ("new", "paid", "shipped"), {"payed": "paid"})


def downgrade():
    _exchange(("new", "paid", "shipped"), ("new", "payed", "shipped"), {"paid": "payed"})
