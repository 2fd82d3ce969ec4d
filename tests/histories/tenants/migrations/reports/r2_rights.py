"""what readers may see"""

from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    op.execute(
        "REVOKE ALL ON reports.daily FROM PUBLIC; GRANT USAGE ON SCHEMA reports TO PUBLIC; "
        "GRANT SELECT ON reports.daily TO PUBLIC; ALTER TABLE app.tenants ENABLE ROW LEVEL SECURITY; "
        "CREATE POLICY own ON app.tenants USING (id::text = current_setting('app.tenant', true))"
    )


def downgrade():
    op.execute("DROP POLICY own ON app.tenants; ALTER TABLE app.tenants DISABLE ROW LEVEL SECURITY")
    op.execute("REVOKE SELECT ON reports.daily FROM PUBLIC; REVOKE USAGE ON SCHEMA reports FROM PUBLIC")
