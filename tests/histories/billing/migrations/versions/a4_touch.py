"""a trigger that says when, and a view for accounting"""

import sqlalchemy as sa
from alembic import op

revision = "a4"
down_revision = "a3"


def upgrade():
    op.add_column("invoices", sa.Column("changed_at", sa.DateTime(timezone=True)))
    op.execute(
        """
        CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $touch$
        BEGIN
            NEW.changed_at := now();  -- "changed" is: this row
            RETURN NEW;
        END;
        $touch$;
        CREATE TRIGGER touch BEFORE UPDATE ON invoices FOR EACH ROW EXECUTE FUNCTION touch();
        CREATE VIEW per_country AS
            SELECT country, sum(gross) AS gross, sum(net) AS net FROM invoices GROUP BY country;
        """
    )
    op.execute("UPDATE invoices SET gross = gross")


def downgrade():
    op.execute("DROP VIEW per_country; DROP TRIGGER touch ON invoices; DROP FUNCTION touch();")
    op.drop_column("invoices", "changed_at")
