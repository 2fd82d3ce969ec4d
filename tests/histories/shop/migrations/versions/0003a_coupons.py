"""coupons, made on one branch"""

import sqlalchemy as sa
from alembic import op

revision = "0003a"
down_revision = "0002"


def upgrade():
    coupons = op.create_table(
        "coupons",
        sa.Column("code", sa.String(20), primary_key=True),
        sa.Column("percent", sa.SmallInteger, nullable=False, server_default="10"),
        sa.CheckConstraint("percent BETWEEN 1 AND 100", name="coupons_percent"),
    )
    op.bulk_insert(coupons, [{"code": "WELCOME", "percent": 15}, {"code": "50%", "percent": 50}])
    op.add_column("orders", sa.Column("coupon", sa.String(20), sa.ForeignKey("coupons.code")))


def downgrade():
    op.drop_column("orders", "coupon")
    op.drop_table("coupons")
