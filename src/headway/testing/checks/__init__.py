"""Checks of a project's migrations: each a function that raises when something is wrong.

The pytest plugin collects them with ``headway_checks = all``; calling one is as good. Those that run
revisions take a ``Migrator`` on a database of their own (the fixture ``headway_migrator``), and leave that
where it stands.
"""

from headway.testing.checks.failure import CheckFailedError, NotApplicableError
from headway.testing.checks.files import revision_files, single_head
from headway.testing.checks.offline import offline_sql
from headway.testing.checks.rows import rows_preserved
from headway.testing.checks.schema import models_match, upgrade_downgrade, whole_history

__all__ = [
    "CheckFailedError",
    "NotApplicableError",
    "models_match",
    "offline_sql",
    "revision_files",
    "rows_preserved",
    "single_head",
    "upgrade_downgrade",
    "whole_history",
]
