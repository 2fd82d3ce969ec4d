"""invoices and their lines"""

import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = None
branch_labels = ("billing",)


def upgrade():
    op.create_table(
        "invoices",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("country", sa.CHAR(2), nullable=False),
        sa.Column("gross", sa.Integer, nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    op.create_table(
        "lines",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column(
            "invoice_id", sa.BigInteger, sa.ForeignKey("invoices.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("text", sa.Text, nullable=False, comment="as printed: it's theirs"),
        sa.Column("gross", sa.Integer, nullable=False),
    )
    op.create_index("lines_invoice", "lines", ["invoice_id"])


def downgrade():
    op.drop_table("lines")
    op.drop_table("invoices")
