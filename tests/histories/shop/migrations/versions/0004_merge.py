"""merge coupons and order status"""

revision = "0004"
down_revision = ("0003a", "0003b")


def upgrade():
    pass


def downgrade():
    pass
