"""net amounts, computed by the application's own code"""

import importlib

import sqlalchemy as sa
from alembic import op

revision = "a3"
down_revision = "a2"


def upgrade():
    rates = importlib.import_module("billing.rates")
    op.add_column("invoices", sa.Column("net", sa.Integer))
    invoices = sa.table(
        "invoices", sa.column("id"), sa.column("country"), sa.column("gross"), sa.column("net", sa.Integer)
    )
    bind = op.get_bind()
    for row in bind.execute(sa.select(invoices).order_by(invoices.c.id)).all():
        bind.execute(
            sa.update(invoices).where(invoices.c.id == row.id).values(net=rates.net(row.gross, row.country))
        )
    op.alter_column("invoices", "net", nullable=False)
    op.create_check_constraint("invoices_net", "invoices", "net <= gross")


def downgrade():
    op.drop_constraint("invoices_net", "invoices", type_="check")
    op.drop_column("invoices", "net")
