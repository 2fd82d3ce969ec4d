"""Valid rows for any schema: made up, written, and looked at again after a migration."""

from headway.testing.rows.filling import Filling, fill
from headway.testing.rows.keeping import Kept, keep
from headway.testing.rows.tables import Table, read_tables

__all__ = ["Filling", "Kept", "Table", "fill", "keep", "read_tables"]
