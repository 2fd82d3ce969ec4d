"""first invoices, through an ORM session"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.orm import Session, declarative_base, relationship

revision = "a2"
down_revision = "a1"

Base = declarative_base()


class Invoice(Base):
    __tablename__ = "invoices"
    id = sa.Column(sa.BigInteger, primary_key=True)
    country = sa.Column(sa.CHAR(2))
    gross = sa.Column(sa.Integer)
    lines = relationship("Line", cascade="all, delete-orphan")


class Line(Base):
    __tablename__ = "lines"
    id = sa.Column(sa.BigInteger, primary_key=True)
    invoice_id = sa.Column(sa.ForeignKey("invoices.id"))
    text = sa.Column(sa.Text)
    gross = sa.Column(sa.Integer)


def upgrade():
    session = Session(bind=op.get_bind())
    for number, country in enumerate(("AT", "DE", "FR"), start=1):
        lines = [Line(text=f"item {n}: 100%", gross=1000 * n) for n in range(1, number + 1)]
        session.add(Invoice(country=country, gross=sum(line.gross for line in lines), lines=lines))
    session.flush()
    session.query(Line).filter(Line.gross > 2000).update({"text": "expensive"})
    session.commit()


def downgrade():
    session = Session(bind=op.get_bind())
    for invoice in session.query(Invoice):
        session.delete(invoice)
    session.commit()
